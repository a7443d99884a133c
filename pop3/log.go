package pop3

import (
	"context"
	"log/slog"

	"github.com/popcask/popcask/internal/netserver"
)

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
