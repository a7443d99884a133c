package pop3

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// cramExchange is the server's side of CRAM-MD5 (RFC 2195): a challenge that is
// never the same twice, and the name of the user with the challenge's HMAC-MD5
// under the shared secret.
type cramExchange struct {
	exchange
	challenge string
	digest    string
}

func startCRAMMD5(s *loginSession, login mailbox.Login) SASLExchange {
	return &cramExchange{exchange: exchange{s, login}, challenge: newTimestamp()}
}

func (x *cramExchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte(x.challenge), false, nil
	}
	user, digest, two := cutLast(string(response))
	if !two || user == "" || hasControl(user) {
		return nil, false, malformed("CRAM-MD5")
	}
	x.login.User, x.digest = user, strings.ToLower(digest)
	return nil, true, nil
}

// Checks implements [CheckingExchange]: Mailbox checks the digest.
func (x *cramExchange) Checks([]byte) bool { return false }

func (x *cramExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.shared(ctx, x.login, func(secret string) []byte {
		sum := hmac.New(md5.New, []byte(secret))
		sum.Write([]byte(x.challenge))
		return sum.Sum(nil)
	}, x.digest)
}
