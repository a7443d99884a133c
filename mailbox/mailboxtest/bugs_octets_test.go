package mailboxtest

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// rewrite changes the octets of every message.
func rewrite(p *planted, change func(octets []byte) []byte) {
	p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
		octets, err := read(ctx, box.Mailbox, id, options)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(change(octets))), nil
	}
}

// sureBody says that it is canonical.
type sureBody struct{ *bytes.Reader }

func (sureBody) Close() error      { return nil }
func (sureBody) IsCanonical() bool { return true }

func octetsBugs() []bug {
	return []bug{
		{"Octets", "NULs end the message", ruleOctets, func(p *planted) {
			rewrite(p, func(octets []byte) []byte { head, _, _ := bytes.Cut(octets, []byte{0}); return head })
		}},
		{"Octets", "bare CRs become line ends", ruleOctets, func(p *planted) {
			rewrite(p, func(octets []byte) []byte {
				return bytes.ReplaceAll(bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
			})
		}},
		{"Octets", "a body that is not canonical says that it is", ruleSure, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				octets, err := read(ctx, box.Mailbox, id, options)
				return sureBody{bytes.NewReader(bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")))}, err
			}
		}},
		{"Octets", "the store stuffs dots", ruleOctets, func(p *planted) {
			rewrite(p, func(octets []byte) []byte { return bytes.ReplaceAll(octets, []byte("\n."), []byte("\n..")) })
		}},
		{"Octets", "the size is that before the line ends", ruleSize, func(p *planted) {
			p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
				for i := range all {
					all[i].Size -= int64(bytes.Count(box.octets(all[i].ID), []byte("\r\n")))
				}
				return all
			}
		}},
		{"OctetsAtChunkBorders", "an octet is lost at 64 KiB", ruleOctets, func(p *planted) {
			rewrite(p, func(octets []byte) []byte {
				if len(octets) > 64<<10 {
					return slices.Delete(octets, 64<<10, 64<<10+1)
				}
				return octets
			})
		}},
		{"OctetsAtChunkBorders", "line ends are made canonical chunk by chunk", ruleOctets, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				octets, _ := io.ReadAll(body)
				var whole []byte
				for chunk := range slices.Chunk(octets, 64<<10) {
					// The CR at the end of a chunk is taken for a bare one.
					form, _ := io.ReadAll(mailbox.NewCanonicalReader(bytes.NewReader(append(chunk, "|\n"...))))
					whole = append(whole, bytes.TrimSuffix(form, []byte("|\r\n"))...)
				}
				return p.Store.Append(ctx, delivery, bytes.NewReader(bytes.ReplaceAll(whole, []byte("\r\r\n"), []byte("\r\n\r\n"))))
			}
		}},
		{"ReaderKeepsTheRulesOfReaders", "WriteTo says less than it wrote", ruleReader, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(ctx, id, options)
				return shyWriter{body}, err
			}
		}},
		{"ReaderKeepsTheRulesOfReaders", "a message can be read once", ruleOctets, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				if slices.Contains(box.ids, id) {
					return nil, mailbox.ErrNotFound
				}
				box.ids = append(box.ids, id)
				return box.Mailbox.Open(ctx, id, options)
			}
		}},
		{"OpenUnknown", "an unknown message is empty", ruleNotFound, func(p *planted) {
			p.onRead = func(_ context.Context, box *plantedBox, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(box.octets(id))), nil
			}
		}},
		{"OpenUnknown", "an unknown message is a temporary failure", ruleNotFound, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(ctx, id, options)
				if err != nil {
					return nil, mailbox.ErrTemporary
				}
				return body, nil
			}
		}},
		{"OpenIsForTheOwnMailbox", "content is looked up by message ID alone", ruleOwn, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				if body, err := box.Mailbox.Open(ctx, id, options); err == nil {
					return body, nil
				}
				alice, err := p.Store.Open(ctx, mailbox.Login{User: strings.Replace(box.user, "eve", "alice", 1)})
				if err != nil {
					return nil, err
				}
				return alice.Open(ctx, id, options)
			}
		}},
		{"Top", "one line less", ruleTop, func(p *planted) {
			p.onRead = func(_ context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body := io.Reader(bytes.NewReader(box.octets(id)))
				if options.For == mailbox.Top {
					body = mailbox.NewTopReader(body, options.Lines-1)
				}
				return io.NopCloser(body), nil
			}
		}},
		{"Top", "a long header is cut", ruleTop, func(p *planted) {
			p.onRead = func(_ context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body := io.Reader(bytes.NewReader(box.octets(id)))
				if options.For == mailbox.Top && options.Lines == 0 {
					body = io.LimitReader(body, 64<<10)
				}
				return io.NopCloser(body), nil
			}
		}},
		{"NextIsAdvice", "reading ahead goes on after Open", ruleNext, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(ctx, id, options)
				return lateReader{body, options.Next}, err
			}
		}},
		{"NextIsAdvice", "what comes next must exist", ruleNext, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				if options.Next != nil {
					for next := range options.Next {
						if _, err := box.Mailbox.Open(ctx, next, mailbox.OpenOptions{}); err != nil {
							return nil, err
						}
					}
				}
				return box.Mailbox.Open(ctx, id, options)
			}
		}},
	}
}

type shyWriter struct{ io.ReadCloser }

func (w shyWriter) WriteTo(to io.Writer) (int64, error) {
	n, err := io.Copy(to, w.ReadCloser)
	return n - 1, err
}

type lateReader struct {
	io.ReadCloser
	next iter.Seq[string]
}

func (r lateReader) Read(p []byte) (int, error) {
	for range r.next {
		break
	}
	return r.ReadCloser.Read(p)
}
