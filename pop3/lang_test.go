package pop3_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
)

// RFC 6856 section 3: the texts of -ERR are in the language that the client has
// chosen; codes are not.
func TestLANG(t *testing.T) {
	german := map[string]string{
		"authentication failed": "Anmeldung gescheitert", "no such message": "keine solche Nachricht",
		"texts are in this language now": "Texte sind jetzt in dieser Sprache", "line too long": "Zeile zu lang",
	}
	server := insecure(pop3.Login(pop3.Users{"mrose": "secret"}, newFakeStore()))
	server.Languages = []pop3.Language{
		{Tag: "de", Name: "Deutsch", Translate: func(text string) string {
			if translated, ok := german[text]; ok {
				return translated
			}
			return text
		}},
		{Tag: "pt-BR", Name: "portugu\u00eas\r\n.", Translate: func(string) string { return "n\u00e3o\r\n+OK" }},
	}
	server.MaxLine = 255
	client := pipe(t, server)
	client.Command("LANG")
	require.Equal(t, "en English\r\nde Deutsch\r\npt-BR portugu\u00eas.\r\n", string(client.Body()))
	require.Equal(t, "+OK de Texte sind jetzt in dieser Sprache", client.Command("LANG de-AT-1996"))
	client.Command("USER mrose")
	require.Equal(t, "-ERR [AUTH] Anmeldung gescheitert", client.Command("PASS wrong"))
	require.Equal(t, "-ERR no such language: LANG lists them", client.Command("LANG pt"))
	require.Equal(t, "+OK pt-BR n\u00e3o+OK", client.Command("LANG PT-br"))
	require.Equal(t, "-ERR n\u00e3o+OK", client.Command("NOSUCH"))
	require.Equal(t, "+OK en texts are in this language now", client.Command("LANG *"))
	require.Equal(t, "-ERR unknown command", client.Command("NOSUCH"))
	client.Command("LANG de")
	require.Equal(t, "-ERR Zeile zu lang", client.Command(strings.Repeat("x", 300)), "the last one too")
}

func TestLanguagesThatCannotBe(t *testing.T) {
	same := func(text string) string { return text }
	for _, languages := range [][]pop3.Language{
		{{Tag: "", Name: "x", Translate: same}}, {{Tag: "d e", Name: "x", Translate: same}}, {{Tag: "en", Name: "x", Translate: same}},
		{{Tag: "i-default", Name: "x", Translate: same}}, {{Tag: "de", Translate: same}}, {{Tag: "de", Name: "x"}},
		{{Tag: "de", Name: "x", Translate: same}, {Tag: "DE", Name: "y", Translate: same}},
	} {
		server := newFakeStore().server()
		server.Languages = languages
		require.ErrorContains(t, server.ServeConn(t.Context(), newScript(nil, 0)), "Server.Languages")
	}
}

// RFC 6856 section 2.1: hidden, and taken all the same.
func TestHideUTF8(t *testing.T) {
	server := newFakeStore().server()
	require.Equal(t, "USER", capability(t, pipe(t, server).Client, "UTF8"))
	server = newFakeStore().server()
	server.HideUTF8 = true
	client := pipe(t, server)
	require.Equal(t, "(no UTF8)", capability(t, client.Client, "UTF8"))
	require.Equal(t, "+OK UTF-8 it is", client.Command("UTF8"))
}
