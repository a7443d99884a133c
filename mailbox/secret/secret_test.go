package secret_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1"
	_ "crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox/secret"
)

const (
	bobsHash = "$2a$04$sQcwTmrU0J8Vh9QbFGP7.eJdK3KQPzsCz1xnGkEqLDfz5G2B1u6K6" // of no known password
	keys256  = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)

// octets decodes base64.
func octets(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return b
}

// The examples of RFC 7677 section 3 and RFC 5802 section 5: the server's
// signature and the client's proof follow from the keys.
func TestSCRAMExamples(t *testing.T) {
	for _, test := range []struct {
		hash                             crypto.Hash
		salt, exchange, proof, signature string
	}{
		{
			crypto.SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
			"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
			"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
		{
			crypto.SHA1, "QSXCR+Q6sek8bf92",
			"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
			"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
	} {
		keys, err := secret.Derive(test.hash, "pencil", octets(t, test.salt), 4096)
		require.NoError(t, err)
		mac := func(key []byte) []byte {
			m := hmac.New(test.hash.New, key)
			m.Write([]byte(test.exchange))
			return m.Sum(nil)
		}
		require.Equal(t, octets(t, test.signature), mac(keys.ServerKey))
		clientKey := octets(t, test.proof)
		for i, b := range mac(keys.StoredKey) {
			clientKey[i] ^= b
		}
		stored := test.hash.New()
		stored.Write(clientKey)
		require.Equal(t, keys.StoredKey, stored.Sum(nil))
		require.True(t, keys.Fits("pencil"))
		require.False(t, keys.Fits("Pencil"))
		require.False(t, keys.Fits(""))
	}
}

func TestParse(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("b"), bcrypt.MinCost)
	require.NoError(t, err)
	y := strings.Replace(string(hash), "$2a$", "$2y$", 1)
	scram, err := secret.NewSCRAM(crypto.SHA256, "b", 0)
	require.NoError(t, err)
	old, err := secret.NewSCRAM(crypto.SHA1, "b", 5000)
	require.NoError(t, err)
	both := secret.Keys(scram, old).Encode()
	for text, password := range map[string]string{
		"b": "b", " b ": " b ", "{PLAIN}b": "b", "{plain}{BCRYPT}b": "{BCRYPT}b", "{PLAIN} b": " b", "{}b": "{}b", "{PLAIN": "{PLAIN",
		string(hash): "b", " " + y: "b", "{BCRYPT}" + string(hash): "b", "{blf-crypt} " + y + " ": "b",
		secret.Keys(scram).Encode(): "b", strings.ToLower(secret.Keys(old).Encode()[:13]) + secret.Keys(old).Encode()[13:]: "b", both: "b", " " + both + " ": "b",
	} {
		t.Run(text, func(t *testing.T) {
			s, err := secret.Parse(text)
			require.NoError(t, err)
			work := new(secret.Work)
			require.True(t, work.Fits(s, password))
			for _, wrong := range []string{"", "c", text, password + "x"} {
				require.Equal(t, wrong == password, work.Fits(s, wrong), "%q", wrong)
			}
			again, err := secret.Parse(s.Encode())
			require.NoError(t, err)
			require.Equal(t, s.Encode(), again.Encode())
		})
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "empty",
		"{PLAIN}":                           "empty",
		"{BCRYPT}b":                         "no bcrypt hash",
		"{BCRYPT}":                          "no bcrypt hash",
		"$1$salt$hash":                      "no bcrypt hash: if it is a password, write {PLAIN}",
		"$2a$04$short":                      "no bcrypt hash: if it is a password, write {PLAIN}",
		"$2a$04$" + strings.Repeat("!", 53): "no bcrypt hash",
		bobsHash + "x":                      "no bcrypt hash",
		"{SHA512-CRYPT}$6$x$y":              "unknown scheme {SHA512-CRYPT}",
		"{SCRAM-SHA-512}1,a,b,c":            "unknown scheme {SCRAM-SHA-512}",
		"{SCRAM-SHA-256}":                   "not of the form",
		"{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==":                   "not of the form",
		strings.Replace(keys256, "4096", "0", 1):                         "from 1 to",
		strings.Replace(keys256, "4096", "10000001", 1):                  "from 1 to",
		strings.Replace(keys256, "4096", "x", 1):                         "from 1 to",
		strings.Replace(keys256, "W22ZaJ0SNY7soEsUEjb6gQ==", "", 1):      "field 2",
		strings.Replace(keys256, "W22ZaJ0SNY7soEsUEjb6gQ==", "W22Za", 1): "field 2",
		strings.Replace(keys256, "SHA-256", "SHA-1", 1):                  "have not 20 octets",
		keys256 + " " + keys256:                                          "twice",
		keys256 + " {BCRYPT}" + bobsHash:                                 "not of the form",
		"{ssha512.b64}x":                                                 "unknown scheme {SSHA512.B64}",
		"{hunter2}":                                                      "unknown scheme: there are",
		"{hunter2}x":                                                     "unknown scheme: there are",
	} {
		_, err := secret.Parse(text)
		require.ErrorContains(t, err, want, "%q", text)
		require.NotContains(t, strings.ToLower(err.Error()), "hunter2")
		if len(text) > 30 {
			require.NotContains(t, err.Error(), text[20:30], "the error quotes the secret")
		}
	}
}

func TestNewSCRAMErrors(t *testing.T) {
	for _, iterations := range []int{1, secret.DefaultIterations - 1, secret.MaxIterations + 1, -1} {
		_, err := secret.NewSCRAM(crypto.SHA256, "b", iterations)
		require.ErrorContains(t, err, "iterations")
	}
	_, err := secret.NewSCRAM(crypto.SHA256, "", 0)
	require.ErrorContains(t, err, "empty")
	_, err = secret.NewSCRAM(crypto.SHA512, "b", 0)
	require.ErrorContains(t, err, "SHA-512")
	_, err = secret.Bcrypt("", 0)
	require.ErrorContains(t, err, "empty")
	_, err = secret.Bcrypt(strings.Repeat("b", 73), bcrypt.MinCost)
	require.Error(t, err)
}

// A secret in a log line, an error or a dump is not there.
func TestSecretsAreNotShown(t *testing.T) {
	scram, err := secret.NewSCRAM(crypto.SHA256, "hunter2", 0)
	require.NoError(t, err)
	hash, err := secret.Bcrypt("hunter2", bcrypt.MinCost)
	require.NoError(t, err)
	plain, err := secret.Plain("hunter2")
	require.NoError(t, err)
	for _, s := range []secret.Secret{secret.Keys(scram), hash, plain} {
		for _, value := range []any{s, &s, struct{ S secret.Secret }{s}, scram, &scram, []secret.SCRAM{scram}} {
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", value)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", value)
			encoded, err := json.Marshal(value)
			require.NoError(t, err)
			shown := fmt.Sprintf("%v %+v %#v %s %q %x %s %s", value, value, value, value, value, value, log.String(), encoded)
			for _, hidden := range []string{"hunter2", base64.StdEncoding.EncodeToString(scram.StoredKey), fmt.Sprint(scram.StoredKey)[1:20], "$2a$", "68756e74657232"} {
				require.NotContains(t, shown, hidden)
			}
		}
	}
	require.Equal(t, "{SCRAM-SHA-256}", secret.Keys(scram).String())
}

// Whatever is parsed is written as what is parsed to the same.
func TestEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`\{(PLAIN|plain|BCRYPT|SCRAM-SHA-1)\}.{0,9}`), rapid.StringMatching(`[ \t]?\$2[aby]\$04\$[./A-Za-z0-9]{53}`)).Draw(t, "text")
		s, err := secret.Parse(text)
		if err != nil {
			return
		}
		again, err := secret.Parse(s.Encode())
		require.NoError(t, err)
		require.Equal(t, s.Encode(), again.Encode())
	})
}
