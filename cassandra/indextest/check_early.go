package indextest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra"
)

// listingsAreLazy adds a message after a listing was made, and before it is
// ranged over.
func listingsAreLazy(ctx context.Context, s *suite) {
	for way := range 4 {
		b := s.newBox()
		e := entry(s.microseconds(time.Hour))
		b.note(e)
		l := append(b.lists(b.all()), b.scan(e.ID.Bucket()))[way]
		seq := l.begin(ctx)
		b.add(ctx, e)
		if wrong := difference(collect(seq, l.name), l.want); wrong != "" {
			breaks(ruleLazy, "%s, made before a message was added and ranged over after it, %s", l.name, wrong)
		}
	}
}

// listingsMayBeLeftEarly leaves listings after some messages, or does not range
// over them at all.
func listingsMayBeLeftEarly(ctx context.Context, s *suite) {
	for _, l := range s.large(ctx).ways() {
		for _, n := range []int{0, 1, bucketsAtOnce, len(l.want) / 2} {
			label := rand.Text()
			var got []cassandra.Listed
			pprof.Do(ctx, pprof.Labels(labelKey, label), func(ctx context.Context) {
				got = l.leave(ctx, n)
			})
			if wrong := difference(got, l.want[:n]); wrong != "" {
				breaks(ruleBreak, "%s, left after %d messages, %s", l.name, n, wrong)
			}
			for deadline := time.Now().Add(s.patience); ; time.Sleep(time.Millisecond) {
				left := goroutines(label)
				if len(left) == 0 {
					break
				}
				if time.Now().After(deadline) {
					breaks(ruleBreak, "%s, left after %d messages, has left goroutines: %s", l.name, n, strings.Join(left, ", "))
				}
			}
		}
		l.expect(ctx, ruleBreak, "after some that were left early")
	}
}

// leave takes n messages, 0 without ranging over the listing. It does so
// without a range loop, in which an index that goes on would panic.
func (l listing) leave(ctx context.Context, n int) (got []cassandra.Listed) {
	seq := l.begin(ctx)
	if n == 0 {
		return nil
	}
	seq(func(one cassandra.Listed, err error) bool {
		switch {
		case len(got) == n:
			breaks(ruleBreak, "%s goes on after it was left", l.name)
		case err != nil:
			breaks(ruleWhole, "%s failed: %v", l.name, err)
		}
		got = append(got, one)
		return len(got) < n
	})
	return got
}

// labelKey is a label of the goroutines that a listing starts: they inherit
// those of the one that ranges over it.
const labelKey = "indextest"

// goroutines names the functions of the goroutines that have a label, but for
// those of the driver, which opens connections when it needs them.
func goroutines(label string) (functions []string) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		breaks(ruleBreak, "the goroutines cannot be looked at: %v", err)
	}
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if !strings.Contains(stack, fmt.Sprintf("%q:%q", labelKey, label)) {
			continue
		}
		lines := strings.Split(strings.TrimSpace(stack), "\n")
		fields := strings.Split(lines[len(lines)-1], "\t") // "#", address, function, file and line
		if function, _, _ := strings.Cut(fields[min(2, len(fields)-1)], "+"); !strings.HasPrefix(function, "github.com/gocql/gocql.") {
			functions = append(functions, function)
		}
	}
	return functions
}
