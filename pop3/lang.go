package pop3

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// Language is a language of the texts of -ERR, besides English (RFC 6856 section
// 3).
type Language struct {
	// Tag names the language (RFC 5646), as "de" or "pt-BR".
	Tag string

	// Name is the name of the language in itself, as "Deutsch".
	Name string

	// Translate returns a text in the language: one of the server's, or of an
	// [*Error]. It returns one that it does not know as it is. It must be safe
	// for concurrent use.
	Translate func(text string) string
}

var english = Language{Tag: "en", Name: "English", Translate: func(text string) string { return text }}

// lang answers LANG (RFC 6856 section 3): it lists the languages, or changes the
// language to one that fits a tag or, for *, to the server's own.
func (c *Conn) lang(_ context.Context, a arguments) error {
	if a.text == "" {
		c.out.strings("+OK languages follow\r\n")
		for _, l := range c.languages() {
			c.listLine(l.Tag + " " + l.Name)
		}
		c.out.strings(".\r\n")
		return nil
	}
	l, ok := c.matching(a.text)
	if !ok {
		return impossible("no such language: LANG lists them")
	}
	c.language = &l
	c.writeOK(l.Tag + " " + l.Translate("texts are in this language now"))
	return nil
}

// languages are all of them, the server's own first.
func (c *Conn) languages() []Language { return append([]Language{english}, c.server.Languages...) }

// matching returns the language that has the tag, or else the tag without its last
// parts (RFC 4647 section 3.4).
func (c *Conn) matching(tag string) (Language, bool) {
	if tag == "*" || strings.EqualFold(tag, "i-default") {
		return english, true
	}
	for tag != "" {
		for _, l := range c.languages() {
			if strings.EqualFold(l.Tag, tag) {
				return l, true
			}
		}
		tag = tag[:max(0, strings.LastIndexByte(tag, '-'))]
	}
	return Language{}, false
}

// translated returns a text in the language of the session.
func (c *Conn) translated(text string) string {
	if c.language == nil {
		return text
	}
	return c.language.Translate(text)
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`)

// checkLanguages returns an error if a language of the host cannot be one.
func checkLanguages(all []Language) error {
	seen := map[string]bool{"en": true, "i-default": true}
	for _, l := range all {
		tag := strings.ToLower(l.Tag)
		switch {
		case !languageTag.MatchString(l.Tag):
			return fmt.Errorf("pop3: Server.Languages: %q is no language tag", l.Tag)
		case seen[tag]:
			return fmt.Errorf("pop3: Server.Languages: %s stands in it already", l.Tag)
		case l.Name == "" || l.Translate == nil:
			return fmt.Errorf("pop3: Server.Languages: %s needs Name and Translate", l.Tag)
		}
		seen[tag] = true
	}
	return nil
}
