package indextest

import (
	"context"

	"github.com/popcask/popcask/cassandra"
)

// levelsAgree lists at each level, on nodes that all have everything.
func levelsAgree(ctx context.Context, s *suite) {
	for _, b := range s.several(ctx)[:4] { // the large one, and one of each width
		for _, list := range [][]cassandra.Slice{b.all(), b.sealed()} {
			ways := b.lists(list)
			first := collect(ways[0].begin(ctx), ways[0].name)
			for _, l := range ways[1:] {
				if wrong := difference(collect(l.begin(ctx), l.name), first); wrong != "" {
					breaks(ruleLevels, "%s, of slices of which %s lists %d messages, %s", l.name, ways[0].name, len(first), wrong)
				}
			}
		}
	}
}
