package auth

import (
	"cmp"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

// Cache is an authenticator in front of a slow one. It remembers passwords and
// tokens that were right, and whose they are; what was wrong is asked again. So
// a new password is good at once, and an old one, or that of a user who is
// locked out, until its time is over, or until Forget.
//
// It holds no secret in the clear, but their HMAC-SHA-256 with a key of this
// process. Other ways to log in are those of the one behind it. What is remembered
// is good for the same mechanism, the same TLS host name and certificate of the
// client, and the same local address. It is not for an authenticator whose answer
// depends on the client's address, or on anything else.
type Cache struct {
	// Authenticator is the one behind. It is required.
	pop3.Authenticator

	// For is how long a login is remembered; 0 means 5 minutes.
	For time.Duration

	// Max is how many logins are remembered; 0 means 100,000, of some 200 octets
	// each. Beyond it some are forgotten early.
	Max int

	mu      sync.Mutex
	key     []byte
	entries map[[sha256.Size]byte]entry
	forgot  int // how often Forget was called
}

type entry struct {
	user  string
	asked string // the canonical name that the client gave: of somebody who acts for user, perhaps
	ends  time.Time
}

var (
	_ pop3.SharedSecrets = (*Cache)(nil)
	_ pop3.SCRAMSecrets  = (*Cache)(nil)
	_ pop3.Tokens        = (*Cache)(nil)
	_ pop3.Certificates  = (*Cache)(nil)
	_ pop3.Anonymous     = (*Cache)(nil)
	_ pop3.Selective     = (*Cache)(nil)
)

// Offers implements [pop3.Selective]: it is what the one behind offers.
func (c *Cache) Offers(mechanism string) bool { return pop3.Offers(c.Authenticator, mechanism) }

// Authenticate implements [pop3.Authenticator].
func (c *Cache) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	return c.remember(ctx, login, login.Password, c.Authenticator.Authenticate)
}

// AuthenticateToken implements [pop3.Tokens].
func (c *Cache) AuthenticateToken(ctx context.Context, login mailbox.Login) (string, error) {
	tokens, ok := c.Authenticator.(pop3.Tokens)
	if !ok {
		return "", mailbox.ErrAuthFailed
	}
	return c.remember(ctx, login, login.Token, tokens.AuthenticateToken)
}

// SharedSecret implements [pop3.SharedSecrets].
func (c *Cache) SharedSecret(ctx context.Context, login mailbox.Login) (secret, user string, err error) {
	secrets, ok := c.Authenticator.(pop3.SharedSecrets)
	if !ok {
		return "", "", mailbox.ErrAuthFailed
	}
	return secrets.SharedSecret(ctx, login)
}

// SCRAMSecret implements [pop3.SCRAMSecrets].
func (c *Cache) SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (secret.SCRAM, string, error) {
	return pop3.SCRAMSecret(ctx, c.Authenticator, login, hash)
}

// AuthenticateCertificate implements [pop3.Certificates].
func (c *Cache) AuthenticateCertificate(ctx context.Context, login mailbox.Login) (string, error) {
	certificates, ok := c.Authenticator.(pop3.Certificates)
	if !ok {
		return "", mailbox.ErrAuthFailed
	}
	return certificates.AuthenticateCertificate(ctx, login)
}

// AuthenticateAnonymous implements [pop3.Anonymous].
func (c *Cache) AuthenticateAnonymous(ctx context.Context, login mailbox.Login) (string, error) {
	anonymous, ok := c.Authenticator.(pop3.Anonymous)
	if !ok {
		return "", mailbox.ErrAuthFailed
	}
	return anonymous.AuthenticateAnonymous(ctx, login)
}

// Forget forgets the logins of a user, by the name that the authenticator has
// for it, and those by that name for somebody else.
func (c *Cache) Forget(user string) {
	asked := canonicalOr(user)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgot++
	for key, e := range c.entries {
		if e.user == user || e.asked == asked {
			delete(c.entries, key)
		}
	}
}

// remember asks the one behind, unless it has said yes to the same before.
func (c *Cache) remember(ctx context.Context, login mailbox.Login, given string, ask pop3.AuthenticatorFunc) (string, error) {
	key := c.digest(append(circumstances(login), login.User, login.AuthorizationID, given)...)
	user, forgot, ok := c.lookup(key)
	if ok {
		return user, nil
	}
	user, err := ask(ctx, login)
	if err == nil {
		c.add(key, entry{user: user, asked: canonicalOr(login.User)}, forgot)
	}
	return user, err
}

// circumstances are what an authenticator may look at, besides what the client has
// sent for a login.
func circumstances(login mailbox.Login) []string {
	local, security, host, certificate := "", "", "", ""
	if login.Local != nil {
		local = login.Local.String()
	}
	if login.TLS != nil {
		security, host = "TLS", login.TLS.ServerName
		if sent := login.TLS.PeerCertificates; len(sent) > 0 {
			certificate = string(sent[0].Raw)
		}
		if len(login.TLS.VerifiedChains) > 0 {
			security = "TLS, verified"
		}
	}
	return []string{login.Mechanism, local, security, host, certificate}
}

func canonicalOr(name string) string {
	if canonical, err := mailbox.CanonicalUser(name); err == nil {
		return canonical
	}
	return name
}

// digest is what stands for the parts of a login. No two have the same.
func (c *Cache) digest(parts ...string) (sum [sha256.Size]byte) {
	c.mu.Lock()
	if c.key == nil {
		c.key = make([]byte, sha256.Size)
		rand.Read(c.key)
	}
	mac := hmac.New(sha256.New, c.key)
	c.mu.Unlock()
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	mac.Sum(sum[:0])
	return sum
}

// lookup also returns how often Forget was called before.
func (c *Cache) lookup(key [sha256.Size]byte) (user string, forgot int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if ok && !time.Now().Before(e.ends) {
		delete(c.entries, key)
		ok = false
	}
	return e.user, c.forgot, ok
}

// add remembers a login, unless Forget was called while it was checked.
func (c *Cache) add(key [sha256.Size]byte, e entry, forgot int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if forgot != c.forgot {
		return
	}
	if c.entries == nil {
		c.entries = make(map[[sha256.Size]byte]entry)
	}
	now := time.Now()
	if len(c.entries) >= cmp.Or(c.Max, 100_000) {
		c.forgetSome(now)
	}
	e.ends = now.Add(cmp.Or(c.For, 5*time.Minute))
	c.entries[key] = e
}

// forgetSome looks at some entries, which the map draws, and forgets those whose
// time is over, but one at least.
func (c *Cache) forgetSome(now time.Time) {
	looked := 0
	for key, e := range c.entries {
		if looked++; looked == 1 || !now.Before(e.ends) {
			delete(c.entries, key)
		}
		if looked == 16 {
			return
		}
	}
}
