package lmtp

import (
	"context"
	"log/slog"

	"github.com/popcask/popcask/internal/netserver"
)

// logSession writes the line that each session leaves in the log. A session in
// which the client said nothing, such as a port scan or a load balancer's probe,
// leaves one at level debug, and so does one that was displaced, perhaps as one
// of thousands.
func (c *Conn) logSession(ctx context.Context) {
	level := slog.LevelInfo
	if c.info.In == 0 || c.info.Reason == ReasonDisplaced {
		level = slog.LevelDebug
	}
	if !c.server.log.Enabled(ctx, level) {
		return
	}
	attributes := append(c.attributes(),
		slog.String("hello", c.Hello()),
		slog.Bool("tls", c.isTLS()),
		slog.String("reason", string(c.info.Reason)),
		slog.Int("messages", c.info.Messages),
		slog.Int("recipients", c.info.Recipients),
		slog.Int("refused", c.info.Refused),
		slog.Int64("in", c.info.In),
		slog.Int64("out", c.info.Out),
		slog.Duration("duration", c.info.Duration),
	)
	if c.info.Err != nil {
		attributes = append(attributes, slog.Any("error", c.info.Err))
	}
	c.server.log.LogAttrs(ctx, level, "lmtp: session", attributes...)
}

func (c *Conn) attributes() []slog.Attr {
	return []slog.Attr{
		slog.String("conn", c.ID()),
		slog.String("protocol", c.server.Protocol.String()),
		slog.String("remote", netserver.Text(c.RemoteAddr())),
	}
}

// logRefused logs a recipient that was refused at RCPT: not each of them, since
// somebody may try a million.
func (c *Conn) logRefused(ctx context.Context, to address, err error) {
	omitted, now := c.server.refusedRecipients.Add()
	if !now {
		return
	}
	level := slog.LevelInfo
	if reply(err).Temporary() {
		level = slog.LevelWarn
	}
	c.server.log.LogAttrs(ctx, level, "lmtp: recipient refused", append(c.attributes(),
		slog.String("from", c.mail.from.String()),
		slog.String("to", to.String()),
		slog.Any("error", err),
		slog.Uint64("more", omitted),
	)...)
}

// logDelivery logs what became of a message for one recipient.
func (c *Conn) logDelivery(ctx context.Context, m *message, result delivered) {
	level := slog.LevelInfo
	if result.Err != nil {
		level = slog.LevelWarn
	}
	if !c.server.log.Enabled(ctx, level) {
		return
	}
	attributes := append(c.attributes(),
		slog.String("id", m.id),
		slog.String("from", c.mail.from.String()),
		slog.String("to", result.address.String()),
		slog.String("user", result.user),
	)
	if result.Err != nil {
		c.server.log.LogAttrs(ctx, level, "lmtp: not delivered", append(attributes, slog.Any("error", result.Err))...)
		return
	}
	c.server.log.LogAttrs(ctx, level, "lmtp: delivered", append(attributes,
		slog.String("message", result.Message.ID), slog.Int64("size", result.Size))...)
}
