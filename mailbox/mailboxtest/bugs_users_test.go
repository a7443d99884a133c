package mailboxtest

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

func userBugs() []bug {
	canonical := func(change func(string) string) func(p *planted) {
		return func(p *planted) {
			p.Store.Canonical = func(user string) (string, error) {
				user, err := mailbox.CanonicalUser(user)
				return change(user), err
			}
		}
	}
	return []bug{
		{"CanonicalUsers", "names are taken as they come", ruleCanonical, func(p *planted) {
			p.Store.Canonical = func(user string) (string, error) { return user, nil }
		}},
		{"CanonicalUsers", "lower case but no normal form", ruleCanonical, func(p *planted) {
			p.Store.Canonical = func(user string) (string, error) { return strings.ToLower(user), nil }
		}},
		{"CanonicalUsers", "only Append makes them canonical", ruleCanonical, func(p *planted) {
			p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
				if user, err := mailbox.CanonicalUser(login.User); err == nil && user != login.User {
					login.User = "as it came: " + login.User
				}
				return p.Store.Open(ctx, login)
			}
		}},
		{"ImpossibleNames", "every name is a user", ruleImpossible, func(p *planted) {
			p.Store.Canonical = func(user string) (string, error) { return user, nil }
		}},
		{"HostileNames", "paths are cleaned", ruleOwn, canonical(path.Clean)},
		{"HostileNames", "slashes are replaced", ruleOwn, canonical(func(s string) string { return strings.ReplaceAll(s, "/", "_") })},
		{"HostileNames", "slashes are encoded, per cents are not", ruleOwn, canonical(func(s string) string { return strings.ReplaceAll(s, "/", "%2f") })},
		{"HostileNames", "names are cut at 255 octets", ruleOwn, canonical(func(s string) string { return s[:min(len(s), 255)] })},
		{"HostileNames", "names are trimmed", ruleOwn, canonical(strings.TrimSpace)},
		{"HostileNames", "strange names have no mailbox, yet take mail", ruleCanonical, func(p *planted) {
			p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
				if strings.Contains(login.User, "/") {
					return nil, mailbox.ErrNoSuchUser
				}
				return p.Store.Open(ctx, login)
			}
		}},
		{"HostileNames", "strange names are a failure of the disk", ruleImpossible, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				if len(delivery.Recipients[0].User) > 255 {
					return nil, errors.New("file name too long")
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
	}
}
