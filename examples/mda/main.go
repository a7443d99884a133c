package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/pop3"
)

// grace is the time that clients have to finish after the program is told to
// stop.
const grace = 10 * time.Second

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if command, ok := commandNamed(args[0]); ok {
			return command.main(ctx, args[1:], stdout, stderr)
		}
	}
	options, err := parseOptions(args)
	if err == nil && options.version {
		fmt.Fprintln(stdout, version())
		return 0
	}
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

// version is what -version prints.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "mda, version unknown"
	}
	return fmt.Sprintf("mda: %s %s, %s", info.Main.Path, cmp.Or(info.Main.Version, "(devel)"), info.GoVersion)
}

// serve wires the parts and runs them until ctx ends. It takes all addresses
// before it opens the store, so that a program that cannot start leaves nothing
// behind.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level}))
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	base, readUsers, err := o.openUsers(log)
	if err != nil {
		return err
	}
	certificate, err := o.openCertificate(log)
	if err != nil {
		return err
	}
	tlsConfig := tlsConfig(certificate)
	ports, err := listen(o.addresses())
	if err != nil {
		return err
	}
	defer ports.close()
	if o.isDemo() && !ports.onLoopback() {
		log.Warn("other machines can reach POP3, and the password of the user demo is public: see -users")
	}

	health := newHealth()
	defer health.close()
	ports.serve("health", health.Serve)
	store, isNew, err := openStore(ctx, o, log)
	if err == nil && isNew && o.isDemo() {
		err = deliverWelcome(ctx, store, ports)
	}
	if err != nil {
		return err
	}
	if o.usersTable {
		if base, err = openUsersTable(ctx, store.(*cassandra.Store)); err != nil {
			return errors.Join(fmt.Errorf("-users-table: %w", err), store.Close(ctx))
		}
	}

	pop3Server := &pop3.Server{
		Handler:           pop3.Login(base, store),
		TLSConfig:         tlsConfig,
		AllowInsecureAuth: o.allowInsecureAuth(ports),
		Implementation:    "Popcask",
		Logger:            log,
		Brake:             o.brake(),
	}
	lmtpServer := o.mailServer(lmtp.LMTP, base, store, tlsConfig, log)
	smtpServer := o.mailServer(lmtp.SMTP, base, store, tlsConfig, log)
	ports.serve("pop3", pop3Server.Serve)
	ports.serve("pop3s", pop3Server.ServeTLS)
	ports.serve("lmtp", lmtpServer.Serve)
	ports.serve("smtp", smtpServer.Serve)
	health.opened(store)
	fmt.Fprintln(stdout, "ready", ports)

	if err = wait(ctx, ports.failed, hangUp, func() {
		readUsers()
		if certificate != nil {
			certificate.Again()
		}
	}); err == nil {
		log.Info("stopping")
	}
	health.stopping()
	return errors.Join(err, shutDown(log, store, pop3Server.Shutdown, lmtpServer.Shutdown, smtpServer.Shutdown))
}

// mailServer is a server that takes mail by LMTP or SMTP.
func (o options) mailServer(protocol lmtp.Protocol, users mailbox.Directory, store mailbox.Appender,
	tlsConfig *tls.Config, log *slog.Logger,
) *lmtp.Server {
	return &lmtp.Server{
		Protocol: protocol, Directory: users, Appender: store,
		TLSConfig: tlsConfig, MaxMessageSize: cmp.Or(o.maxSize, -1), NoTrace: !o.trace, Logger: log,
	}
}

// wait returns the error of a server that failed, or nil when ctx ends. Until
// then it calls reread at each SIGHUP.
func wait(ctx context.Context, failed <-chan error, hangUp <-chan os.Signal, reread func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-hangUp:
			reread()
		}
	}
}

// shutDown stops the servers at the same time, and then closes the store that
// they use. Each of the two steps may take the time of grace. It is not a
// failure if clients that have not finished by then are cut off.
func shutDown(log *slog.Logger, store store, servers ...func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var stopping sync.WaitGroup
	for _, stop := range servers {
		stopping.Go(func() {
			if err := stop(ctx); err != nil {
				log.Warn("clients were cut off", "error", err)
			}
		})
	}
	stopping.Wait()
	ctx, cancel = context.WithTimeout(context.Background(), grace)
	defer cancel()
	return store.Close(ctx)
}

// allowInsecureAuth is the value of -insecure-auth. Without the flag it reports
// whether POP3 can be reached from this machine only.
func (o options) allowInsecureAuth(ports *ports) bool {
	if o.insecureAuth != nil {
		return *o.insecureAuth
	}
	return ports.onLoopback()
}
