//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/popcask/popcask/mailbox/maildir"
)

// dovecot is an installed Dovecot with its own configuration: Maildir, no TLS,
// 200 clients a process, processes that live on.
type dovecot struct {
	cmd *exec.Cmd
	at  string
}

const dovecotConfig = `
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
mail_location = maildir:%[1]s/mail/%%u
first_valid_uid = %[3]d
first_valid_gid = %[3]d
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=%[3]d gid=%[3]d home=%[1]s/mail/%%u
}
service pop3-login {
  inet_listener pop3 {
    port = %[2]d
  }
  inet_listener pop3s {
    port = 0
  }
  service_count = 0
  client_limit = 200
  process_min_avail = 1
  process_limit = 2
}
service pop3 {
  service_count = 0
  client_limit = 200
  process_min_avail = 1
}
service anvil {
  unix_listener anvil {
    mode = 0666
  }
}
mail_max_userip_connections = 0
`

// nobody is the user that owns Dovecot's mail: it refuses to serve that of
// root.
const nobody = 65534

func startDovecot(dir string) (server, error) {
	path, err := exec.LookPath("dovecot")
	if err != nil {
		return nil, fmt.Errorf("%w: install dovecot-pop3d, and run this as root", err)
	}
	root := filepath.Join(dir, "dovecot")
	mail := filepath.Join(root, "mail")
	if err := os.MkdirAll(mail, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	s, err := maildir.New(mail, maildir.Options{MaxMessageSize: 200 << 20})
	if err != nil {
		return nil, err
	}
	if err := deliver(s); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(mail, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	config := filepath.Join(root, "dovecot.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, dovecotConfig, root, port, nobody), 0o644); err != nil {
		return nil, err
	}
	d := &dovecot{cmd: exec.Command(path, "-F", "-c", config), at: fmt.Sprintf("127.0.0.1:%d", port)}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		if conn, err := net.Dial("tcp", d.at); err == nil {
			conn.Close()
			return d, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.stop()
	return nil, errors.New("it does not listen")
}

func (d *dovecot) address() string { return d.at }

// usage adds up the CPU time of Dovecot's processes. The kernel counts it in
// hundredths of a second, so that a round should take some seconds.
func (d *dovecot) usage() (usage, error) {
	ticks := int64(0)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return usage{}, err
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		// The name, in parentheses, may have blanks in it.
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		if pid != d.cmd.Process.Pid && parent != d.cmd.Process.Pid {
			continue
		}
		for _, field := range fields[11:13] { // utime, stime
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	const ticksPerSecond = 100
	return usage{cpu: ticks * 1_000_000 / ticksPerSecond}, nil
}

func (d *dovecot) stop() {
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.cmd.Wait()
}
