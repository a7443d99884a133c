package netserver

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// address is a short name for an origin.
func address(name string) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, name[0]}), 32)
}

// A guest is called by its address and a number: "a1". Each step of a story is
// what happens, and whom it displaces, or why nobody gets in. Each is told many
// times, since a door ranges over a map, whose order changes.
func TestDoor(t *testing.T) {
	for name, test := range map[string]struct {
		limits Limits
		story  string
	}{
		"no limits":                      {Limits{-1, -1, -1}, "a1 a2 a3 b1"},
		"the longest makes room":         {Limits{2, -1, -1}, "a1 b1 c1>a1 d1>b1"},
		"the address that has most does": {Limits{3, -1, -1}, "b1 a1 a2 c1>a1 d1>b1"},
		"its own address comes first":    {Limits{3, -1, -1}, "b1 a1 a2 b2>b1"},
		"nobody who stays does":          {Limits{2, -1, -1}, "a1 a1! b1 c1>b1 c1! d1?many"},
		"who waits again may":            {Limits{2, -1, -1}, "a1 a1! b1 b1! a1~ c1>a1"},
		"and waits from then on":         {Limits{2, -1, -1}, "a1 a1! b1 a1~ c1>b1 d1>a1"},
		"room after one has left":        {Limits{2, -1, -1}, "a1 b1 a1- c1"},
		"those that wait":                {Limits{-1, 1, -1}, "a1 a1! b1 c1>b1 c1! d1"},
		"of an address":                  {Limits{-1, -1, 1}, "a1 a2>a1 b1 a2! a3?address a2~ a3>a2"},
		"the longest of an address":      {Limits{-1, -1, 2}, "a1 a2 a3>a1 b1"},
		"waiting twice is once":          {Limits{-1, 2, -1}, "a1 a1~ a1~ b1 c1>a1"},
		"one moves":                      {Limits{-1, -1, 1}, "a1 a1=b a2 b1>a1 a1=c?many"},
		"one cannot move":                {Limits{-1, -1, 1}, "b1 b1! a1 a1=b?address a2"},
		"who moves waits from then on":   {Limits{3, -1, -1}, "a1 b1 c1 a1=d e1>b1"},
		"a displaced one is out":         {Limits{1, -1, -1}, "a1 b1>a1 a1! a1~ a1- c1>b1"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				tell(t, test.limits, test.story)
			}
		})
	}
}

func tell(t *testing.T, limits Limits, story string) {
	d := Door[string]{Limits: limits}
	for step := range strings.FieldsSeq(story) {
		guest, what := step[:2], step[2:]
		switch {
		case what == "!":
			d.Stays(guest)
		case what == "~":
			d.Waits(guest)
		case what == "-":
			d.Leave(guest)
		default:
			var displaced string
			var isDisplaced bool
			var err error
			got := ""
			if to, moves := strings.CutPrefix(what, "="); moves {
				got = what[:2]
				displaced, isDisplaced, err = d.Moves(guest, address(to))
			} else {
				displaced, isDisplaced, err = d.Enter(guest, address(guest))
			}
			switch {
			case err == ErrTooMany:
				got += "?many"
			case err == ErrTooManyOfAddress:
				got += "?address"
			case isDisplaced:
				got += ">" + displaced
			}
			require.Equal(t, what, got, step)
		}
	}
}

// What has no IP address is not limited by address.
func TestDoorWithoutAddresses(t *testing.T) {
	d := Door[int]{Limits: Limits{-1, -1, 1}}
	for i := range 3 {
		_, isDisplaced, err := d.Enter(i, netip.Prefix{})
		require.NoError(t, err)
		require.False(t, isDisplaced)
	}
}

func TestDoorForgets(t *testing.T) {
	d := Door[string]{Limits: Limits{-1, -1, -1}}
	_, _, err := d.Enter("a1", address("a"))
	require.NoError(t, err)
	require.Len(t, d.origins, 1)
	d.Leave("a1")
	require.Empty(t, d.origins)
	require.Empty(t, d.guests)
	require.NoError(t, d.Wait(t.Context()))
}

func TestAClosedDoor(t *testing.T) {
	d := Door[string]{Limits: Limits{-1, -1, -1}}
	_, _, err := d.Enter("a1", address("a"))
	require.NoError(t, err)
	require.Equal(t, []string{"a1"}, d.Close())
	_, _, err = d.Enter("b1", address("b"))
	require.Equal(t, ErrClosed, err)
}

// One customer is one origin: an IPv4 address however it is written, and an IPv6
// network of 64 bits.
func TestOrigin(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1:1":           "192.0.2.1/32",
		"[::ffff:192.0.2.1]:2":  "192.0.2.1/32",
		"[2001:db8::1]:1":       "2001:db8::/64",
		"[2001:db8::2:3:4:5]:1": "2001:db8::/64",
		"[2001:db8:0:1::1]:1":   "2001:db8:0:1::/64",
		"[fe80::1%eth0]:1":      "fe80::/64",
	} {
		require.Equal(t, want, Origin(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))).String(), from)
		require.Equal(t, want, Origin(named(from)).String(), from)
	}
	for _, nowhere := range []net.Addr{nil, named("pipe"), named(""), &net.UnixAddr{Name: "@", Net: "unix"}, &net.TCPAddr{}} {
		require.False(t, Origin(nowhere).IsValid(), "%v", nowhere)
	}
}

// named is an address of a kind of its own.
type named string

func (named) Network() string  { return "test" }
func (n named) String() string { return string(n) }
