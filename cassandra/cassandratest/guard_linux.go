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

// guard keeps this program from speaking to the outside by mistake. When a
// cluster has ended, a driver that goes on dialling its nodes would be sent along
// the machine's default route. With the guard it is told at once that nobody
// listens there: the guard is the second choice for the cluster's subnets, a
// namespace in which all their addresses are the kernel's own. It stays as long as
// this process, and goes with it, however that ends.
type guard struct {
	namespace int // a file descriptor
	device    string
}

// openGuard also shows whether there can be a WAN at all.
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

// stand takes the second place for subnets, for good.
func (g *guard) stand(subnets []netip.Prefix) error {
	var routes strings.Builder
	for _, s := range subnets {
		fmt.Fprintf(&routes, "route append %s dev %s metric 10000\n", s, g.device)
	}
	return ip(routes.String())
}

// close ends a guard that is not needed after all.
func (g *guard) close() { syscall.Close(g.namespace) }
