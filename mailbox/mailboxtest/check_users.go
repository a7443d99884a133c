package mailboxtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

func canonicalUsers(s *suite) {
	for i, pair := range [][2]string{
		{"Bob@Example.org", "bob@example.org"},
		{"alice@example.org", "ALICE@EXAMPLE.ORG"},
		{"jose\u0301@example.org", "jos\u00e9@example.org"}, // NFD and NFC
		{"r\u00e9mi@example.org", "re\u0301mi@example.org"},
		{"\u00c4NNE@example.org", "a\u0308nne@example.org"}, // both at once
		{"\u212bke@example.org", "\u00e5ke@example.org"},    // ANGSTROM SIGN
	} {
		written := strings.Replace(pair[0], "@", fmt.Sprintf("%d@%s.", i, s.domain), 1)
		opened := strings.Replace(pair[1], "@", fmt.Sprintf("%d@%s.", i, strings.ToUpper(s.domain)), 1)
		body := mail(fmt.Sprintf("to user %d", i))
		err := s.tryName(written, body)
		if i >= 2 && errors.Is(err, errors.ErrUnsupported) { // the first two are ASCII
			continue
		}
		s.taken(ruleWhole, fmt.Sprintf("a delivery to %+q", written), err)
		s.expect(ruleCanonical, opened, fmt.Sprintf("for %+q, when mail was delivered to %+q,", opened, written), body)
		s.expect(ruleCanonical, written, fmt.Sprintf("for %+q itself", written), body)
	}
}

// tryName delivers to a name that a store may be unable to have.
func (s *suite) tryName(name, body string) error {
	s.Helper()
	err := s.tryDeliver(s.Context(), name, strings.NewReader(body))
	if errors.Is(err, errors.ErrUnsupported) {
		s.unsupported(fmt.Sprintf("a delivery to the name %.30q", name), err)
	}
	return err
}

// impossibleNames checks names that no user can have, those for which
// [mailbox.CanonicalUser] returns an error.
func impossibleNames(s *suite) {
	for _, name := range []string{
		"", "\x00", "bob\x00", "bob\n", "bob\r\nalice", "\x7f", "\u0085", "bob\xff", "\xc3\x28",
		strings.Repeat("x", mailbox.MaxUserLength+1), strings.Repeat("x", 1<<20),
	} {
		box, err := s.Store.Open(s.Context(), s.login(name))
		if err == nil {
			_ = box.Close()
		}
		if !errors.Is(err, mailbox.ErrNoSuchUser) {
			s.breaks(ruleImpossible, "Store.Open for the name %.30q returned %v", name, err)
		}
		err = s.tryName(name, mail("hello"))
		if !errors.Is(err, mailbox.ErrNoSuchUser) && !errors.Is(err, errors.ErrUnsupported) {
			s.breaks(ruleImpossible, "a delivery to the name %.30q returned %v", name, err)
		}
	}
}

// hostileNames checks names that mean something to file systems, databases and
// URLs. The store may refuse each as ErrNoSuchUser or give it a mailbox of its
// own. None may reach the mailbox of another.
func hostileNames(s *suite) {
	names := hostile(s.domain)
	bodies := make(map[string]string)
	tag := "for " + s.domain // names without the domain of this check may have mail of other checks
	for i, name := range names {
		body := mail(fmt.Sprintf("number %d", i), tag, "\r\n")
		err := s.tryName(name, body)
		switch {
		case err == nil:
			bodies[name] = body
		case i < 2: // the victims, who have ordinary names
			s.taken(ruleWhole, fmt.Sprintf("a delivery to %q", name), err)
		case !errors.Is(err, mailbox.ErrNoSuchUser) && !errors.Is(err, errors.ErrUnsupported):
			s.breaks(ruleImpossible, "a delivery to the name %.40q failed with something else than ErrNoSuchUser: %v", name, err)
		}
	}
	for _, name := range names {
		box, err := s.Store.Open(s.Context(), s.login(name))
		if err != nil {
			if !errors.Is(err, mailbox.ErrNoSuchUser) {
				s.breaks(ruleImpossible, "Store.Open for the name %.40q failed with something else than ErrNoSuchUser: %v", name, err)
			}
			if bodies[name] != "" {
				s.breaks(ruleCanonical, "mail is delivered to the name %.40q, and Store.Open refuses it: %v", name, err)
			}
			continue
		}
		opened := &session{Mailbox: box, suite: s, user: name}
		found := 0
		for _, m := range opened.list() {
			octets := opened.read(m.ID)
			if !strings.Contains(octets, tag) {
				continue
			}
			if found++; octets != bodies[name] || found > 1 {
				s.breaks(ruleOwn, "the mailbox of the name %.40q has mail of another name", name)
			}
		}
		if bodies[name] != "" && found == 0 {
			s.breaks(ruleWhole, "mail that was delivered to the name %.40q is not listed", name)
		}
		opened.close()
	}
}

// hostile returns names whose canonical forms differ from each other.
func hostile(domain string) []string {
	a, b := "a@"+domain, "b@"+domain
	return []string{
		a, b, // the victims
		"../" + a, "../../" + a, "./" + a, "/" + a, "//" + a, a + "/", a + "/.", a + "/..", a + "/cur", a + "/new/..",
		b + "/../" + a, b + "/" + a, a + "/" + b, a + "\\" + b, "..\\" + a, "c:\\" + a, a + ":2,s",
		a + "%2f" + b, "..%2f" + a, "%2e%2e%2f" + a, a + "%00", a + "%252f" + b, a + "=2f" + b, a + "+2f" + b, a + "_" + b, a + "-" + b, a + "." + b, a + b,
		" " + a, a + " ", "." + a, a + ".", "~" + a, "-" + a, "*" + a, a + "*", a + "?", "$" + a, "${" + a + "}",
		a + "'", a + "';--", "\"" + a + "\"", "`" + a + "`", "(" + a + ")", "{" + a + "}", a + "," + b, a + ";" + b, a + "\u2044" + b,
		strings.Replace(a, "a@", "\u0430@", 1), // CYRILLIC SMALL LETTER A
		"\u200b" + a, a + "\u200b", "\ufeff" + a,
		".", "..", "...", "/", "//", "\\", "~", "*", "-", "con", "nul", "cur", "new", "tmp", ".git", "/etc/passwd", "../../../../etc/passwd", "%2e", "%2e%2e", "%", "%%",
		longName(domain, "1"), longName(domain, "2"), // a name that is cut short is another name
		longName(domain, "1")[1:], longName(domain, "2")[1:],
	}
}

// longName returns a name of the greatest length that a canonical name may
// have, which differs from others only in its last letter.
func longName(domain, last string) string {
	return domain + strings.Repeat("x", mailbox.MaxUserLength-len(domain)-len(last)) + last
}
