package pop3_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// features are what the server promises its clients and its hosts, each with the
// tests that hold it. A name is that of a test function of this package, or of a
// file in testdata/dialogues, which TestDialogues plays.
var features = []struct {
	feature string
	tests   string
}{
	{"USER PASS STAT LIST RETR DELE NOOP RSET QUIT", "rfc1939-7-user-pass rfc1939-5-stat rfc1939-5-list rfc1939-5-retr rfc1939-5-dele rfc1939-5-noop rfc1939-5-rset rfc1939-6-quit rfc1939-10-example"},
	{"in every state", "rfc1939-4-authorization-before-user rfc1939-4-authorization-after-user rfc1939-5-transaction-wrong-state TestDialoguesHaveEveryCommandInEveryState"},
	{"PASS with blanks", "rfc1939-7-user-pass TestPasswordsArriveOctetForOctet"},
	{"message 0", "TestDialoguesHaveEveryKindOfNumber"},
	{"LIST n, UIDL, UIDL n", "rfc1939-5-list rfc1939-7-uidl"},
	{"TOP counts body lines only, n=0 = headers", "rfc1939-7-top rfc1939-3-byte-stuffing TestTOPReadsNoFurtherThanItSends"},
	{"APOP", "rfc1939-7-apop rfc1939-7-apop-blank rfc1939-7-apop-after-user TestRFC1939Section7APOPExample TestAPOPTimestamps"},
	{"LIST/UIDL/STAT leave out marked messages", "rfc1939-5-list rfc1939-7-uidl rfc1939-5-stat rfc1939-5-dele"},
	{"RETR/TOP of a marked message is -ERR", "rfc1939-5-dele rfc1939-5-retr"},
	{"second DELE is -ERR", "rfc1939-5-dele"},
	{"no-arg commands with junk args are -ERR", "rfc1939-5-stat rfc1939-5-noop rfc1939-5-rset rfc1939-6-quit rfc1939-4-quit-after-user rfc2449-5-capa-insecure rfc2595-4-stls-twice"},
	{"CAPA", "rfc2449-5-capa-insecure rfc2449-5-capa-tls"},
	{"TOP, UIDL, USER caps", "rfc2449-5-capa-in-the-clear rfc2449-5-capa-insecure rfc2449-5-capa-tls"},
	{"SASL cap", "rfc2449-5-capa-in-the-clear rfc2449-5-capa-insecure TestASessionThatOnlyLogsIn"},
	{"RESP-CODES / AUTH-RESP-CODE caps", "rfc2449-5-capa-insecure"},
	{"PIPELINING cap", "rfc2449-5-capa-insecure rfc2449-6.6-pipelining"},
	{"LOGIN-DELAY (by the host)", "TestCapabilitiesOfTheHost TestErrorMapOfAStoreAtLogin"},
	{"EXPIRE (by the host)", "TestCapabilitiesOfTheHost"},
	{"IMPLEMENTATION", "rfc2449-6.9-implementation"},
	{"codes IN-USE / SYS/TEMP / SYS/PERM / AUTH sent", "rfc2449-8.1.2-in-use rfc3206-4-sys-temp rfc3206-4-sys-perm rfc3206-5-auth TestErrorMapAtTheGreeting TestErrorMapOfAnAuthenticator TestErrorMapOfAStoreAtLogin TestErrorMapOfAListing TestErrorMapOfRETRAndTOP TestErrorMapOfQUIT TestErrorCloses"},
	{"STLS; refused after login; CAPA after STLS", "rfc2595-4-stls rfc2595-4-stls-after-login rfc2595-4-stls-twice rfc2595-4-stls-not-offered TestAFailedHandshakeEndsTheConnection"},
	{"plain bytes pipelined after STLS", "rfc2595-4-stls-injection rfc2595-4-stls-injection-fragment TestSTLSInjectionAfterTheAnswer"},
	{"USER given in clear is forgotten after STLS", "rfc2595-4-stls-forgets-user rfc2595-4-stls-forgets-timestamp TestSTLSKeepsTheCountOfFailedLogins"},
	{"implicit TLS; ALPN pop3", "rfc2449-5-capa-tls TestDialoguesGoOverEveryConnection TestALPN TestTLSVersions"},
	{"refuses plaintext auth by default", "rfc8314-3-no-password-in-the-clear rfc2449-5-capa-in-the-clear TestLoginSaysHowTheClientCame"},
	{"AUTH with initial response / continuation / * / bare AUTH lists", "rfc5034-4-initial-response rfc5034-4-continuation rfc5034-4-cancel rfc5034-4-mechanisms"},
	{"PLAIN", "rfc4616-2-plain TestPasswordsArriveOctetForOctet"},
	{"UIDL checks", "TestUIDLsOfAStoreAreMadeLegalAndDistinct"},
	{"UIDL format choice for migrations", "rfc1939-7-uidl"},
	{"LIST size = octets RETR sends (P6)", "TestP6STATAndLISTAreWhatRETRSends TestP6UnknownSizesAreCountedOnce TestP6AFailedCountIsAnError TestWrongSizesOfAStoreAreFaults"},
	{"bare LF to CRLF, then dot-stuff", "rfc1939-3-byte-stuffing"},
	{"dot as very first octet stuffed", "rfc1939-3-byte-stuffing"},
	{"body without final CRLF", "rfc1939-3-byte-stuffing"},
	{"RETR streams (P8)", "TestP8RETRStreams"},
	{"body read error mid-RETR (P2)", "TestP2ABodyThatFailsDropsTheConnection TestP2ABodyThatFailsAtOnceIsACleanError"},
	{"QUIT -ERR if some deletes fail (P4)", "TestP4AQUITThatFailsIsAnError"},
	{"drop without QUIT deletes nothing", "rfc1939-6-client-gone TestOnlyQUITDeletes"},
	{"snapshot numbering stable in session", "TestNumbersHoldForTheSession"},
	{"idle 10 min or more; shorter pre-auth", "TestTimersOfTheZeroValue TestAutologoutSaysAndRemovesNothing TestNoLoginInTimeEndsTheConnection"},
	{"max line; bad-command limit", "rfc2449-4-command-length rfc2449-4-command-too-long rfc2449-8-bad-commands TestWrongCommandsEndTheConnection TestFailedLoginsEndTheConnection"},
	{"shutdown tells clients [SYS/TEMP]", "TestShutdownTellsClientsSYSTEMP"},
	{"metrics / tracing", "TestHooksHearOfASession TestHooksHearOfWhatGoesWrong TestHooksCountOctets TestHooksHearOfACloseThatFails TestLogHasALineForEachSession TestNoSecretInHooksAndLogs"},
	{"flush only when no pipelined input is left", "TestAnswersToPipelinedCommandsGoTogether TestManyPipelinedCommandsNeedFewPackets TestAListingNeedsFewPackets"},

	{"octets in +OK n octets = bytes after un-stuffing", "rfc1939-3-byte-stuffing TestP6STATAndLISTAreWhatRETRSends"},
	{"bare CR is content; trailing CR becomes one CRLF", "rfc1939-3-byte-stuffing"},
	{"empty message = . at once", "rfc1939-3-byte-stuffing"},
	{"LIST n is single-line and says n size", "rfc1939-5-list"},
	{"UIDL n repeats n", "rfc1939-7-uidl"},
	{"one space in listings", "rfc1939-5-list rfc1939-7-uidl"},
	{"empty LIST still ends in .", "rfc1939-5-stat-empty"},
	{". not split off lonely in its own packet", "TestTheFinalDotIsNotAlone"},
	{"PASS keeps inner/trailing spaces", "rfc1939-7-user-pass"},
	{"AUTH with a trailing space", "rfc5034-4-mechanisms rfc5034-4-continuation"},
	{"lone = is an empty initial response", "rfc5034-4-empty-response"},
	{"control characters in USER are refused", "rfc1939-7-user-control"},
	{"command limit 255 octets minimum", "rfc2449-4-command-length"},
	{"first response line <= 512", "TestNoHostBreaksOutOfAStatusLine TestNoHostBreaksOutOfACapability"},
	{"message numbers over int32 are -ERR", "TestDialoguesHaveEveryKindOfNumber rfc1939-5-list-numbers rfc1939-7-uidl-numbers rfc1939-5-retr-numbers rfc1939-5-dele-numbers rfc1939-7-top-numbers"},
	{"CR/LF from the store never reaches a status line", "TestNoHostBreaksOutOfAStatusLine TestErrorTextOfAHostReachesNoClient TestUIDLsOfAStoreAreMadeLegalAndDistinct"},
	{"one answer for unknown user and wrong password", "TestOneAnswerForUnknownUserAndWrongPassword TestOneAnswerForAUserWithoutMaildrop rfc3206-5-auth"},
	{"a lost message asked for over and over", "TestALostMessageAskedForAgainAndAgain"},
	{"long SASL lines", "rfc5034-4-long-initial-response rfc5034-4-response-too-long"},
	{"half a command is none", "rfc1939-4-client-gone rfc1939-6-client-gone"},
}

// TestEveryFeatureHasItsTests makes sure that the tests of each feature are there,
// and that every dialogue belongs to a feature.
func TestEveryFeatureHasItsTests(t *testing.T) {
	there := testNames(t)
	named := map[string]bool{}
	for _, f := range features {
		require.NotEmpty(t, strings.Fields(f.tests), f.feature)
		for name := range strings.FieldsSeq(f.tests) {
			require.True(t, there[name], "%s: there is no %s", f.feature, name)
			named[name] = true
		}
	}
	for name := range there {
		if strings.HasPrefix(name, "rfc") && !named[name] && !noFeature[name] {
			t.Errorf("dialogue %s belongs to no feature", name)
		}
	}
}

// noFeature are the dialogues that belong to no feature.
var noFeature = map[string]bool{
	"rfc1939-3-verbs": true, "rfc1939-4-quit": true, "rfc1939-6-quit-all": true,
	"rfc1939-8-max-messages": true, "rfc2449-5-capa-no-tls": true,
}

// testNames are the test functions of this directory and the dialogues.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	sources, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil {
				names[function.Name.Name] = true
			}
		}
	}
	dialogues, err := os.ReadDir("testdata/dialogues")
	require.NoError(t, err)
	for _, entry := range dialogues {
		if name, ok := strings.CutSuffix(entry.Name(), ".txt"); ok {
			names[name] = true
		}
	}
	return names
}
