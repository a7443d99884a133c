package cluster

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const defaultGCGrace = 864000 // seconds

var (
	comment   = regexp.MustCompile(`--[^\n]*`)
	create    = regexp.MustCompile(`(?is)^\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z][a-z0-9_.]*)\s*\((.*)\)\s*(?:WITH\b(.*))?$`)
	alter     = regexp.MustCompile(`(?is)^\s*ALTER\s+TABLE\s+([a-z][a-z0-9_.]*)\s+WITH\b(.*)$`)
	gcGrace   = regexp.MustCompile(`(?i)\bgc_grace_seconds\s*=\s*(\d+)`)
	primary   = regexp.MustCompile(`(?is)^PRIMARY\s+KEY\s*\((.*)\)$`)
	composite = regexp.MustCompile(`(?s)^\(([^)]*)\)(.*)$`)
	declared  = regexp.MustCompile(`(?i)^([a-z][a-z0-9_]*)\s+([a-z]+)(\s+static)?(\s+primary\s+key)?$`)
	order     = regexp.MustCompile(`(?i)\bDESC\b`)
)

// Define creates a table if it does not exist, or changes the gc_grace_seconds
// of one that does.
func (c *Cluster) Define(statement string) error {
	text := strings.TrimRight(strings.TrimSpace(comment.ReplaceAllString(statement, "")), "; \n\t")
	if m := alter.FindStringSubmatch(text); m != nil {
		return c.alter(strings.ToLower(m[1]), m[2])
	}
	m := split(text)
	if m == nil {
		return fmt.Errorf("cluster: not a CREATE TABLE and no ALTER TABLE: %s", statement)
	}
	t := &table{name: strings.ToLower(m[0]), gcGrace: defaultGCGrace}
	if order.MatchString(m[2]) {
		return fmt.Errorf("cluster: descending order is not modelled: %s", statement)
	}
	if seconds := gcGrace.FindStringSubmatch(m[2]); seconds != nil {
		t.gcGrace, _ = strconv.ParseInt(seconds[1], 10, 64)
	}
	if err := t.declare(m[1]); err != nil {
		return err
	}
	if c.schema.table(t.name) == nil {
		c.setSchema(c.schema.with(t))
	}
	return nil
}

// split returns the name, the columns and the options of a CREATE TABLE.
func split(text string) []string {
	m := create.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	name, body := m[1], text[strings.Index(text, "(")+1:]
	depth := 1
	for i, r := range body {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return []string{name, body[:i], body[i+1:]}
		}
	}
	return nil
}

func (c *Cluster) alter(name, options string) error {
	old := c.schema.table(name)
	seconds := gcGrace.FindStringSubmatch(options)
	if old == nil || seconds == nil {
		return fmt.Errorf("cluster: ALTER TABLE %s WITH %s", name, options)
	}
	changed := *old
	changed.gcGrace, _ = strconv.ParseInt(seconds[1], 10, 64)
	c.setSchema(c.schema.with(&changed))
	return nil
}

// declare reads the columns and the key of a table.
func (t *table) declare(body string) error {
	var key []string
	all := make(map[string]column)
	var names []string
	static := make(map[string]bool)
	for _, part := range outerCommas(body) {
		if m := primary.FindStringSubmatch(part); m != nil {
			key = []string{m[1]}
			continue
		}
		m := declared.FindStringSubmatch(part)
		if m == nil {
			return fmt.Errorf("cluster: table %s: the column %q", t.name, part)
		}
		name := strings.ToLower(m[1])
		kind, ok := kinds[strings.ToLower(m[2])]
		if !ok {
			return fmt.Errorf("cluster: table %s: the type %q is not modelled", t.name, m[2])
		}
		all[name], static[name] = column{name, kind}, m[3] != ""
		names = append(names, name)
		if m[4] != "" {
			key = []string{name}
		}
	}
	if key == nil {
		return fmt.Errorf("cluster: table %s has no primary key", t.name)
	}
	if err := t.declareKey(key[0], all); err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case slices.ContainsFunc(slices.Concat(t.partition, t.clustering), func(c column) bool { return c.name == name }):
		case static[name]:
			t.static = append(t.static, all[name])
		default:
			t.regular = append(t.regular, all[name])
		}
	}
	if len(t.static) > 64 || len(t.regular) > 64 {
		return fmt.Errorf("cluster: table %s has more than 64 columns", t.name)
	}
	return nil
}

// declareKey reads what is between the brackets of PRIMARY KEY.
func (t *table) declareKey(key string, all map[string]column) error {
	partition, clustering, _ := strings.Cut(key, ",")
	if m := composite.FindStringSubmatch(strings.TrimSpace(key)); m != nil {
		partition, clustering = m[1], m[2]
	}
	for _, list := range []struct {
		names string
		to    *[]column
	}{{partition, &t.partition}, {clustering, &t.clustering}} {
		for _, name := range strings.FieldsFunc(list.names, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
			c, ok := all[strings.ToLower(name)]
			if !ok {
				return fmt.Errorf("cluster: table %s: the key has an unknown column %q", t.name, name)
			}
			*list.to = append(*list.to, c)
		}
	}
	return nil
}

// outerCommas splits at the commas that are not in brackets.
func outerCommas(text string) (parts []string) {
	depth, from := 0, 0
	for i, r := range text + "," {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth > 0 {
				continue
			}
			if part := strings.Join(strings.Fields(text[from:i]), " "); part != "" {
				parts = append(parts, part)
			}
			from = i + 1
		}
	}
	return parts
}
