package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/popcask/popcask/pop3"
)

// grace is what clients have to finish when the program is told to stop.
const grace = 10 * time.Second

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if command, ok := commandNamed(args[0]); ok {
			return command.main(ctx, args[1:], stdout, stderr)
		}
	}
	options, err := parseOptions(args)
	if err == nil {
		err = serve(ctx, options, stdout, stderr)
	}
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usageText)
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "mda: %v (mda -h explains)\n", err)
		return 2
	}
	fmt.Fprintf(stderr, "mda: %v\n", err)
	return 1
}

// serve wires the parts and runs them until ctx ends.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level}))

	users, err := loadUsers(o.users)
	if err != nil {
		return err
	}
	tlsConfig, err := o.tlsConfig()
	if err != nil {
		return err
	}
	var ports ports
	defer ports.close()
	for name, address := range o.addresses() {
		if err := ports.listen(name, address); err != nil {
			return err
		}
	}

	if o.users == "" && !ports.onLoopback() {
		log.Warn("others can reach POP3, and everybody knows the password of the user demo: see -users")
	}

	failed := make(chan error, 5)
	health := newHealth()
	defer health.close()
	ports.serve("health", health.Serve, failed)

	store, isNew, err := openStore(ctx, o, log)
	if err != nil {
		return err
	}
	if isNew && o.users == "" {
		if err := deliverWelcome(ctx, store, &ports); err != nil {
			return err
		}
	}

	pop3Server := &pop3.Server{
		Handler:           pop3.Login(users.authenticator(), store),
		TLSConfig:         tlsConfig,
		AllowInsecureAuth: o.allowInsecureAuth(&ports),
		Implementation:    "Popcask",
		Logger:            log,
	}
	agent := &agent{
		directory: users,
		store:     store,
		trace:     newTrace(o.trace),
		maxSize:   o.maxSize,
		patience:  fiveMinutes,
		tlsConfig: tlsConfig,
		log:       log,
	}
	lmtp, smtp := agent.newServer("LMTP"), agent.newServer("SMTP")

	ports.serve("pop3", pop3Server.Serve, failed)
	ports.serve("pop3s", pop3Server.ServeTLS, failed)
	ports.serve("lmtp", lmtp.Serve, failed)
	ports.serve("smtp", smtp.Serve, failed)
	health.opened(store)
	fmt.Fprintln(stdout, "ready", &ports)

	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-failed:
	}
	health.stopping()
	return errors.Join(err, shutDown(log, pop3Server.Shutdown, lmtp.Shutdown, smtp.Shutdown, store.Close))
}

// shutDown stops the servers at the same time, and then what they use, all
// within the time of grace. Clients that do not finish in it are cut off, which
// is nothing to fail for.
func shutDown(log *slog.Logger, pop3, lmtp, smtp, store func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	servers := []func(context.Context) error{pop3, lmtp, smtp}
	stopped := make(chan error)
	for _, stop := range servers {
		go func() { stopped <- stop(ctx) }()
	}
	for range servers {
		if err := <-stopped; err != nil {
			log.Warn("clients were cut off", "error", err)
		}
	}
	ctx, cancel = context.WithTimeout(context.Background(), grace)
	defer cancel()
	return store(ctx)
}

// allowInsecureAuth is what -insecure-auth says, else whether nobody but this
// machine can reach POP3.
func (o options) allowInsecureAuth(ports *ports) bool {
	if o.insecureAuth != nil {
		return *o.insecureAuth
	}
	return ports.onLoopback()
}
