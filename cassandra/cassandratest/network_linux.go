package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// wanMTU is the size of the packets on a link: that of jumbo frames, which
// lines between data centres often carry. Smaller packets cost more processor
// time, which the nodes need.
const wanMTU = 9000

// openNetwork builds the WAN of these nodes.
func openNetwork(nodes []nodeSpec) (*network, error) {
	n := newNetwork(nodes)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var tuns []*os.File
	n.tearDown = func() {
		cancel()
		for _, t := range tuns {
			t.Close()
		}
		running.Wait()
		for _, c := range n.centres {
			// The kernel would do this too, but some time after the last
			// process has left the namespace. By then the subnet may be in use
			// again.
			ip(fmt.Sprintf("link delete %s\n", c.device))
			if c.threadID != 0 {
				c.thread.end()
			}
		}
	}
	for _, c := range n.centres {
		if err := c.open(); err != nil {
			n.close()
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for i, a := range n.centres {
		for j, b := range n.centres[:i] {
			tunA, errA := a.connect(j, b)
			tunB, errB := b.connect(i, a)
			for _, t := range []*os.File{tunA, tunB} {
				if t != nil {
					tuns = append(tuns, t)
				}
			}
			if err := errors.Join(errA, errB); err != nil {
				n.close()
				return nil, fmt.Errorf("link between %s and %s: %w", b.name, a.name, err)
			}
			n.join(ctx, &running, a, b, tunA, tunB)
		}
	}
	return n, nil
}

// open makes the namespace, with its nodes' addresses, and connects it to this
// one.
func (c *centre) open() error {
	var err error
	if c.thread, c.threadID, err = newNamespace(); err != nil {
		return err
	}
	err = ip(fmt.Sprintf(`link add %[1]s type veth peer name lan netns %[2]d
		address add %[3]s/%[4]d dev %[1]s
		link set %[1]s up
		`, c.device, c.threadID, inSubnet(c.subnet, rootsNumber), subnetBits))
	if err != nil {
		return err
	}
	inside := "link set lo up\n"
	for _, a := range c.addresses {
		inside += fmt.Sprintf("address add %s/%d dev lan\n", a, subnetBits)
	}
	inside += "link set lan up\n"
	return c.thread.do(func() error {
		// The closed connections of a killed node keep the namespace while they
		// try to reach the other end, by default for over a minute.
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_orphan_retries", []byte("3"), 0); err != nil {
			return err
		}
		return ip(inside)
	})
}

// newNamespace returns a thread in a network namespace of its own. The
// namespace ends after everything in it.
func newNamespace() (t thread, id int, err error) {
	for {
		t = newThread()
		t.do(func() error { id = syscall.Gettid(); return nil })
		if id != os.Getpid() {
			break
		}
		// The first thread stands for the whole process in /proc and never
		// ends.
		defer t.end()
	}
	err = t.do(func() error {
		return os.NewSyscallError("make a network namespace: unshare", syscall.Unshare(syscall.CLONE_NEWNET))
	})
	if err != nil {
		t.end()
		return thread{}, 0, err
	}
	return t, id, nil
}

// connect makes this end of the link to another data centre.
func (c *centre) connect(number int, to *centre) (tun *os.File, err error) {
	err = c.thread.do(func() error {
		name := fmt.Sprintf("wan%d", number+1)
		if tun, err = openTUN(name); err != nil {
			return err
		}
		return ip(fmt.Sprintf(`link set %[1]s mtu %[2]d up
			route add %[3]s dev %[1]s src %[4]s
			`, name, wanMTU, to.subnet, c.addresses[0]))
	})
	return tun, err
}

// openTUN makes a TUN device in the namespace of the calling thread. Closing
// the file removes it.
func openTUN(name string) (*os.File, error) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	var request struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:syscall.IFNAMSIZ-1], name)
	request.flags = syscall.IFF_TUN | syscall.IFF_NO_PI
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request))); errno != 0 {
		syscall.Close(fd)
		return nil, fmt.Errorf("make a TUN device: %w", errno)
	}
	// Only now: before the device is made, the runtime cannot poll the file.
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// ip runs the program ip in the namespace of the calling thread, with one
// command a line.
func ip(commands string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
