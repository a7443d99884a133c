package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// History is a whole history as a script: a cluster, and what happens to it and
// on it, event by event. It has a text form, one event a line, in which it is
// printed, kept in testdata, and replayed.
type History struct {
	Comments []string // of the text form, without the #
	Expect   string   // the class of the violation that is in it, or was before it was mended
	Until    string   // the part of the work that mends it; "" if it is mended
	Cluster  string   // the data centres, their nodes and replicas: "dc1:3" or "dc1:3/1" with one replica
	Hosts    string   // the data centre of each host: "dc1 dc2"
	Horizon  string   // Config.Horizon
	Border   string   // how long after the beginning a bucket of each width ends; "" means after three weeks
	Crowd    int      // Config.BucketMessages; 0 means the default, which no history comes to
	Page     int      // rows in a page at most, to try what happens between two pages; 0 means as many as the library asks for
	Bearable int      // tombstones that a node reads before it fails; 0 means 100,000
	Seed     uint64   // of the noise: see [chance]. 0 means none
	Events   []Event
}

// Event is one event. Its numbers are those that the verb's arguments name, in
// their order.
type Event struct {
	Number     int // of the event when the history was made: its noise depends on it
	Verb       string
	Args       [3]int
	Background bool // an operation that is not waited for: it goes on while the next events happen
}

// String returns the text form of a history. [Parse] reads it.
func (h History) String() string {
	var b strings.Builder
	for _, line := range h.Comments {
		fmt.Fprintf(&b, "#%s\n", line)
	}
	if h.Expect != "" {
		fmt.Fprintf(&b, "expect %s\n", h.Expect)
	}
	if h.Until != "" {
		fmt.Fprintf(&b, "until %s\n", h.Until)
	}
	fmt.Fprintf(&b, "cluster %s\nhosts %s\nhorizon %s\n", h.Cluster, h.Hosts, h.Horizon)
	if h.Border != "" {
		fmt.Fprintf(&b, "border %s\n", h.Border)
	}
	for _, number := range []struct {
		name  string
		value uint64
	}{{"crowd", uint64(h.Crowd)}, {"page", uint64(h.Page)}, {"tombstones", uint64(h.Bearable)}, {"seed", h.Seed}} {
		if number.value != 0 {
			fmt.Fprintf(&b, "%s %d\n", number.name, number.value)
		}
	}
	for _, e := range h.Events {
		if h.Seed != 0 {
			fmt.Fprintf(&b, "%d: ", e.Number)
		}
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// String returns the text form of an event.
func (e Event) String() string {
	words := []string{e.Verb}
	for i, kind := range verbs[e.Verb].args {
		words = append(words, kind.name(e.Args[i]))
	}
	if e.Background {
		words = append(words, "&")
	}
	return strings.Join(words, " ")
}

// Parse reads the text form of a history.
func Parse(text string) (h History, err error) {
	for number, line := range strings.Split(text, "\n") {
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			h.Comments = append(h.Comments, comment)
			continue
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := h.parseLine(line); err != nil {
			return h, fmt.Errorf("sim: line %d, %q: %w", number+1, line, err)
		}
	}
	return h, nil
}

func (h *History) parseLine(line string) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "expect":
		h.Expect = rest
	case "until":
		h.Until = rest
	case "cluster":
		h.Cluster = rest
	case "hosts":
		h.Hosts = rest
	case "horizon":
		h.Horizon = rest
	case "border":
		h.Border = rest
	case "crowd":
		h.Crowd, err = strconv.Atoi(rest)
	case "page":
		h.Page, err = strconv.Atoi(rest)
	case "tombstones":
		h.Bearable, err = strconv.Atoi(rest)
	case "seed":
		h.Seed, err = strconv.ParseUint(rest, 10, 64)
	default:
		var e Event
		e, err = parseEvent(line)
		if e.Number == 0 {
			e.Number = len(h.Events) + 1
		}
		h.Events = append(h.Events, e)
	}
	return err
}

func parseEvent(line string) (e Event, err error) {
	if number, rest, ok := strings.Cut(line, ": "); ok {
		if e.Number, err = strconv.Atoi(number); err != nil {
			return e, err
		}
		line = rest
	}
	words := strings.Fields(line)
	e.Verb = words[0]
	words = words[1:]
	verb, ok := verbs[e.Verb]
	if !ok {
		return e, fmt.Errorf("there is no verb %q", e.Verb)
	}
	if n := len(words); n > 0 && words[n-1] == "&" {
		e.Background, words = true, words[:n-1]
	}
	if len(words) != len(verb.args) {
		return e, fmt.Errorf("%s has %d arguments", e.Verb, len(verb.args))
	}
	for i, kind := range verb.args {
		if e.Args[i], err = kind.number(words[i]); err != nil {
			return e, err
		}
	}
	return e, nil
}
