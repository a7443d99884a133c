package cassandratest

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// guard keeps this program from speaking to the outside by mistake. If a driver
// goes on dialling the nodes of a cluster that has ended, its packets would
// take the machine's default route. With the guard its connections are refused
// at once: the guard is the second choice of a route to the cluster's subnets,
// and leads to a namespace in which all their addresses are local. The guard
// ends with this process.
type guard struct {
	namespace int // a file descriptor
	device    string
}

// openGuard returns an error if there can be no WAN on this machine.
func openGuard() (*guard, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: it needs root", errNoWANHere)
	}
	for _, needed := range []struct{ program, pack string }{{"ip", "iproute2"}, {"nsenter", "util-linux"}} {
		if _, err := exec.LookPath(needed.program); err != nil {
			return nil, fmt.Errorf("%w: it needs the program %s (Debian: %s)", errNoWAN, needed.program, needed.pack)
		}
	}
	g := &guard{device: devicePrefix + "-" + strings.ToLower(rand.Text()[:6])}
	t, id, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoWAN, err)
	}
	defer t.end()
	err = t.do(func() error {
		tun, err := openTUN("try")
		if err != nil {
			return err
		}
		tun.Close()
		g.namespace, err = syscall.Open("/proc/thread-self/ns/net", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoWAN, err)
	}
	err = ip(fmt.Sprintf("link add %[1]s type veth peer name lan netns %[2]d\nlink set %[1]s up\n", g.device, id))
	if err == nil {
		err = t.do(func() error {
			return ip(fmt.Sprintf("link set lo up\nlink set lan up\nroute add local %s dev lo\nroute add default dev lan\n", wanRange))
		})
	}
	if err != nil {
		g.close()
		return nil, fmt.Errorf("%w: %w", errNoWAN, err)
	}
	return g, nil
}

// stand makes the guard the second choice for subnets, until this process ends.
func (g *guard) stand(subnets []netip.Prefix) error {
	var routes strings.Builder
	for _, s := range subnets {
		fmt.Fprintf(&routes, "route append %s dev %s metric 10000\n", s, g.device)
	}
	return ip(routes.String())
}

// close ends a guard that is not needed after all.
func (g *guard) close() { syscall.Close(g.namespace) }
