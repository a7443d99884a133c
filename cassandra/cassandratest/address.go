package cassandratest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
)

// ports are those that a node listens on. All nodes of a cluster have the same
// ports and differ by address, as the nodes of a real cluster do. Another pair
// is for a machine on which something listens on 9042 on every address.
type ports struct{ CQL, Storage int }

var portPairs = []ports{{9042, 7000}, {19042, 17000}, {29042, 27000}}

// jmxBase plus the last number of the address is the JMX port: the local JMX of
// Cassandra listens on 127.0.0.1, not on the address of the node.
const jmxBase = 7200

// place is where a node listens.
type place struct {
	Address string // 127.0.0.N
	Ports   ports
	JMX     int
}

func (p place) cql() string {
	return net.JoinHostPort(p.Address, strconv.Itoa(p.Ports.CQL))
}

// locks hold addresses until they are released or this process ends.
type locks []io.Closer

func (l locks) release() {
	for _, lock := range l {
		lock.Close()
	}
}

// errAddresses means that the machine has no room for a cluster.
var errAddresses = errors.New("not enough free loopback addresses")

// claimPort is a port of each address that its cluster listens on, from before
// the nodes start until all have ended, and while one of them is dead. So no
// other cluster of this machine takes the address, not even that of another
// user.
const claimPort = "7198"

// claimPlaces finds n addresses on which nothing listens, and holds them until
// release is called or this process ends.
func claimPlaces(n int) (places []place, release func(), err error) {
	var last error
	for _, p := range portPairs {
		var held locks
		places = nil
		for i := 1; i <= 254 && len(places) < n; i++ {
			at := place{Address: fmt.Sprintf("127.0.0.%d", i), Ports: p, JMX: jmxBase + i}
			lock, err := claim(at)
			if err != nil {
				last = err
				continue
			}
			held, places = append(held, lock), append(places, at)
		}
		if len(places) == n {
			return places, held.release, nil
		}
		held.release()
	}
	hint := ""
	if runtime.GOOS == "darwin" {
		hint = "; macOS has only 127.0.0.1 until you add the others: sudo ifconfig lo0 alias 127.0.0.2 up"
	}
	return nil, nil, fmt.Errorf("%w: want %d with the ports 9042 and 7000 free, the last one tried: %w%s", errAddresses, n, last, hint)
}

// claimSame claims these places and no others, for nodes that have data
// already.
func claimSame(places []place) (release func(), err error) {
	var held locks
	for _, at := range places {
		lock, err := claim(at)
		if err != nil {
			held.release()
			return nil, fmt.Errorf("the nodes of this directory live on %s, which is taken: %w", at.Address, err)
		}
		held = append(held, lock)
	}
	return held.release, nil
}

// claim holds one place and checks that its ports are free.
func claim(at place) (io.Closer, error) {
	lock, err := net.Listen("tcp4", net.JoinHostPort(at.Address, claimPort))
	if err != nil {
		return nil, fmt.Errorf("%s: another cluster has it: %w", at.Address, err)
	}
	for _, addr := range []string{
		at.cql(),
		net.JoinHostPort(at.Address, strconv.Itoa(at.Ports.Storage)),
		net.JoinHostPort("127.0.0.1", strconv.Itoa(at.JMX)),
	} {
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			lock.Close()
			return nil, err
		}
		l.Close()
	}
	return lock, nil
}
