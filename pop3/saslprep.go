package pop3

import "github.com/xdg-go/stringprep"

// queried is SASLprep (RFC 4013) of what is looked for. It allows code points that
// Unicode 3.2 did not have, unlike that of what is stored, whose prohibitions begin
// with table A.1 (RFC 3454 section 7).
var queried = stringprep.Profile{
	Mappings:  stringprep.SASLprep.Mappings,
	Normalize: true,
	Prohibits: []stringprep.Set{
		stringprep.TableC1_2, stringprep.TableC2_1, stringprep.TableC2_2, stringprep.TableC3, stringprep.TableC4,
		stringprep.TableC5, stringprep.TableC6, stringprep.TableC7, stringprep.TableC8, stringprep.TableC9,
	},
	CheckBiDi: true,
}

// preparedName prepares the name of a user, and reports whether it is one. One
// that is ASCII stays as it is.
func preparedName(name string) (string, bool) {
	prepared, err := queried.Prepare(name)
	return prepared, err == nil && prepared != ""
}

// preparedSecret prepares a secret that the server has, and reports whether it is
// one.
func preparedSecret(secret string) (string, bool) {
	prepared, err := stringprep.SASLprep.Prepare(secret)
	return prepared, err == nil && prepared != ""
}
