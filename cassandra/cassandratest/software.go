package cassandratest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// Version is the Cassandra that nodes started here run.
const Version = "5.0.6"

// dockerImage runs the same nodes if there is no Java.
const dockerImage = "cassandra:5"

// software is what nodes run on: a Java and a directory of jars, or a Docker
// image that has both.
type software struct {
	Java    string
	Jars    string
	Archive string // of loaded classes; may not exist
	Docker  bool   `json:",omitempty"`
}

// classPath is what java's -cp is given.
func (s software) classPath() string {
	return filepath.Join(s.Jars, "*")
}

// errNoSoftware is the line that a skipped test shows.
var errNoSoftware = errors.New("no Cassandra to test with: install Java 17 and Maven (java and mvn on the PATH), or start a Docker engine, or set POPCASK_CASSANDRA=HOST,HOST")

// errNotHere is that line on a system other than Unix.
var errNotHere = errors.New("nodes are started on Unix only: set POPCASK_CASSANDRA to a running cluster")

// findSoftware looks for what nodes can run on. It downloads nothing: see
// resolveJars.
func findSoftware(ctx context.Context) (software, error) {
	java, version, javaErr := findJava(ctx)
	if javaErr == nil {
		jars, err := jarsDir()
		if err != nil {
			return software{}, err
		}
		// The archive is good for exactly this Java and this class path.
		sum := sha256.Sum256([]byte(java + version))
		archive := filepath.Join(jars, fmt.Sprintf("classes-%x.jsa", sum[:6]))
		if _, err = exec.LookPath("mvn"); err == nil || exists(jars) {
			return software{Java: java, Jars: jars, Archive: archive}, nil
		}
		javaErr = errors.New("mvn is not on the PATH")
	}
	if runtime.GOOS == "linux" && dockerAnswers(ctx) {
		return software{Java: "java", Jars: "/opt/cassandra/lib", Docker: true}, nil
	}
	return software{}, fmt.Errorf("%w (%w; no Docker engine answers)", errNoSoftware, javaErr)
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// findJava finds a Java that Cassandra 5.0 runs on: 17, or 11. The version is
// the whole output of java -version.
func findJava(ctx context.Context) (java, version string, err error) {
	java = "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	java, err = exec.LookPath(java)
	if err != nil {
		return "", "", errors.New("java is not on the PATH")
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("%s -version: %w", java, err)
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil || (string(m[1]) != "17" && string(m[1]) != "11") {
		first, _, _ := bytes.Cut(out, []byte("\n"))
		return "", "", fmt.Errorf("%s is %s: Cassandra %s runs on Java 17 or 11 (set JAVA_HOME)", java, first, Version)
	}
	return java, string(out), nil
}

func dockerAnswers(ctx context.Context) bool {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, docker, "version", "--format", "{{.Server.Version}}").Run() == nil
}

// jarsDir returns the directory of the jars of this version, which may not
// exist yet.
func jarsDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for Cassandra's jars: %w", err)
	}
	return filepath.Join(cache, "popcask", "cassandra-"+Version), nil
}

const pomFile = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.github.popcask</groupId>
  <artifactId>cassandratest</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.cassandra</groupId>
      <artifactId>cassandra-all</artifactId>
      <version>` + Version + `</version>
    </dependency>
  </dependencies>
</project>
`

// resolveJars downloads the jars, if they are not there: about 100 files, 66
// MB, some ten seconds on a good line. They are collected in a directory that
// is then renamed, so that half of them are never taken for all, and several
// processes may do this at the same time.
func resolveJars(ctx context.Context, s software, progress func(string)) error {
	if s.Docker {
		return nil
	}
	if _, err := os.Stat(s.Jars); err == nil {
		return nil
	}
	parent := filepath.Dir(s.Jars)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(parent, "resolving-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	pom, jars := filepath.Join(work, "pom.xml"), filepath.Join(work, "jars")
	if err := os.WriteFile(pom, []byte(pomFile), 0o644); err != nil {
		return err
	}
	if err := os.Mkdir(jars, 0o755); err != nil {
		return err
	}
	progress(fmt.Sprintf("resolving the jars of Cassandra %s with Maven, once (66 MB)", Version))
	started := time.Now()
	mvn := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+jars)
	mvn.WaitDelay = time.Second
	out, err := mvn.CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn could not resolve org.apache.cassandra:cassandra-all:%s: %w\n%s", Version, err, tail(string(out), 10))
	}
	if main := filepath.Join(jars, "cassandra-all-"+Version+".jar"); !exists(main) {
		return fmt.Errorf("mvn ended well, but left no %s", filepath.Base(main))
	}
	if err := os.Rename(jars, s.Jars); err != nil && !exists(s.Jars) {
		return err
	}
	progress(fmt.Sprintf("jars resolved in %s", time.Since(started).Round(100*time.Millisecond)))
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail returns the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
