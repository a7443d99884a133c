package cassandra

import (
	"cmp"
	"slices"
)

// span is a range of time in microseconds. Both ends belong to it.
type span struct{ from, to int64 }

// merge sorts spans and joins those that overlap or touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := spans[:0]
	for _, next := range spans {
		if n := len(merged); n > 0 && next.from <= merged[n-1].to+1 {
			merged[n-1].to = max(merged[n-1].to, next.to)
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

// subtract returns the parts of a span that are in none of the holes, which are
// merged.
func subtract(whole span, holes []span) (rest []span) {
	for _, hole := range holes {
		if hole.to < whole.from {
			continue
		}
		if hole.from > whole.to {
			break
		}
		if hole.from > whole.from {
			rest = append(rest, span{whole.from, hole.from - 1})
		}
		whole.from = hole.to + 1
	}
	if whole.from <= whole.to {
		rest = append(rest, whole)
	}
	return rest
}

// without returns the parts of a slice that are in none of the gaps, which are
// merged.
func (s Slice) without(gaps []span) (list []Slice) {
	for _, rest := range subtract(span{s.From, s.To}, gaps) {
		list = append(list, Slice{Bucket: s.Bucket, From: rest.from, To: rest.to})
	}
	return list
}

// around returns the parts of the slices that are before a span, and those
// after it.
func around(list []Slice, middle span) (before, after []Slice) {
	for _, slice := range list {
		if slice.From < middle.from {
			part := slice
			part.To = min(part.To, middle.from-1)
			before = append(before, part)
		}
		if slice.To > middle.to {
			part := slice
			part.From = max(part.From, middle.to+1)
			after = append(after, part)
		}
	}
	return before, after
}
