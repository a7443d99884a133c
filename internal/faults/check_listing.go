package faults

import (
	"fmt"
	"strings"
)

// checkListing compares every listing with what was acknowledged before it
// began. It leaves out those that a doubt excuses.
func (c *checker) checkListing(l *life) {
	for _, dc := range c.dcs {
		s := &shown{checker: c, life: l, dc: dc}
		for _, list := range c.listings[place{dc, l.user}] {
			switch {
			case list.Final:
				s.final(list)
			case c.excused(l, list, list.has[l]):
				s.excuse(list)
			default:
				s.during(list)
			}
		}
		s.conclude()
	}
}

// shown is what a data centre shows of a message in its listings.
type shown struct {
	*checker
	*life
	dc string

	last      *Op // listing that had it
	missing   *Op // first listing that should have had it
	missed    int // how many
	back      *Op // first listing that should not have had it
	came      int // how many
	why       *Op // the removal that was acknowledged; nil if it was only off the list
	off       *Op // a listing, after the acknowledgement, that did not have it
	lost      *Op
	lateMiss  *Op // last listing elsewhere that did not have it yet
	lateSight *Op // last listing elsewhere that still had it
	compared  bool
	doubted   bool // a listing would be wrong without a doubt
}

// excuse takes a listing that a doubt excuses, and notes whether it has to.
func (s *shown) excuse(list *listing) {
	if list.has[s.life] {
		s.doubted = s.doubted || s.removedHere(list)
		return
	}
	added := s.acknowledged()
	due := added != nil && added.DC == s.dc && !list.Call.Before(added.Return)
	s.doubted = s.doubted || due && !s.mayBeRemoved(list.Return)
}

// during takes a listing from before the final pass.
func (s *shown) during(list *listing) {
	has := list.has[s.life]
	s.comesBack(list, has)
	if has {
		s.last = list.Op
	}
	added := s.acknowledged()
	if added == nil || list.Call.Before(added.Return) {
		return
	}
	mayBeRemoved := s.mayBeRemoved(list.Return)
	s.compared = s.compared || !mayBeRemoved
	switch {
	case has || mayBeRemoved:
	case s.dc == added.DC:
		s.missed++
		if s.missing == nil {
			s.missing = list.Op
		}
	default:
		s.lateMiss = list.Op
	}
}

// comesBack looks for a message that was removed and is on the list.
func (s *shown) comesBack(list *listing, has bool) {
	removal := s.removed(list.Call)
	added := s.acknowledged()
	home := added != nil && added.DC == s.dc && !list.Call.Before(added.Return)
	switch {
	case !has:
		if s.off == nil && home && s.mayBeRemoved(list.Return) {
			s.off = list.Op
		}
	case removal != nil && s.removedHere(list):
		s.came++
		if s.back == nil {
			s.back, s.why = list.Op, removal
		}
	case s.off != nil && !list.Call.Before(s.off.Return):
		s.came++
		if s.back == nil {
			s.back = list.Op
		}
	case removal != nil:
		s.lateSight = list.Op
	}
}

// removedHere reports whether a removal was acknowledged in this data centre
// before a listing began.
func (s *shown) removedHere(list *listing) bool {
	for _, op := range s.removes {
		if op.Outcome == OK && op.DC == s.dc && !list.Call.Before(op.Return) {
			return true
		}
	}
	return false
}

// final takes a listing of the final pass, in which all data centres must
// agree.
func (s *shown) final(list *listing) {
	has := list.has[s.life]
	switch {
	case !has && s.acknowledged() != nil && !s.mayBeRemoved(list.Return):
		s.lost = list.Op
	case has && s.removed(list.Call) != nil:
		s.came++
		if s.back == nil {
			s.back, s.why = list.Op, s.removed(list.Call)
		}
	case has && s.off != nil:
		s.came++
		if s.back == nil {
			s.back = list.Op
		}
	}
}

// conclude reports the violations that were found.
func (s *shown) conclude() {
	added := s.acknowledged()
	sight := func(evidence []Evidence) []Evidence { return evidence }
	if s.last != nil {
		last := evidence(s.last, "has it, the last one in %s that does", s.dc)
		sight = func(evidence []Evidence) []Evidence { return append(evidence, last) }
	}
	if s.lost != nil {
		s.violated(Lost, s.life, "acknowledged, not removed, and not in the final pass of "+s.dc,
			sight([]Evidence{evidence(added, "acknowledged"), evidence(s.lost, "does not have it")})...)
	}
	if s.missing != nil {
		s.violated(Missed, s.life, fmt.Sprintf("acknowledged, not removed, and not in what %s listed later, %s", s.dc, times(s.missed)),
			sight([]Evidence{evidence(added, "acknowledged"), evidence(s.missing, "does not have it, the first one that should")})...)
	}
	if s.back != nil {
		cause, text := s.why, "its removal was acknowledged"
		note := "acknowledged"
		if cause == nil {
			cause, text, note = s.off, "it was off the list", "does not have it any more"
		}
		evidences := []Evidence{evidence(cause, "%s", note), evidence(s.back, "has it, the first one that should not")}
		if added != nil {
			evidences = append(evidences, evidence(added, "acknowledged"))
		}
		for _, op := range s.removes {
			if op != cause {
				evidences = append(evidences, evidence(op, "another removal"))
			}
		}
		s.violated(Resurrected, s.life, fmt.Sprintf("%s, and it is in what %s listed later, %s", text, s.dc, times(s.came)), evidences...)
	}
	if s.doubted {
		s.report.Excused++
	}
	if added != nil && added.DC != s.dc && s.compared {
		s.report.Stale.Compared++
		if s.lateMiss != nil {
			s.stale = append(s.stale, s.lateMiss.Call.Sub(added.Return))
		}
	}
	if removal := s.removed(s.report.To); removal != nil && removal.DC != s.dc {
		s.report.StaleRemovals.Compared++
		if s.lateSight != nil {
			s.lagged = append(s.lagged, s.lateSight.Call.Sub(removal.Return))
		}
	}
}

// checkHalfway compares the final passes of the data centres with each other,
// if the message may be there or not.
func (c *checker) checkHalfway(l *life) {
	var has, lacks []Evidence
	var with, without []string
	for _, dc := range c.dcs {
		list := c.final[place{dc, l.user}]
		if list == nil {
			continue
		}
		if l.removed(list.Call) != nil || l.acknowledged() != nil && !l.mayBeRemoved(list.Return) {
			return // it must be nowhere, or everywhere: that is Resurrected, or Lost
		}
		if list.has[l] {
			has, with = append(has, evidence(list.Op, "has it")), append(with, dc)
		} else {
			lacks, without = append(lacks, evidence(list.Op, "does not have it")), append(without, dc)
		}
	}
	if len(has) == 0 || len(lacks) == 0 {
		return
	}
	evidences := append(has, lacks...)
	for _, op := range l.added {
		evidences = append(evidences, evidence(op, "acknowledged"))
	}
	for _, op := range l.removes {
		evidences = append(evidences, evidence(op, "not acknowledged"))
	}
	c.violated(Halfway, l, fmt.Sprintf("in the final pass of %s and not in that of %s", strings.Join(with, ", "), strings.Join(without, ", ")), evidences...)
}

// checkFinalPass notes what the final pass did not look at, and reports what it
// could not retrieve.
func (c *checker) checkFinalPass() {
	reads := make(map[place]map[string][]*Op)
	for _, l := range c.lives {
		for _, op := range l.reads {
			at := place{op.DC, op.User}
			if !op.Final {
				continue
			}
			if reads[at] == nil {
				reads[at] = make(map[string][]*Op)
			}
			reads[at][l.id] = append(reads[at][l.id], op)
		}
	}
	for _, dc := range c.dcs {
		for _, user := range c.users {
			at := place{dc, user}
			list := c.final[at]
			if list == nil {
				c.report.Unverified = append(c.report.Unverified, fmt.Sprintf("%s in %s: no final listing", user, dc))
				continue
			}
			for _, m := range list.Listed {
				l := c.of(m)
				c.checkReadable(l, list.Op, reads[at][l.id])
			}
		}
	}
}

// checkReadable expects that one of the attempts of the final pass succeeded.
func (c *checker) checkReadable(l *life, list *Op, reads []*Op) {
	evidences := []Evidence{evidence(list, "has it")}
	for _, op := range reads {
		if op.Outcome == OK {
			return
		}
		evidences = append(evidences, evidence(op, ""))
	}
	if len(reads) == 0 {
		c.report.Unverified = append(c.report.Unverified, fmt.Sprintf("%s in %s: %s listed and not retrieved", l.user, list.DC, l.id))
		return
	}
	c.violated(Unreadable, l, "listed in the final pass of "+list.DC+", and not to be retrieved there", evidences...)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
