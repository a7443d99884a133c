package secret

import (
	"crypto"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// Every check does the work of the dearest secret of each form, whoever it is
// for: for bcrypt 2 to the power of the cost, for SCRAM the iterations.
func TestEachCheckDoesTheSameWork(t *testing.T) {
	const dearest = bcrypt.MinCost + 3
	var hashed, rounds, iterations int
	work := &Work{
		compare: func(hash, password []byte) error {
			cost, err := bcrypt.Cost(hash)
			require.NoError(t, err)
			hashed += 1 << cost
			err = bcrypt.CompareHashAndPassword(hash, password)
			if err != nil {
				require.ErrorIs(t, err, bcrypt.ErrMismatchedHashAndPassword, "any other error comes before the work")
			}
			return err
		},
		fits: func(k SCRAM, password string) bool {
			if k.Hash == crypto.SHA256 {
				rounds += k.Iterations
			} else {
				iterations += k.Iterations
			}
			return k.Fits(password)
		},
	}
	secrets := map[string]Secret{"nobody": {}}
	add := func(name string, s Secret, err error) {
		t.Helper()
		require.NoError(t, err)
		secrets[name] = s
		work.Add(s)
	}
	keys := func(hash crypto.Hash, iterations int) SCRAM {
		k, err := NewSCRAM(hash, "p", iterations)
		require.NoError(t, err)
		return k
	}
	s, err := Plain("p")
	add("plain", s, err)
	for cost := bcrypt.MinCost; cost <= dearest; cost++ {
		s, err = Bcrypt("p", cost)
		add("bcrypt", s, err)
		secrets["bcrypt of cost "+string(rune('0'+cost))] = s
	}
	add("scram", Keys(keys(crypto.SHA256, 4096)), nil)
	add("dear scram", Keys(keys(crypto.SHA256, 5000)), nil)
	add("scram of both", Keys(keys(crypto.SHA1, 6000), keys(crypto.SHA256, 4500)), nil)
	for name, s := range secrets {
		for _, password := range []string{"p", "q", "", "a longer one than all of the others, of more than seventy-two octets in all"} {
			hashed, rounds, iterations = 0, 0, 0
			require.Equal(t, password == "p" && name != "nobody", work.Fits(s, password), "%s %q", name, password)
			require.Equal(t, []int{1 << dearest, 5000, 6000}, []int{hashed, rounds, iterations}, "%s %q", name, password)
		}
	}
}

// One that meets a dearer secret than all before does its work from then on.
func TestWorkGrows(t *testing.T) {
	work := new(Work)
	dear, err := Bcrypt("p", bcrypt.MinCost+1)
	require.NoError(t, err)
	require.True(t, work.Fits(dear, "p"))
	require.Equal(t, bcrypt.MinCost+1, work.bcrypt)
	require.False(t, work.Fits(Secret{}, "p"))
}
