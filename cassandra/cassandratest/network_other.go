//go:build !linux

package cassandratest

import (
	"fmt"
	"net/netip"
	"runtime"
)

func openNetwork([]nodeSpec) (*network, error) { return nil, errNoWANHere }

type guard struct{}

func openGuard() (*guard, error) {
	return nil, fmt.Errorf("%w: it needs Linux, this is %s", errNoWANHere, runtime.GOOS)
}

func (*guard) stand([]netip.Prefix) error { return nil }
func (*guard) close()                     {}
