package cassandratest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// docker runs nodes in containers on the network of the host, with the same
// addresses, files and arguments as local ones. Only java and the jars are
// those of the image.
type docker struct{ cluster string }

func (d docker) name(n nodeSpec) string { return d.cluster + "-" + n.Name }

func (d docker) command(n nodeSpec, dir string, args []string) *exec.Cmd {
	run := []string{
		"run", "--rm", "--name", d.name(n), "--network", "host",
		"--user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()),
		"--volume", dir + ":" + dir, "--workdir", dir,
		"--entrypoint", "java", dockerImage,
	}
	return exec.Command("docker", append(run, args...)...)
}

// signal goes through the engine: the child of this process is only its client.
func (d docker) signal(n nodeSpec, _ *os.Process, sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v: not for a container", sig)
	}
	out, err := exec.Command("docker", "kill", "--signal", fmt.Sprint(int(number)), d.name(n)).CombinedOutput()
	if err != nil {
		return errors.New("docker kill: " + strings.TrimSpace(string(out)))
	}
	return nil
}

// clear removes a container whose keeper was killed: the engine does not notice
// that.
func (d docker) clear(n nodeSpec) { exec.Command("docker", "rm", "--force", d.name(n)).Run() }
