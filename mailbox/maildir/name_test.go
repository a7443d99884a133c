package maildir

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

func TestTheIDEndsAtTheFirstCommaOrColon(t *testing.T) {
	for name, id := range map[string]string{
		"1276528487.M364837P9451.kurkku,S=1355,W=1394:2,S":                        "1276528487.M364837P9451.kurkku", // Dovecot
		"1276528487.M364837P9451.kurkku":                                          "1276528487.M364837P9451.kurkku",
		"1040082431.H591459P29137.host,S=812:2,":                                  "1040082431.H591459P29137.host", // Courier
		"1331573220_0.6021.host,U=123,FMD5=7e33429f656f1e6e9d79b29c3f82c57e:2,FS": "1331573220_0.6021.host",        // offlineimap
		"1700000000.1234_5.host,U=7:2,S":                                          "1700000000.1234_5.host",        // mbsync
		"1.2.host:1,experimental":                                                 "1.2.host",
		"no spec at all":                                                          "no spec at all",
		"":                                                                        "",
		".hidden":                                                                 "",
		":2,S":                                                                    "",
		",S=5":                                                                    "",
		"\xff\n":                                                                  "\xff\n",
	} {
		require.Equal(t, id, idOf(name), "%q", name)
	}
}

func TestTheTimeIsThatOfTheID(t *testing.T) {
	for id, want := range map[string]int64{
		"1276528487.M364837P9451.kurkku":    1276528487_364837,
		"1276528487.P9451M12Q3.kurkku":      1276528487_000012,
		"1276528487.9451_1.M5":              1276528487_000000,
		"1276528487":                        1276528487_000000,
		"1276528487.M99999999999999999999.": 1276528487_999999,
		"hello":                             0,
		"99999999999999999999999.M1.host":   math.MaxInt64,
		"9223372036854775807.M1.host":       math.MaxInt64,
		"9223372036854.M1.host":             math.MaxInt64,
	} {
		require.Equal(t, want, timeOf(id), "%q", id)
	}
}

func TestASizeThatCannotBeTrueIsUnknown(t *testing.T) {
	for name, want := range map[string]int64{
		"1.M1.h,S=100,W=104:2,S":            104,
		"1.M1.h,W=104,S=100":                104,
		"1.M1.h,W=104":                      104,
		"1.M1.h,S=0,W=0":                    0,
		"1.M1.h,S=100":                      -1,
		"1.M1.h":                            -1,
		"1.M1.h,W=:2,S":                     -1,
		"1.M1.h,W=-5":                       -1,
		"1.M1.h,W=+5":                       -1,
		"1.M1.h,W=5x":                       -1,
		"1.M1.h,W=99999999999999999999999":  -1,
		"1.M1.h,W=9223372036854775807":      -1,
		"1.M1.h,S=100,W=99":                 -1, // the canonical form is never smaller
		"1.M1.h,S=100,W=202":                202,
		"1.M1.h,S=100,W=203":                -1, // nor more than a CR for each octet larger
		"1.M1.h:2,S,W=5":                    -1, // flags
		"1.M1.h,S=garbage,W=7":              7,
		"1.M1.h,FMD5=7e33,U=3,W=7,S=7:2,FS": 7,
	} {
		require.Equal(t, want, fieldsOf(name).wire, "%q", name)
	}
}

func TestAForeignUIDLSurvivesTheFileName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uidl := rapid.StringMatching(`[!-~]{1,70}`).Draw(t, "uidl")
		name := fileName((&mint{now: time.Now}).id(), maxSize, uidl)
		require.LessOrEqual(t, len(name), 255-len(":2,DFPRST")-26, "flags and keywords fit after it")
		require.NotContains(t, name, "/")
		f := fieldsOf(name + ":2,S")
		require.Equal(t, fields{file: maxSize, wire: maxSize, uidl: uidl}, f)
	})
	require.Contains(t, fileName("1.M1.h", 5, "UID42-1234"), ",UIDL=UID42-1234", "an ordinary one stays readable")
	for _, wrong := range []string{"%", "%!!", "%" + strings.Repeat("A", 200), "a b", "\x00", "", strings.Repeat("x", 71)} {
		require.Empty(t, fieldsOf("1.M1.h,UIDL="+wrong).uidl, "%q", wrong)
	}
}

func TestAnyNameIsTakenWithoutHarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9]{0,25}(\.[MPQR0-9]{0,25}){0,3}(,(S|W|UIDL)=[-+%0-9a-z]{0,25}){0,3}(:2,[A-Z]{0,3})?`)).Draw(t, "name")
		id := idOf(name)
		require.True(t, strings.HasPrefix(name, id))
		require.GreaterOrEqual(t, timeOf(id), int64(0))
		f := fieldsOf(name)
		require.GreaterOrEqual(t, f.wire, int64(-1))
		require.GreaterOrEqual(t, f.file, int64(-1))
		require.True(t, f.uidl == "" || mailbox.ValidUIDL(f.uidl))
		if id != "" {
			require.Equal(t, id, idOf(id))
			require.Equal(t, "new.id", idOf(renamed(name, "new.id")))
		}
	})
}
