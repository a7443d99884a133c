package sim

import "math/rand/v2"

// chance decides everything that is not in the events: which statement goes on
// next, which message is late, which replica is asked. Its decisions depend on
// the seed and on the number of the event, so that they stay the same if other
// events are taken out of a history. Without a seed there is no noise: of the
// statements that wait the first in their order goes on, no message is late or
// lost, and the first replicas are asked.
type chance struct {
	seed   uint64
	random *rand.Rand
}

func newChance(seed uint64) *chance {
	c := &chance{seed: seed}
	c.begin(0)
	return c
}

// begin begins the event of a number.
func (c *chance) begin(event int) {
	c.random = rand.New(rand.NewPCG(c.seed, uint64(event)))
}

// noisy reports whether there is noise.
func (c *chance) noisy() bool { return c.seed != 0 }

// once reports true one time in n, if there is noise.
func (c *chance) once(n int) bool { return c.seed != 0 && c.random.IntN(n) == 0 }

// below returns a number below n: 0 without noise.
func (c *chance) below(n int) int {
	if c.seed == 0 || n < 2 {
		return 0
	}
	return c.random.IntN(n)
}
