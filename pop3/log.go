package pop3

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// The lines of the log, with names and attributes that stay:
//
//	debug  pop3: connect       conn remote
//	debug  pop3: tls           conn remote version cipher resumed
//	debug  pop3: login         conn login messages
//	info   pop3: login failed  conn login wrong error
//	debug  pop3: command       conn user verb ok code duration in out
//	info   pop3: session       conn remote user mechanism tls reason messages top retr deleted in out duration error
//
// conn is Conn.ID, and login a group of user, mechanism, remote and tls. wrong
// says that the credentials are, and not that the host has failed. A verb that is
// no command is empty; arguments are in no line.

func (c *Conn) logConnect(ctx context.Context) {
	if c.server.log.Enabled(ctx, slog.LevelDebug) {
		c.server.log.LogAttrs(ctx, slog.LevelDebug, "pop3: connect",
			slog.String("conn", c.ID()), slog.String("remote", netserver.Text(c.RemoteAddr())))
	}
}

func (c *Conn) logTLS(ctx context.Context, state tls.ConnectionState) {
	if c.server.log.Enabled(ctx, slog.LevelDebug) {
		c.server.log.LogAttrs(ctx, slog.LevelDebug, "pop3: tls",
			slog.String("conn", c.ID()), slog.String("remote", netserver.Text(c.RemoteAddr())),
			slog.String("version", tls.VersionName(state.Version)), slog.String("cipher", tls.CipherSuiteName(state.CipherSuite)),
			slog.Bool("resumed", state.DidResume))
	}
}

func (c *Conn) logLogin(ctx context.Context, login mailbox.Login) {
	if c.server.log.Enabled(ctx, slog.LevelDebug) {
		c.server.log.LogAttrs(ctx, slog.LevelDebug, "pop3: login",
			slog.String("conn", c.ID()), slog.Any("login", login), slog.Int("messages", c.info.Messages))
	}
}

func (c *Conn) logCommand(ctx context.Context, info CommandInfo) {
	c.server.log.LogAttrs(ctx, slog.LevelDebug, "pop3: command",
		slog.String("conn", c.ID()), slog.String("user", c.User()), slog.String("verb", info.Verb), slog.Bool("ok", info.OK),
		slog.String("code", string(info.Code)), slog.Duration("duration", info.Duration), slog.Int64("in", info.In), slog.Int64("out", info.Out))
}

// logSession writes the line that each session leaves in the log. A session in
// which the client said nothing, such as a port scan or a load balancer's
// probe, leaves one at level debug, and so does one that was displaced, perhaps
// as one of thousands.
func (c *Conn) logSession(ctx context.Context) {
	level := slog.LevelInfo
	if c.info.In == 0 || c.info.Reason == ReasonDisplaced {
		level = slog.LevelDebug
	}
	if !c.server.log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("conn", c.ID()),
		slog.String("remote", netserver.Text(c.RemoteAddr())),
		slog.String("user", c.info.User),
		slog.String("mechanism", c.info.Mechanism),
		slog.Bool("tls", c.isTLS()),
		slog.String("reason", string(c.info.Reason)),
		slog.Int("messages", c.info.Messages),
		slog.Int("top", c.info.Tops),
		slog.Int("retr", c.info.Retrs),
		slog.Int("deleted", c.info.Deleted),
		slog.Int64("in", c.info.In),
		slog.Int64("out", c.info.Out),
		slog.Duration("duration", c.info.Duration),
	}
	if c.info.Err != nil {
		attributes = append(attributes, slog.Any("error", c.info.Err))
	}
	c.server.log.LogAttrs(ctx, level, "pop3: session", attributes...)
}
