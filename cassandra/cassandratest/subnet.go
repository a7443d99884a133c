package cassandratest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The data centres of a WAN have addresses of the range that RFC 2544 sets
// apart for measuring network devices: each a 198.18.N.0/24 or 198.19.N.0/24.
// Its nodes have the first addresses, this program the last.
var wanRange = netip.MustParsePrefix("198.18.0.0/15")

const (
	subnetBits  = 24
	rootsNumber = 254
)

// devicePrefix begins the name of every network device of ours outside the
// namespaces.
const devicePrefix = "popcask"

func subnetOf(address string) netip.Prefix {
	return netip.PrefixFrom(netip.MustParseAddr(address), subnetBits).Masked()
}

// inSubnet returns the address of a number.
func inSubnet(subnet netip.Prefix, number int) netip.Addr {
	a := subnet.Addr().As4()
	a[3] = byte(number)
	return netip.AddrFrom4(a)
}

// claimSubnets finds a free subnet for each data centre, and gives its nodes
// their places. Each subnet is held by a lock in dir until release is called or
// this process ends.
func claimSubnets(dir string, dcs []DC) (places []place, release func(), err error) {
	var held locks
	subnet := wanRange.Addr()
	var last error
	for _, dc := range dcs {
		for found := false; !found; {
			if !wanRange.Contains(subnet) {
				held.release()
				return nil, nil, fmt.Errorf("no free subnet for data centre %s in %s, the last one tried: %w", dc.Name, wanRange, last)
			}
			p := netip.PrefixFrom(subnet, subnetBits)
			subnet = inSubnet(p, 255).Next()
			lock, err := claimSubnet(dir, p)
			if err != nil {
				last = err
				continue
			}
			held, found = append(held, lock), true
			for i := range dc.Nodes {
				places = append(places, place{Address: inSubnet(p, i+1).String(), Ports: portPairs[0], JMX: jmxBase + i + 1})
			}
		}
	}
	return places, held.release, nil
}

// claimSameSubnets takes the subnets of nodes that have data already.
func claimSameSubnets(dir string, places []place) (release func(), err error) {
	var held locks
	seen := map[netip.Prefix]bool{}
	for _, at := range places {
		p := subnetOf(at.Address)
		if seen[p] {
			continue
		}
		seen[p] = true
		lock, err := claimSubnet(dir, p)
		if err != nil {
			held.release()
			return nil, fmt.Errorf("the nodes of this directory live in %s, which is taken: %w", p, err)
		}
		held = append(held, lock)
	}
	return held.release, nil
}

func claimSubnet(dir string, p netip.Prefix) (*os.File, error) {
	lock, err := tryLock(filepath.Join(dir, p.Addr().String()+".lock"))
	if err != nil {
		return nil, fmt.Errorf("%s: another cluster of ours has it: %w", p, err)
	}
	if err := unused(p); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// unused returns an error if this machine has an address in the subnet, or a
// route to it, such as that of a VPN.
func unused(p netip.Prefix) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if there, err := netip.ParsePrefix(a.String()); err == nil && there.Masked().Overlaps(p) {
			return fmt.Errorf("%s: the machine has the address %s", p, there)
		}
	}
	table, err := os.ReadFile("/proc/thread-self/net/route")
	if err != nil {
		return err
	}
	for _, row := range strings.Split(string(table), "\n") {
		f := strings.Fields(row)
		if len(f) < 8 || strings.HasPrefix(f[0], devicePrefix) {
			continue
		}
		there, err := routePrefix(f[1], f[7])
		if err == nil && there.Bits() > 0 && there.Overlaps(p) {
			return fmt.Errorf("%s: the machine has a route to %s by %s", p, there, f[0])
		}
	}
	return nil
}

// routePrefix reads a destination and a mask of /proc/net/route: hexadecimal,
// in the machine's order of octets.
func routePrefix(destination, mask string) (netip.Prefix, error) {
	var v [2][4]byte
	for i, text := range []string{destination, mask} {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 4 {
			return netip.Prefix{}, errors.New("not a row of the table")
		}
		binary.NativeEndian.PutUint32(v[i][:], binary.BigEndian.Uint32(b))
	}
	ones, _ := net.IPMask(v[1][:]).Size()
	return netip.PrefixFrom(netip.AddrFrom4(v[0]), ones), nil
}
