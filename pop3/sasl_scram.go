package pop3

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/xdg-go/scram"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
)

// scramHash is a hash that SCRAM is used with.
type scramHash struct {
	mechanism string
	hash      crypto.Hash
	generate  scram.HashGeneratorFcn
}

var (
	scramSHA256 = scramHash{"SCRAM-SHA-256", crypto.SHA256, scram.SHA256} // RFC 7677
	scramSHA1   = scramHash{"SCRAM-SHA-1", crypto.SHA1, scram.SHA1}       // RFC 5802
)

// canBind reports whether TLS has something to bind a login to.
func (s *loginSession) canBind() bool { return s.conn != nil && s.conn.canBind() }

func (h scramHash) start(s *loginSession, login mailbox.Login) SASLExchange {
	return &scramExchange{exchange: exchange{s, login}, scramHash: h}
}

func (h scramHash) startBound(s *loginSession, login mailbox.Login) SASLExchange {
	return &scramExchange{exchange: exchange{s, login}, scramHash: h, plus: true}
}

// scramExchange is the server's side of SCRAM (RFC 5802).
type scramExchange struct {
	exchange
	scramHash
	plus  bool // with channel binding
	bound scram.ChannelBindingType

	conversation *scram.ServerConversation // nil before the client's first message
	user         string                    // whose mailbox to open
	unknown      error                     // why the secret is a made-up one
}

// Checks implements [CheckingExchange]: the client's final message has its
// proof.
func (x *scramExchange) Checks([]byte) bool { return x.conversation != nil }

func (x *scramExchange) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return nil, false, nil
	case len(response) > maxResponse || demandsExtension(response):
		return nil, false, malformed(x.login.Mechanism)
	case x.conversation == nil:
		challenge, err = x.first(ctx, response)
		return challenge, false, err
	}
	challenge, err = x.final(response)
	return challenge, true, err
}

// first takes the client's first message: its name and nonce.
func (x *scramExchange) first(ctx context.Context, message []byte) ([]byte, error) {
	binding, err := x.binding(message)
	var cannot impossible
	switch {
	case errors.As(err, &cannot):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %w", x.login.Mechanism, err, mailbox.ErrAuthFailed)
	}
	var failed error // of the host
	server, err := x.generate.NewServer(func(name string) (keys scram.StoredCredentials, err error) {
		keys, failed = x.lookup(ctx, name)
		return keys, failed
	})
	if err != nil {
		return nil, err
	}
	x.bound = binding.Type
	x.conversation = server.NewConversationWithChannelBinding(binding)
	challenge, err := x.conversation.Step(string(message))
	switch {
	case failed != nil:
		return nil, failed
	case err != nil:
		return nil, malformed(x.login.Mechanism)
	}
	return []byte(challenge), nil
}

// final takes the client's final message: its proof. The answer has the
// server's.
func (x *scramExchange) final(message []byte) ([]byte, error) {
	if x.bound == scram.ChannelBindingTLSExporter {
		x.session.conn.exported = true
	}
	answer, err := x.conversation.Step(string(message))
	switch {
	case x.unknown != nil:
		return nil, fmt.Errorf("%s: %w", x.login.Mechanism, x.unknown)
	case answer == scram.ErrChannelBindingsDontMatch:
		return nil, fmt.Errorf("%s: the channel binding is that of another connection: %w", x.login.Mechanism, mailbox.ErrAuthFailed)
	case err != nil || !x.conversation.Valid(): // the error may quote what the client sent
		return nil, fmt.Errorf("%s: the proof is wrong: %w", x.login.Mechanism, mailbox.ErrAuthFailed)
	}
	return []byte(answer), nil
}

func (x *scramExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.open(ctx, x.login, x.user)
}

// lookup returns the keys of a user, whose name it prepares (RFC 5802 section 5.1).
// Those of one that does not exist are made up, so that only the proof fails: the
// challenge shows nobody who exists.
func (x *scramExchange) lookup(ctx context.Context, name string) (keys scram.StoredCredentials, err error) {
	name, isName := preparedName(name)
	actsFor := x.conversation.AuthzID()
	if isName && actsFor != "" {
		actsFor, isName = preparedName(actsFor)
	}
	if !isName {
		return keys, malformed(x.login.Mechanism)
	}
	x.login.User = name
	if actsFor != name { // the same as none
		x.login.AuthorizationID = actsFor
	}
	stored, user, err := SCRAMSecret(ctx, x.session.Authenticator, x.login, x.hash)
	switch {
	case err == nil:
		x.user = user
	case isUnknown(err):
		x.unknown = err
		if stored.Hash == 0 {
			stored = secret.LocalDecoy.MadeUp(name, x.hash, nil)
		}
	default:
		return keys, fmt.Errorf("SCRAM secret: %w", err)
	}
	if stored.Hash != x.hash || stored.Iterations < 1 {
		return keys, fmt.Errorf("the SCRAM secret of %q is not one for %s", name, x.login.Mechanism)
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(stored.Salt), Iters: stored.Iterations},
		StoredKey:  stored.StoredKey,
		ServerKey:  stored.ServerKey,
	}, nil
}

// SCRAMSecret asks an authenticator for the keys of login.User: a
// [SCRAMSecrets], or a [SharedSecrets], of whose secret the keys are made.
func SCRAMSecret(ctx context.Context, a Authenticator, login mailbox.Login, hash crypto.Hash) (keys secret.SCRAM, user string, err error) {
	switch a := a.(type) {
	case SCRAMSecrets:
		return a.SCRAMSecret(ctx, login, hash)
	case SharedSecrets:
		shared, user, err := a.SharedSecret(ctx, login)
		if err == nil && shared == "" {
			err = mailbox.ErrAuthFailed
		}
		if err != nil && !isUnknown(err) {
			return keys, "", err
		}
		keys, failed := secret.LocalDecoy.DeriveFor(login.User, hash, shared) // the keys of nobody take as long
		return keys, user, cmp.Or(err, failed)
	}
	return keys, "", mailbox.ErrAuthFailed
}

// binding returns what a client's first message binds the login to. The header
// of the message begins with n: the client cannot bind; y: it can, and thinks
// that the server cannot; or p=TYPE: it binds.
func (x *scramExchange) binding(message []byte) (scram.ChannelBinding, error) {
	flag, _, _ := bytes.Cut(message, []byte(","))
	kind, binds := bytes.CutPrefix(flag, []byte("p="))
	switch {
	case binds && !x.plus:
		return scram.ChannelBinding{}, errors.New("channel binding without -PLUS")
	case binds:
		return x.session.conn.binding(scram.ChannelBindingType(kind))
	case x.plus:
		return scram.ChannelBinding{}, errors.New("-PLUS without channel binding")
	case string(flag) == "y" && x.session.canBind():
		// Somebody in the middle took -PLUS out of the list (RFC 5802 section 6).
		return scram.ChannelBinding{}, errors.New("the client did not see that channel binding is offered")
	}
	return scram.ChannelBinding{}, nil
}

// demandsExtension reports whether a message has the attribute m: an extension that
// the server must understand (RFC 5802 section 5.1). It knows none.
func demandsExtension(message []byte) bool {
	for attribute := range bytes.SplitSeq(message, []byte(",")) {
		if bytes.HasPrefix(attribute, []byte("m=")) {
			return true
		}
	}
	return false
}
