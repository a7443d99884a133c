package cluster

import (
	"slices"
	"strings"
)

// span is a range of the rows of a partition: the keys from low on that are
// smaller than end.
type span struct {
	low, end string
	endless  bool // there is no end
}

// spanOf returns the rows whose keys begin with a prefix.
func spanOf(prefix string) span {
	end, endless := successor(prefix)
	return span{prefix, end, endless}
}

// successor returns the smallest string that is larger than all that begin with
// a prefix. endless is true if there is none.
func successor(prefix string) (end string, endless bool) {
	octets := []byte(prefix)
	for len(octets) > 0 {
		last := len(octets) - 1
		if octets[last] < 0xff {
			octets[last]++
			return string(octets), false
		}
		octets = octets[:last]
	}
	return "", true
}

func (s span) empty() bool { return !s.endless && s.low >= s.end }

// after returns the part of the span after a key.
func (s span) after(key string) span {
	s.low = max(s.low, key+"\x00")
	return s
}

// rowsIn returns the rows of a partition that are in the spans.
func rowsIn(rows []*row, spans []span) []*row {
	if len(spans) == 1 {
		return spans[0].of(rows)
	}
	var found []*row
	for _, s := range spans {
		found = append(found, s.of(rows)...)
	}
	return found
}

func (s span) of(rows []*row) []*row {
	if s.low != "" {
		rows = rows[search(rows, s.low):]
	}
	if !s.endless {
		rows = rows[:search(rows, s.end)]
	}
	return rows
}

// sorted returns spans in order, each once.
func sorted(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(a.low, b.low) })
	return slices.CompactFunc(spans, func(a, b span) bool { return a.low == b.low })
}
