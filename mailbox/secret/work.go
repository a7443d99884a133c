package secret

import (
	"crypto"
	"fmt"
	"maps"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Work checks passwords so that the time shows neither who exists nor what is
// kept of whose password: each check does the work of the dearest secret of each
// form. The zero Work knows no secret. It is safe for concurrent use.
type Work struct {
	mu     sync.Mutex
	bcrypt int                 // the highest cost; 0: there is no hash
	rounds map[crypto.Hash]int // the most iterations; nothing: there are no such keys

	compare func(hash, password []byte) error // of bcrypt
	fits    func(SCRAM, string) bool
}

// Add makes every check from now on do the work of a secret too. Fits adds the
// secrets that it gets.
func (w *Work) Add(s Secret) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cost, _ := bcrypt.Cost(s.bcrypt)
	w.bcrypt = max(w.bcrypt, cost)
	for _, k := range s.scram {
		if w.rounds[k.Hash] < k.Iterations {
			next := maps.Clone(w.rounds) // a check may be looking at the old one
			if next == nil {
				next = make(map[crypto.Hash]int)
			}
			next[k.Hash] = k.Iterations
			w.rounds = next
		}
	}
}

// Fits reports whether a password is the one of a secret: the zero Secret if the
// user is unknown, which none fits.
func (w *Work) Fits(s Secret, password string) bool {
	w.Add(s)
	w.mu.Lock()
	dearest, rounds := w.bcrypt, w.rounds
	w.mu.Unlock()
	fits := samePlain(s.plain, password) && s.plain != ""
	if dearest > 0 {
		fits = w.fitsBcrypt(s.bcrypt, dearest, password) || fits
	}
	for hash, most := range rounds {
		keys, ok := s.SCRAM(hash)
		fits = w.fitsSCRAM(hash, keys, most, password) && ok || fits
	}
	return fits
}

// fitsBcrypt does the work of the dearest hash: after one of cost n, hashes of
// the costs n, n+1, ..., dearest-1 make up the 2^dearest rounds. Where there is
// none, one of the dearest does it at once, as for most users.
func (w *Work) fitsBcrypt(hash []byte, dearest int, password string) bool {
	compare := w.compare
	if compare == nil {
		compare = bcrypt.CompareHashAndPassword
	}
	exists := hash != nil
	if !exists {
		hash = dummyHash(dearest)
	}
	fits := compare(hash, []byte(password)) == nil
	cost, _ := bcrypt.Cost(hash)
	for ; cost < dearest; cost++ {
		compare(dummyHash(cost), []byte(password))
	}
	return fits && exists
}

// dummyHash is well-formed, and no known password has it.
func dummyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 53))
}

// fitsSCRAM does as many rounds as the dearest keys ask for. The password is
// prepared once, whoever it is for, since that takes long for some.
func (w *Work) fitsSCRAM(hash crypto.Hash, keys SCRAM, most int, password string) bool {
	fits := w.fits
	if fits == nil {
		fits = SCRAM.Fits
	}
	rounds := func(n int) SCRAM { return SCRAM{Hash: hash, Salt: make([]byte, saltLength), Iterations: n} }
	if keys.Iterations == 0 { // no password fits
		keys = rounds(most)
	}
	right := fits(keys, password)
	if left := most - keys.Iterations; left > 0 {
		fits(rounds(left), "x")
	}
	return right
}
