package cassandra

import (
	"math"
	"math/rand/v2"
)

// randomUID draws from 1 to 2^32-1, the UIDs that IMAP allows (RFC 9051 section
// 2.3.1.1).
func randomUID() uint32 { return 1 + rand.Uint32N(math.MaxUint32) }

// randomModSeq draws from 1 to 2^63-1 (RFC 7162 section 3.1).
func randomModSeq() int64 { return 1 + rand.Int64N(math.MaxInt64) }
