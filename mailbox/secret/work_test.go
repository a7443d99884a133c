package secret

import (
	"crypto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// Every check does the work of the dearest secret of each form, whoever it is
// for: for bcrypt 2 to the power of the cost, for SCRAM the iterations.
func TestEachCheckDoesTheSameWork(t *testing.T) {
	const dearest = bcrypt.MinCost + 3
	var hashed, rounds, iterations, hashes, prepared int
	var given string
	work := &Work{
		compare: func(hash, password []byte) error {
			cost, err := bcrypt.Cost(hash)
			require.NoError(t, err)
			hashed += 1 << cost
			hashes++
			err = bcrypt.CompareHashAndPassword(hash, password)
			if err != nil {
				require.ErrorIs(t, err, bcrypt.ErrMismatchedHashAndPassword, "any other error comes before the work")
			}
			return err
		},
		fits: func(k SCRAM, password string) bool {
			if password == given {
				prepared++
			}
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
			hashed, rounds, iterations, hashes, prepared, given = 0, 0, 0, 0, 0, password
			require.Equal(t, password == "p" && name != "nobody", work.Fits(s, password), "%s %q", name, password)
			require.Equal(t, []int{1 << dearest, 5000, 6000}, []int{hashed, rounds, iterations}, "%s %q", name, password)
			require.Equal(t, 2, prepared, "once for each hash: to prepare a password may take long")
			if cost, _ := bcrypt.Cost(s.bcrypt); cost == 0 || cost == dearest {
				require.Equal(t, 1, hashes, "nobody's check is that of a user with the dearest hash")
			}
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

// A password of any length takes no longer than the rounds: to prepare the longest
// that a client can send would take hundreds of times as long.
func TestLongPasswordsAreNotPrepared(t *testing.T) {
	for _, length := range []int{MaxPassword, MaxPassword + 1} {
		password := strings.Repeat("p", length)
		keys, err := NewSCRAM(crypto.SHA256, password, 0)
		if length > MaxPassword {
			require.EqualError(t, err, "the password has 1025 octets: 1024 are the most")
			keys, err = Derive(crypto.SHA256, password, make([]byte, saltLength), DefaultIterations)
		}
		require.NoError(t, err)
		require.Equal(t, length <= MaxPassword, keys.Fits(password))
	}
}
