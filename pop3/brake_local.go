package pop3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/bounded"
	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// LocalBrake is a [Brake] in the memory of the process. Its zero value works.
// Its fields must not change once it is used.
//
// Addresses and users are counted apart. After [LocalBrake.FreeTries] failures
// each further try waits: one second, then two, four, up to MaxDelay. Tries
// from one address wait one after the other, so that many connections guess no
// faster than one, and a try that would wait longer than MaxDelay is refused.
// Tries for one user wait side by side, so that nobody can lock a user out. A
// user who has logged in from an address before does not wait there, whoever
// else guesses, until a try by the same name fails there. What is not renewed for
// a while is forgotten.
//
// If all clients come through a proxy and have its address, set
// FreeTriesOfAddress to a negative value.
type LocalBrake struct {
	// MaxChecks is how many credentials may be checked, or keys be made for a
	// challenge of SCRAM, at the same time. The others wait for their turn: the
	// fewer failures there were from an address, the sooner it comes, and among
	// equals it goes round by address. Default 16, or four for each processor if
	// that is more; a negative value means no limit. If the authenticator hashes
	// passwords in this process, which takes a processor for itself, two for each
	// processor are enough.
	MaxChecks int

	// FreeTries and FreeTriesOfAddress are how many tries may fail for a user,
	// and from an address, before the next waits. Default 5; a negative value
	// means that none ever waits. What has no IP address, such as a Unix socket,
	// is counted by user only.
	FreeTries          int
	FreeTriesOfAddress int

	// MaxDelay is how long a try waits at most. Default 15 seconds; a negative
	// value means that none ever waits.
	MaxDelay time.Duration

	// Forget is after how long without another failure the failures of a user or
	// an address are forgotten. Default 15 minutes; a negative value means never.
	Forget time.Duration

	// Name returns the name under which the failures of a user are counted: set
	// it if a user can log in under many, such as any address with its name
	// before the @. It must not depend on whether there is such a user, and two
	// users may have the same. nil means [mailbox.CanonicalUser].
	Name func(user string) string

	// MaxRemembered is how many users, addresses, and pairs of the two, are
	// remembered each. If there are more, some are forgotten early. Default
	// 100,000; a negative value means no limit.
	MaxRemembered int

	mu        sync.Mutex
	users     map[string]*failures
	addresses map[netip.Prefix]*failures
	known     map[pair]struct{}

	turns turns
}

// failures are those of a user or an address.
type failures struct {
	count int
	last  time.Time // the last one
	next  time.Time // when the next try may begin
}

// pair is a user who has logged in from an address. The name is the one that the
// client gave: whoever has the password of one user must not guess that of another
// for whom Name returns the same.
type pair struct {
	user    string // canonical
	address netip.Prefix
}

// ErrTooManyTries is the error of a [LocalBrake] if tries from an address would
// wait too long.
var ErrTooManyTries = errors.New("too many failed logins from this address")

// Begin implements [Brake].
func (b *LocalBrake) Begin(ctx context.Context, login mailbox.Login) (release func(), err error) {
	return b.begin(ctx, login, time.Time{})
}

// begin is Begin with a time at which the wait ends, if it is not zero. A try
// that need not wait, as most, does not pay for a deadline.
func (b *LocalBrake) begin(ctx context.Context, login mailbox.Login, until time.Time) (release func(), err error) {
	if !until.IsZero() && !time.Now().Before(until) {
		return nil, context.DeadlineExceeded
	}
	address := netserver.Origin(login.Remote)
	wait, failed, err := b.reserve(pair{canonicalOr(login.User), address}, b.nameOf(login.User))
	if err != nil {
		return nil, err
	}
	return b.takeTurn(ctx, wait, place{address, failed}, until)
}

// turn waits for a turn alone: for work that costs as much as a check, and is
// none, so that no failure counts against it.
func (b *LocalBrake) turn(ctx context.Context, login mailbox.Login, until time.Time) (release func(), err error) {
	at := place{address: netserver.Origin(login.Remote)}
	b.mu.Lock()
	if f := b.addresses[at.address]; f != nil {
		at.failures = f.count
	}
	b.mu.Unlock()
	return b.takeTurn(ctx, 0, at, until)
}

// takeTurn takes a turn after a wait.
func (b *LocalBrake) takeTurn(ctx context.Context, wait time.Duration, at place, until time.Time) (release func(), err error) {
	limit := cmp.Or(b.MaxChecks, max(16, 4*runtime.GOMAXPROCS(0)))
	if wait <= 0 && ctx.Err() == nil && b.turns.takeFree(limit) {
		return b.turns.release, nil
	}
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	if err := sleep(ctx, wait); err != nil {
		return nil, err
	}
	return b.turns.take(ctx, at, limit)
}

// reserve returns how long a try has to wait, and how many failures of its
// address count against it. It lets the next one from its address wait longer.
func (b *LocalBrake) reserve(who pair, user string) (wait time.Duration, failed int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.known[who]; known {
		return 0, 0, nil
	}
	now := time.Now()
	if f := b.users[user]; f != nil && user != "" {
		wait = min(b.delay(f, b.FreeTries, now), max(0, f.next.Sub(now)))
	}
	f := b.addresses[who.address]
	if f == nil { // or there is no IP address
		return wait, 0, nil
	}
	failed = f.count
	delay := b.delay(f, b.FreeTriesOfAddress, now)
	if delay == 0 {
		return wait, failed, nil
	}
	start := now
	if f.next.After(now) {
		start = f.next
	}
	if own := start.Sub(now); own > b.maxDelay() {
		return 0, 0, fmt.Errorf("%w: the next may be checked in %s", ErrTooManyTries, own.Round(time.Second))
	}
	f.next = start.Add(delay)
	return max(wait, start.Sub(now)), failed, nil
}

// delay is the pause between two tries after so many failures.
func (b *LocalBrake) delay(f *failures, free int, now time.Time) time.Duration {
	free = cmp.Or(free, 5)
	if free < 0 || b.maxDelay() < 0 || f.count < free || b.forgotten(f, now) {
		return 0
	}
	return min(b.maxDelay(), time.Second<<min(f.count-free, 30))
}

func (b *LocalBrake) maxDelay() time.Duration { return cmp.Or(b.MaxDelay, 15*time.Second) }
func (b *LocalBrake) remembered() int         { return cmp.Or(b.MaxRemembered, 100_000) }

func (b *LocalBrake) forgotten(f *failures, now time.Time) bool {
	forget := cmp.Or(b.Forget, 15*time.Minute)
	return forget >= 0 && now.Sub(f.last) > forget
}

// Result implements [Brake].
func (b *LocalBrake) Result(login mailbox.Login, err error) {
	address, user := netserver.Origin(login.Remote), b.nameOf(login.User)
	who := pair{canonicalOr(login.User), address}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && user == "" { // an anonymous one, which proves nothing
		return
	}
	if err == nil {
		bounded.Put(&b.known, b.remembered(), who, struct{}{})
		return
	}
	delete(b.known, who)
	if address.IsValid() {
		fail(b, &b.addresses, address, b.FreeTriesOfAddress)
	}
	if user != "" {
		fail(b, &b.users, user, b.FreeTries)
	}
}

// fail counts a failure of a user or an address.
func fail[K comparable](b *LocalBrake, all *map[K]*failures, key K, free int) {
	now := time.Now()
	f := (*all)[key]
	if f == nil || b.forgotten(f, now) {
		f = new(failures)
		bounded.Put(all, b.remembered(), key, f)
	}
	f.count++
	f.last = now
	if next := now.Add(b.delay(f, free, now)); next.After(f.next) {
		f.next = next
	}
}

// nameOf is the name under which the failures of a user are counted.
func (b *LocalBrake) nameOf(user string) string {
	if b.Name != nil {
		user = b.Name(user)
	}
	if canonical, err := mailbox.CanonicalUser(user); err == nil {
		return canonical
	}
	return ""
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
