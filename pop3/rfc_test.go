package pop3_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rfcs are the RFCs that RFC.md has a table for, in this order.
const rfcs = "1939 2449 2595 3206 4616 5034 5802 6856 7628 7677 8314 9266"

// otherTests are the packages whose tests are named with their name before them.
var otherTests = map[string]string{
	"mailbox": "../mailbox",
	"secret":  "../mailbox/secret",
	"lmtp":    "../mailbox/lmtp",
	"auth":    "auth",
	"mda":     "../examples/mda",
	"clients": "../examples/mda/clients",
}

// allTests are the tests and the dialogues that documents may name.
func allTests(t *testing.T) map[string]bool {
	there := testNames(t, ".")
	for name, folder := range otherTests {
		for test := range testNames(t, folder) {
			there[name+"."+test] = true
		}
	}
	return there
}

// Each attack of SECURITY.md has tests, and they are there.
func TestEveryAttackHasItsTests(t *testing.T) {
	there := allTests(t)
	text, err := os.ReadFile("../SECURITY.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(text), "| attack | tests |\n|---|---|\n")
	rows, _, _ := strings.Cut(table, "\n\n")
	require.NotEmpty(t, rows)
	for row := range strings.SplitSeq(rows, "\n") {
		tests := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1)
		require.NotEmpty(t, tests, row)
		for _, name := range tests {
			require.True(t, there[name[1]], "there is no %s", name[1])
		}
	}
}

// RFC.md has a table for each RFC. All rows have tests, all tests are there, and
// each dialogue stands in the table of its RFC.
func TestEveryRFCHasItsTests(t *testing.T) {
	there := allTests(t)
	text, err := os.ReadFile("RFC.md")
	require.NoError(t, err)
	sections := regexp.MustCompile(`(?m)^## RFC (\d+): `).Split(string(text), -1)
	numbers := regexp.MustCompile(`(?m)^## RFC (\d+): `).FindAllStringSubmatch(string(text), -1)
	require.Len(t, numbers, len(strings.Fields(rfcs)))

	named := map[string]bool{}
	for i, number := range strings.Fields(rfcs) {
		require.Equal(t, number, numbers[i][1])
		rows := strings.Split(strings.TrimSpace(sections[1+i]), "\n")[2:]
		require.Equal(t, []string{"| section | demand | here | tests |", "|---|---|---|---|"}, rows[:2], "RFC %s", number)
		for _, row := range rows[2:] {
			cells := strings.Split(strings.Trim(row, "|"), " | ")
			require.Len(t, cells, 4, row)
			tests := regexp.MustCompile("`[^`]+`").FindAllString(cells[3], -1)
			require.NotEmpty(t, tests, row)
			require.Equal(t, strings.TrimSpace(cells[3]), strings.Join(tests, " "), "names and nothing else: %s", row)
			for _, name := range tests {
				name = strings.Trim(name, "`")
				require.True(t, there[name], "RFC %s: there is no %s", number, name)
				require.Regexp(t, `^(rfc|([a-z]+\.)?Test)`, name)
				named[number+" "+name] = true
			}
		}
	}
	for name := range testNames(t, ".") {
		if number, is := strings.CutPrefix(name, "rfc"); is {
			number, _, _ = strings.Cut(number, "-")
			require.True(t, named[number+" "+name], "%s is not in the table of RFC %s", name, number)
		}
	}
}

// A dialogue cites the section that its file is named after.
func TestDialoguesCiteTheirSection(t *testing.T) {
	form := regexp.MustCompile(`^rfc(\d+)-([0-9.]+)`)
	for _, d := range readDialogues(t) {
		parts := form.FindStringSubmatch(d.name)
		require.Len(t, parts, 3, d.name)
		text, err := os.ReadFile("testdata/dialogues/" + d.name + ".txt")
		require.NoError(t, err)
		head, _, _ := strings.Cut(strings.ReplaceAll(string(text), "\n# ", " "), "\n")
		require.Regexp(t, `RFC `+parts[1]+`[^.]* section `+regexp.QuoteMeta(parts[2])+`\b`, head, d.name)
	}
}
