package pop3

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// tokenExchange is the server's side of OAUTHBEARER (RFC 7628) and of XOAUTH2:
// one response with the name of the user and a bearer token. What is wrong with
// the token is a challenge, which the client answers with nothing to say.
type tokenExchange struct {
	exchange
	parse  func(*mailbox.Login, []byte) bool
	parsed bool
	user   string // whose mailbox to open
	failed error  // the token is wrong, and the client was told why
}

func startOAUTHBEARER(s *loginSession, login mailbox.Login) SASLExchange {
	return &tokenExchange{exchange: exchange{s, login}, parse: parseOAUTHBEARER}
}

func startXOAUTH2(s *loginSession, login mailbox.Login) SASLExchange {
	return &tokenExchange{exchange: exchange{s, login}, parse: parseXOAUTH2}
}

// Checks implements [CheckingExchange].
func (x *tokenExchange) Checks(response []byte) bool {
	x.parsed = x.parse(&x.login, response)
	return x.parsed
}

func (x *tokenExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return nil, false, nil
	case x.failed != nil:
		return nil, false, x.failed
	case !x.parsed:
		return nil, false, malformed(x.login.Mechanism)
	}
	user, err := x.session.Authenticator.(Tokens).AuthenticateToken(ctx, x.login)
	switch {
	case err == nil:
		x.user = user
		return nil, true, nil
	case isUnknown(err):
		x.failed = fmt.Errorf("authenticate: %w", err)
		return x.fault(err), false, nil
	}
	return nil, false, fmt.Errorf("authenticate: %w", err)
}

// User is the user to whom the token belongs, or before that is known the one
// that the client claims to be.
func (x *tokenExchange) User() string {
	if x.user != "" {
		return x.user
	}
	return x.login.User
}

func (x *tokenExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.open(ctx, x.login, x.user)
}

// fault is the challenge that says what is wrong with a token.
func (x *tokenExchange) fault(err error) []byte {
	var why *TokenError
	if !errors.As(err, &why) {
		why = &TokenError{}
	}
	var fault any
	if x.login.Mechanism == "XOAUTH2" {
		fault = struct {
			Status  string `json:"status"`
			Schemes string `json:"schemes"`
			Scope   string `json:"scope,omitempty"`
		}{"401", "bearer", why.Scope}
	} else {
		fault = struct {
			Status string `json:"status"`
			Scope  string `json:"scope,omitempty"`
			OpenID string `json:"openid-configuration,omitempty"`
		}{cmp.Or(why.Status, "invalid_token"), why.Scope, why.OpenIDConfiguration}
	}
	text, _ := json.Marshal(fault)
	return text
}

// kvsep ends each part of a token's response.
const kvsep = "\x01"

// parseOAUTHBEARER takes what a response of OAUTHBEARER says (RFC 7628 section
// 3.1), and reports whether it is well-formed: n,a=NAME, and then pairs of which
// one is the token.
func parseOAUTHBEARER(login *mailbox.Login, response []byte) bool {
	header, pairs, _ := strings.Cut(string(response), kvsep)
	flag, name, found := strings.Cut(header, ",")
	name, ended := strings.CutSuffix(name, ",")
	if !found || !ended || flag != "n" && flag != "y" {
		return false
	}
	user, ok := "", true
	if name != "" {
		if name, ok = strings.CutPrefix(name, "a="); ok {
			user, ok = parseSASLName(name)
		}
	}
	return ok && takeToken(login, user, pairs)
}

// parseXOAUTH2 takes what a response of XOAUTH2 says: the pair user=NAME, and
// the token.
func parseXOAUTH2(login *mailbox.Login, response []byte) bool {
	name, pairs, _ := strings.Cut(string(response), kvsep)
	user, ok := strings.CutPrefix(name, "user=")
	return ok && takeToken(login, user, pairs)
}

// takeToken takes the token of pairs, each of which is ended, and all of which
// are ended once more.
func takeToken(login *mailbox.Login, user, pairs string) bool {
	pairs, ended := strings.CutSuffix(pairs, kvsep+kvsep)
	if !ended || hasControl(user) {
		return false
	}
	for pair := range strings.SplitSeq(pairs, kvsep) {
		key, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(key, "auth") {
			continue
		}
		scheme, token, _ := strings.Cut(value, " ")
		token = strings.TrimLeft(token, " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsFunc(token, notOfToken) {
			return false
		}
		login.User, login.Token = user, token
		return true
	}
	return false
}

// notOfToken reports whether a token cannot have c (RFC 6750 section 2.1).
func notOfToken(c rune) bool { return c <= ' ' || c > '~' }

// parseSASLName decodes a name (RFC 5801 section 4), and reports whether it is
// one: =2C is a comma, and =3D an equals sign.
func parseSASLName(name string) (string, bool) {
	plain := strings.NewReplacer("=2C", "", "=3D", "").Replace(name)
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name), !strings.ContainsAny(plain, "=,")
}
