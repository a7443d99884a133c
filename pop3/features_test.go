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

// features are the features of the server, each with its tests. A test is a
// test function of this package, or a file in testdata/dialogues, which
// TestDialogues plays.
var features = []struct {
	feature string
	tests   string
}{
	{"USER PASS STAT LIST RETR DELE NOOP RSET QUIT", "rfc1939-7-user-pass rfc1939-5-stat rfc1939-5-list rfc1939-5-retr rfc1939-5-dele rfc1939-5-noop rfc1939-5-rset rfc1939-6-quit rfc1939-10-example"},
	{"exclusive maildrop, if the host wants that", "TestLock TestLockIsGivenUp TestLockThatFails TestLockOfASessionWithoutAMailbox"},
	{"new mechanisms, attacked", "TestTheBrakeKnowsWhoWasProven TestLocalBrakeKnowsNobodyWithoutAName TestLocalBrakeName TestAnEmptySecretLetsNobodyIn TestChallengesThatAreNeverAnswered TestLongResponsesAreNotKept TestWrongProofsAreNotLogged TestLocalBrakeKnowsNobodyElse TestLocalBrakeCountsSpellingsTogether"},
	{"STLS, attacked", "TestSTLSInjectionBehindAPROXYHeader TestSTLSDoesNotKeepAnExchange TestSTLSForgetsTheLanguage TestSTLSAndXCLIENT"},
	{"recorded logins, and acting for others", "TestARecordedLoginProvesNothing TestChannelBindingOfOtherSessions TestSCRAMProvesForWhom TestNobodyActsForAnother"},
	{"names of clients in hooks, logs and answers", "TestNoControlCharacterOfAClientIsShown TestNoControlCharacterComesBeforeASession"},
	{"texts of hosts split no answer", "TestNoHostSplitsAnAnswer TestNoTokenErrorSplitsAnAnswer"},
	{"one answer by every mechanism", "TestOneAnswerByEveryMechanism"},
	{"an octet now and then", "TestAnOctetNowAndThenWinsNoTime TestAnOctetNowAndThenOfTheFirst"},
	{"stores that list too much, and crowds", "TestAListingOfTwentyMillionMessages TestSizesThatAreTooLarge TestTwoThousandConnectionsFromOneAddress"},
	{"XCLIENT, PROXY", "TestPROXYAndClose TestXCLIENT TestXCLIENTFromSomebodyElse TestXCLIENTCountsForTheClient TestPROXY TestPROXYWithoutAClient TestPROXYWithoutAHeader TestPROXYFromSomebodyElse TestXCLIENTOfManyAtOnce"},
	{"work for those who prove nothing", "TestChallengesTakeTurns TestAWaitForAChallengeEnds TestDigestsAreComputedForNobody"},
	{"UTF8", "rfc6856-2-utf8 TestHideUTF8"},
	{"LANG", "rfc6856-3-lang TestLANG TestLanguagesThatCannotBe"},
	{"every command in every state", "rfc1939-4-authorization-before-user rfc1939-4-authorization-after-user rfc1939-5-transaction-wrong-state TestDialoguesHaveEveryCommandInEveryState"},
	{"PASS with blanks", "rfc1939-7-user-pass TestPasswordsArriveOctetForOctet"},
	{"names and passwords are UTF-8", "TestNamesAndPasswordsAreUTF8"},
	{"message 0", "TestDialoguesHaveEveryKindOfNumber"},
	{"LIST n, UIDL, UIDL n", "rfc1939-5-list rfc1939-7-uidl"},
	{"TOP counts lines of the body only; with 0 lines it sends the header", "rfc1939-7-top rfc1939-3-byte-stuffing TestTOPReadsNoFurtherThanItSends"},
	{"APOP", "rfc1939-7-apop rfc1939-7-apop-blank rfc1939-7-apop-after-user TestRFC1939Section7APOPExample TestAPOPTimestamps TestAPOPIsPrepared"},
	{"LIST/UIDL/STAT leave out marked messages", "rfc1939-5-list rfc1939-7-uidl rfc1939-5-stat rfc1939-5-dele"},
	{"RETR/TOP of a marked message is -ERR", "rfc1939-5-dele rfc1939-5-retr"},
	{"second DELE is -ERR", "rfc1939-5-dele"},
	{"a command without arguments is -ERR with one", "rfc1939-5-stat rfc1939-5-noop rfc1939-5-rset rfc1939-6-quit rfc1939-4-quit-after-user rfc2449-5-capa-insecure rfc2595-4-stls-twice"},
	{"CAPA", "rfc2449-5-capa-insecure rfc2449-5-capa-tls"},
	{"capabilities TOP, UIDL, USER", "rfc2449-5-capa-in-the-clear rfc2449-5-capa-insecure rfc2449-5-capa-tls"},
	{"capability SASL", "rfc2449-5-capa-in-the-clear rfc2449-5-capa-insecure TestASessionThatOnlyLogsIn"},
	{"capabilities RESP-CODES, AUTH-RESP-CODE", "rfc2449-5-capa-insecure TestTextsOfTheServer"},
	{"capability PIPELINING", "rfc2449-5-capa-insecure rfc2449-6.6-pipelining"},
	{"LOGIN-DELAY", "TestLoginDelay TestLoginDelayShowsNobodyWhoExists TestCapabilitiesOfAUser TestLoginDelayForgets TestLoginDelayOfALoginThatFails TestLoginDelayOfManyAtOnce TestCapabilitiesOfTheHost TestErrorMapOfAStoreAtLogin"},
	{"EXPIRE", "TestEXPIRE TestCapabilitiesOfAUser TestDeleteRetrieved TestDeleteRetrievedNeedsQUIT TestCapabilitiesOfTheHost"},
	{"capability IMPLEMENTATION", "rfc2449-6.9-implementation"},
	{"response codes IN-USE, SYS/TEMP, SYS/PERM, AUTH", "rfc2449-8.1.2-in-use rfc3206-4-sys-temp rfc3206-4-sys-perm rfc3206-5-auth TestErrorMapAtTheGreeting TestErrorMapOfAnAuthenticator TestErrorMapOfAStoreAtLogin TestErrorMapOfAListing TestErrorMapOfRETRAndTOP TestErrorMapOfQUIT TestErrorCloses"},
	{"STLS; refused after login; CAPA after STLS", "rfc2595-4-stls rfc2595-4-stls-after-login rfc2595-4-stls-twice rfc2595-4-stls-not-offered TestAFailedHandshakeEndsTheConnection"},
	{"commands in the clear that are pipelined after STLS", "rfc2595-4-stls-injection rfc2595-4-stls-injection-fragment TestSTLSInjectionAfterTheAnswer"},
	{"USER given in clear is forgotten after STLS", "rfc2595-4-stls-forgets-user rfc2595-4-stls-keeps-timestamp TestSTLSKeepsTheCountOfFailedLogins"},
	{"implicit TLS; ALPN pop3; close alerts", "TestTheEndOfTLSIsSaid rfc2449-5-capa-tls TestDialoguesGoOverEveryConnection TestALPN TestTLSVersions"},
	{"no password without TLS by default", "rfc8314-3-no-password-in-the-clear rfc2449-5-capa-in-the-clear TestLoginSaysHowTheClientCame"},
	{"AUTH with an initial response, with a continuation, with *, without a mechanism; what stays after it", "rfc5034-3-capa-after-auth rfc5034-4-failed-auth-keeps-user rfc5034-4-initial-response rfc5034-4-continuation rfc5034-4-cancel rfc5034-4-mechanisms"},
	{"PLAIN", "rfc4616-2-plain TestPLAINTakes255OctetsOfEach TestPasswordsArriveOctetForOctet TestAnEmptyPasswordReachesNoAuthenticator"},
	{"LOGIN", "TestLOGIN"},
	{"CRAM-MD5", "TestCRAMMD5 TestCRAMMD5Example"},
	{"SCRAM-SHA-1, SCRAM-SHA-256", "TestSCRAM TestSCRAMNames TestSCRAMNamesArePrepared TestSCRAMExtensions TestSCRAMIsOfferedInTheClear TestSCRAMAttacks TestSCRAMShowsNobodyWhoExists"},
	{"SCRAM-SHA-1-PLUS, SCRAM-SHA-256-PLUS", "TestChannelBinding TestTLSExporterIsUsedOnce TestChannelBindingOfAnotherConnection TestChannelBindingDowngrade TestChannelBindingOfAResumedSession TestChannelBindingOfAnotherTLSLibrary"},
	{"OAUTHBEARER, XOAUTH2", "TestTokens TestMalformedTokens TestTokensThatAreRefused TestTokensOfAHostThatFails"},
	{"EXTERNAL", "TestEXTERNAL TestACertificateAloneLogsNobodyIn"},
	{"ANONYMOUS", "TestANONYMOUS"},
	{"mechanisms of the host's own", "TestMechanismsOfAnotherLibrary TestAnExchangeOfManySteps"},
	{"nothing is offered that cannot work", "TestMechanismsThatAreOffered TestEXTERNAL"},
	{"UIDL is legal and distinct", "TestUIDLsOfAStoreAreMadeLegalAndDistinct"},
	{"foreign unique-ids", "rfc1939-7-uidl"},
	{"LIST says as many octets as RETR sends (P6)", "TestP6STATAndLISTAreWhatRETRSends TestP6UnknownSizesAreCountedOnce TestP6AFailedCountIsAnError TestWrongSizesOfAStoreAreFaults"},
	{"a bare LF becomes CRLF, before byte-stuffing", "rfc1939-3-byte-stuffing"},
	{"a dot as the first octet is stuffed", "rfc1939-3-byte-stuffing"},
	{"a body without a final CRLF", "rfc1939-3-byte-stuffing"},
	{"RETR streams (P8)", "TestP8RETRStreams"},
	{"an error in the middle of a body (P2)", "TestP2ABodyThatFailsDropsTheConnection TestP2ABodyThatFailsAtOnceIsACleanError"},
	{"QUIT is -ERR if it does not remove everything (P4)", "TestP4AQUITThatFailsIsAnError"},
	{"a connection that ends without QUIT removes nothing", "rfc1939-6-client-gone TestOnlyQUITDeletes"},
	{"message numbers are stable in a session", "TestNumbersHoldForTheSession"},
	{"idle for 10 minutes or more; less before the login", "TestTimersOfTheZeroValue TestAutologoutSaysAndRemovesNothing TestNoLoginInTimeEndsTheConnection"},
	{"the longest line; wrong commands", "rfc2449-4-command-length rfc2449-4-command-too-long rfc2449-8-bad-commands TestWrongCommandsEndTheConnection TestFailedLoginsEndTheConnection"},
	{"Shutdown tells clients [SYS/TEMP]", "TestShutdownTellsClientsSYSTEMP"},
	{"hooks and the log", "TestLogHasTheCipher TestHooksHearOfASession TestHooksHearOfWhatGoesWrong TestHooksCountOctets TestHooksHearOfACloseThatFails TestLogHasALineForEachSession TestNoSecretInHooksAndLogs"},
	{"answers to pipelined commands are sent together", "TestAnswersToPipelinedCommandsGoTogether TestManyPipelinedCommandsNeedFewPackets TestAListingNeedsFewPackets"},

	{"limits of connections: in all, before the login, by address", "TestMaxConnections TestMaxBeforeLogin TestMaxPerAddress TestDefaultsOfTheDoor TestWhatIsTurnedAwayIsNotSilent TestAdmit"},
	{"limits of time before the login", "TestAuthTimeout TestHandshakeTimeout TestAWriteBeforeTheLoginEndsWithAuthTimeout TestFailedHandshakesAreNotSilent"},
	{"a brake on guessing, with fair turns", "TestGuessingIsSlowByDefault TestBrakeHearsOfEachLogin TestLocalBrakeDelays TestLocalBrakeTakesTurns TestLocalBrakeLocksNobodyOut TestMaxAuthTriesCountsInTheWordsOfTheHost"},
	{"memory before the login", "TestMaxLine TestMaxSASL TestMaxLongLines"},
	{"wrong is not impossible; an empty line is ignored", "TestWrongIsNotImpossible TestMaxBadCommands TestMaxRefused"},
	{"APOP after STLS", "rfc2595-4-stls-keeps-timestamp"},
	{"TLS by callback (SNI)", "TestTLSByCallback"},
	{"answers do not wait for the host; pipelined RETR are gathered", "TestAnswersDoNotWaitForTheHost TestPipelinedAnswersAreGathered"},
	{"the last answer is not lost to a reset", "TestTheLastAnswerIsNotLost TestTheEndIsBounded"},
	{"commands of the host, hijacking, a greeting", "TestOwnCommands TestOwnCommandsAreBounded TestHijack TestHijackHasWhatWasReadAhead TestHijackAndTheEndOfTheServer TestGreeting"},
	{"contexts in hooks; one name and one ID", "TestContextsReachEverything TestOneNameForTheUserAndOneIDForTheConnection TestCommandInfoHasTheError TestReasons"},
	{"sizes without opening, receipts, exact sizes", "TestSizes TestReceipts TestP6ABodyKnowsItsSize"},

	{"+OK n octets counts the octets after un-stuffing", "rfc1939-3-byte-stuffing TestP6STATAndLISTAreWhatRETRSends"},
	{"a bare CR is content; one at the end becomes CRLF", "rfc1939-3-byte-stuffing"},
	{"an empty message is a dot", "rfc1939-3-byte-stuffing"},
	{"LIST n is one line with n and the size", "rfc1939-5-list"},
	{"UIDL n is one line with n", "rfc1939-7-uidl"},
	{"a single space in listings", "rfc1939-5-list rfc1939-7-uidl"},
	{"an empty LIST ends in a dot", "rfc1939-5-stat-empty"},
	{"the final dot is not alone in a packet", "TestTheFinalDotIsNotAlone"},
	{"PASS keeps spaces within the password and at its end", "rfc1939-7-user-pass"},
	{"AUTH with a trailing space", "rfc5034-4-mechanisms rfc5034-4-continuation"},
	{"a lone = is an empty initial response", "rfc5034-4-empty-response"},
	{"control characters in USER are refused", "rfc1939-7-user-control"},
	{"a command may have 255 octets", "rfc2449-4-command-length"},
	{"the first line of a response has at most 512 octets", "TestNoHostBreaksOutOfAStatusLine TestNoHostBreaksOutOfACapability"},
	{"message numbers over 2147483647 are -ERR", "TestDialoguesHaveEveryKindOfNumber rfc1939-5-list-numbers rfc1939-7-uidl-numbers rfc1939-5-retr-numbers rfc1939-5-dele-numbers rfc1939-7-top-numbers"},
	{"no CR or LF of a store reaches a status line", "TestNoHostBreaksOutOfAStatusLine TestErrorTextOfAHostReachesNoClient TestUIDLsOfAStoreAreMadeLegalAndDistinct"},
	{"one answer for an unknown user and a wrong password", "TestOneAnswerForUnknownUserAndWrongPassword TestOneAnswerForAUserWithoutMailbox rfc3206-5-auth"},
	{"a lost message that a client asks for again and again", "TestALostMessageAskedForAgainAndAgain"},
	{"long SASL lines", "rfc5034-4-long-initial-response rfc5034-4-response-too-long"},
	{"half a command is not a command", "rfc1939-4-client-gone rfc1939-6-client-gone"},
}

// The tests of every feature are there, and every dialogue belongs to a
// feature.
func TestEveryFeatureHasItsTests(t *testing.T) {
	there := testNames(t, ".")
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

// testNames are the test functions of a folder, and of this one the dialogues.
func testNames(t *testing.T, folder string) map[string]bool {
	names := map[string]bool{}
	sources, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
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
	if folder != "." {
		return names
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
