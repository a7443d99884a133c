package secret

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Secret is what is kept of one user's password. No password fits the zero
// Secret. A Secret must not be changed.
type Secret struct {
	plain  string
	bcrypt []byte
	scram  []SCRAM // of different hashes
}

// Plain is the secret of a password that is kept as it is.
func Plain(password string) (Secret, error) {
	if password == "" {
		return Secret{}, errEmpty
	}
	return Secret{plain: password}, nil
}

var errEmpty = errors.New("the secret is empty")

// Bcrypt is the secret of a password that is hashed with a cost of 4 to 31; 0
// means bcrypt.DefaultCost. A password of more than 72 octets is an error, since
// bcrypt would leave the rest out.
func Bcrypt(password string, cost int) (Secret, error) {
	if password == "" {
		return Secret{}, errEmpty
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	return Secret{bcrypt: hash}, err
}

// Keys is the secret of the keys of SCRAM, of one hash or of several.
func Keys(scram ...SCRAM) Secret { return Secret{scram: scram} }

// Plain returns the password, if it is kept as it is.
func (s Secret) Plain() (password string, ok bool) { return s.plain, s.plain != "" }

// SCRAM returns the keys for a hash, if the secret has them.
func (s Secret) SCRAM(hash crypto.Hash) (keys SCRAM, ok bool) {
	i := slices.IndexFunc(s.scram, func(k SCRAM) bool { return k.Hash == hash })
	if i < 0 {
		return SCRAM{}, false
	}
	return s.scram[i], true
}

// Encode returns the text that Parse takes: for files and tables, not for logs.
func (s Secret) Encode() string {
	var parts []string
	if s.plain != "" {
		parts = append(parts, "{PLAIN}"+s.plain)
	}
	if s.bcrypt != nil {
		parts = append(parts, "{BCRYPT}"+string(s.bcrypt))
	}
	for _, k := range s.scram {
		parts = append(parts, k.encode())
	}
	return strings.Join(parts, " ")
}

// String names the forms of the secret, and shows nothing of it.
func (s Secret) String() string {
	var forms []string
	if s.plain != "" {
		forms = append(forms, "{PLAIN}")
	}
	if s.bcrypt != nil {
		forms = append(forms, "{BCRYPT}")
	}
	for _, k := range s.scram {
		forms = append(forms, k.String())
	}
	return strings.Join(forms, " ")
}

// Format is String, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for encoders (JSON among them). See Encode.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var (
	// scheme is the prefix of a secret that names its form.
	scheme = regexp.MustCompile(`^\{([A-Za-z0-9._-]+)\}`)

	// foreign are schemes of Dovecot, OpenLDAP and others. Any other text in braces
	// may be a password.
	foreign = regexp.MustCompile(`^(SHA|SSHA|MD5|SMD5|CRYPT|(MD5|DES|SHA256|SHA512)-CRYPT|S?SHA(256|384|512)|ARGON2(I|ID)?|PBKDF2(-SHA\d+)?|` +
		`PLAIN-MD[45]|LDAP-MD5|CRAM-MD5|DIGEST-MD5|HMAC-MD5|CLEAR|CLEARTEXT|NTLM|LANMAN|SCRAM-SHA-(224|384|512))(\.(HEX|B64|BASE64))?$`)

	// crypted is how the hashes of crypt(3) begin.
	crypted = regexp.MustCompile(`^\$[^$]+\$`)

	// bcryptHash is the form of a hash. Package bcrypt checks it at a login
	// only, and then reports a malformed one as a wrong password.
	bcryptHash = regexp.MustCompile(`^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$`)
)

// ifPassword ends the errors about secrets that begin like a hash. To take one
// for a password would let everybody in who has read it.
const ifPassword = "if it is a password, write {PLAIN} in front of it"

// Parse reads the text of a secret. One without a form is a bcrypt hash if it
// begins like one, else a password with all its spaces; but a space in front of
// a hash does not make a password of it. No error quotes the text, except for the
// name of a scheme that other programs have.
func Parse(text string) (Secret, error) {
	form := strings.TrimLeft(text, " \t")
	match := scheme.FindStringSubmatch(form)
	switch {
	case match != nil:
		return parseScheme(match[1], form[len(match[0]):])
	case crypted.MatchString(form):
		hash, ok := parseHash(form)
		if !ok {
			return Secret{}, errors.New("it begins like a hash, and is no bcrypt hash: " + ifPassword)
		}
		return Secret{bcrypt: hash}, nil
	}
	return Plain(text)
}

func parseScheme(name, text string) (Secret, error) {
	switch name = strings.ToUpper(name); name {
	case "PLAIN":
		return Plain(text)
	case "BCRYPT", "BLF-CRYPT":
		hash, ok := parseHash(text)
		if !ok {
			return Secret{}, fmt.Errorf("what follows {%s} is no bcrypt hash", name)
		}
		return Secret{bcrypt: hash}, nil
	case "SCRAM-SHA-256", "SCRAM-SHA-1":
		return parseKeys("{" + name + "}" + text)
	}
	shown := "unknown scheme"
	if foreign.MatchString(name) {
		shown += " {" + name + "}"
	}
	return Secret{}, fmt.Errorf("%s: there are {SCRAM-SHA-256}, {SCRAM-SHA-1}, {BCRYPT}, {BLF-CRYPT} and {PLAIN}; %s", shown, ifPassword)
}

func parseHash(text string) (hash []byte, ok bool) {
	hash = []byte(strings.TrimSpace(text))
	_, err := bcrypt.Cost(hash)
	return hash, err == nil && bcryptHash.Match(hash)
}

// parseKeys reads the keys of SCRAM, for one hash or for several.
func parseKeys(text string) (s Secret, err error) {
	for word := range strings.FieldsSeq(text) {
		keys, err := parseSCRAM(word)
		if err != nil {
			return Secret{}, err
		}
		if _, twice := s.SCRAM(keys.Hash); twice {
			return Secret{}, fmt.Errorf("%s stands in it twice", keys)
		}
		s.scram = append(s.scram, keys)
	}
	return s, nil
}

// samePlain reports whether two passwords are the same. It takes equally long
// for all passwords of the same lengths.
func samePlain(want, got string) bool {
	w, g := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(w[:], g[:]) == 1
}
