package cql

import (
	"regexp"
	"strings"

	"github.com/gocql/gocql"
)

// What no statement may say (P9, P3): a condition makes a lightweight
// transaction, an expiry outlives a replay, a filter reads a whole table, and a
// counter cannot be written twice. Statements are looked at once, when they are
// built.
var (
	condition    = regexp.MustCompile(`(?i)\bIF\b`)
	forbidden    = regexp.MustCompile(`(?i)\b(TTL|ALLOW\s+FILTERING|COUNTER)\b`)
	namesColumns = regexp.MustCompile(`(?i)^\s*SELECT\s+[^*\s]`)
)

// conditional tells whether a statement is a lightweight transaction. IF is a
// reserved word: nothing else can be called that.
func conditional(text string) bool {
	return condition.MatchString(text) && !strings.HasPrefix(strings.ToUpper(text), "CREATE ")
}

// levelName names a level for observers. The driver has no names for the serial
// ones where a level is asked for, so that they would go unnoticed.
func levelName(level Level) string {
	if serial := gocql.SerialConsistency(level); serial == gocql.Serial || serial == gocql.LocalSerial {
		return serial.String()
	}
	return level.String()
}
