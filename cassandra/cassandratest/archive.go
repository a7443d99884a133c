package cassandratest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// prepare makes the jars and an archive of loaded classes, if they are not
// there: once for a user. Keepers that start at the same time wait for the
// first.
func prepare(ctx context.Context, s software, progress func(string)) error {
	// A Java that cannot record, such as a cut-down one, is asked only once.
	failed := s.Archive + ".failed"
	if s.Docker || exists(s.Jars) && (exists(s.Archive) || exists(failed)) {
		return nil
	}
	base, err := runtimeDir()
	if err != nil {
		return err
	}
	var lock *os.File
	err = poll(ctx, nil, func(context.Context) (err error) {
		lock, err = tryLock(filepath.Join(base, "prepare.lock"))
		return err
	})
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := resolveJars(ctx, s, progress); err != nil {
		return err
	}
	if exists(s.Archive) || exists(failed) {
		return nil
	}
	began := time.Now()
	progress("recording the classes of a node, once, so that nodes start faster")
	if err := recordClasses(ctx, s, base); err != nil {
		if ctx.Err() != nil {
			return err
		}
		progress(fmt.Sprintf("nodes start slower than they could (remove %s to try again): %v", failed, err))
		return os.WriteFile(failed, []byte(err.Error()+"\n"), 0o644)
	}
	progress(fmt.Sprintf("classes recorded in %s", time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// recordClasses starts a node so that the JVM writes the classes that it has
// loaded and verified into an archive: class data sharing. With the archive a
// node needs a third less processor time until it answers.
func recordClasses(ctx context.Context, s software, base string) error {
	dir, err := os.MkdirTemp(base, "record-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive, made := s.Archive, filepath.Join(s.Jars, filepath.Base(dir)+".jsa")
	defer os.Remove(made)
	s.Archive = ""
	topology, err := Topology{JVM: []string{"-XX:ArchiveClassesAtExit=" + made}}.withDefaults()
	if err != nil {
		return err
	}
	f, err := newFleet(spec{Key: filepath.Base(dir), Dir: dir, Topology: topology, Software: s})
	if err != nil {
		return err
	}
	defer f.stopAll()
	if err := f.bootAll(ctx, func(string) {}); err != nil {
		return err
	}
	if err := f.nodes[0].shutdown(time.Minute); err != nil {
		return err
	}
	return os.Rename(made, archive)
}
