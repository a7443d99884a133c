package cluster

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// kind is the type of a column.
type kind uint8

const (
	kindUUID kind = iota
	kindTimeUUID
	kindBigint
	kindInt
	kindText
	kindBlob
	kindBoolean
)

var kinds = map[string]kind{
	"uuid": kindUUID, "timeuuid": kindTimeUUID, "bigint": kindBigint, "int": kindInt,
	"text": kindText, "varchar": kindText, "blob": kindBlob, "boolean": kindBoolean,
}

func (k kind) String() string {
	return [...]string{"uuid", "timeuuid", "bigint", "int", "text", "blob", "boolean"}[k]
}

// serialise appends a value in the form that Cassandra sends and compares.
// present is false for null. A value has the Go type that package cql gives its
// column.
func (k kind) serialise(to []byte, value any) (octets []byte, present bool, err error) {
	switch v := value.(type) {
	case nil:
		return to, false, nil
	case [16]byte:
		if k == kindTimeUUID && v[6]>>4 != 1 {
			return nil, false, fmt.Errorf("cluster: %x is not a time-based UUID", v)
		}
		if k == kindUUID || k == kindTimeUUID {
			return append(to, v[:]...), true, nil
		}
	case int64:
		if k == kindBigint {
			return binary.BigEndian.AppendUint64(to, uint64(v)), true, nil
		}
	case int:
		if k == kindInt && v >= math.MinInt32 && v <= math.MaxInt32 {
			return binary.BigEndian.AppendUint32(to, uint32(v)), true, nil
		}
	case string:
		if k == kindText {
			return append(to, v...), true, nil
		}
	case []byte:
		if k == kindBlob {
			return append(to, v...), v != nil, nil // the driver sends a nil slice as null
		}
	case bool:
		if k == kindBoolean && v {
			return append(to, 1), true, nil
		}
		if k == kindBoolean {
			return append(to, 0), true, nil
		}
	}
	return nil, false, fmt.Errorf("cluster: %v, of type %T, is no value for a column of type %s", value, value, k)
}

// Each kind of clustering column has an encoding whose order, octet by octet,
// is the order of the column, and of which none is the beginning of another.
// The key of a row is the encodings of its columns, one after the other.

// encode appends the encoding of a serialised value.
func (k kind) encode(to []byte, value string) []byte {
	switch k {
	case kindTimeUUID: // by time, then the last octets as signed numbers
		to = appendTime(to, value)
		for i := 8; i < 16; i++ {
			to = append(to, value[i]^0x80)
		}
	case kindUUID: // by version, then by time if it has one
		to = append(to, value[6]>>4)
		if value[6]>>4 == 1 {
			return append(appendTime(to, value), value[8:]...)
		}
		to = append(to, value...)
	case kindBigint, kindInt:
		to = append(to, value[0]^0x80)
		to = append(to, value[1:]...)
	case kindText, kindBlob:
		for i := range len(value) {
			to = append(to, value[i])
			if value[i] == 0 {
				to = append(to, 0xff)
			}
		}
		to = append(to, 0, 0)
	case kindBoolean:
		to = append(to, value...)
	}
	return to
}

// appendTime appends the time of a UUID of version 1, the highest octets first.
func appendTime(to []byte, id string) []byte {
	return append(to, id[6], id[7], id[4], id[5], id[0], id[1], id[2], id[3])
}

// decode returns the serialised value that an encoding begins with, and what
// comes after it.
func (k kind) decode(from string) (value, rest string) {
	var octets [16]byte
	switch k {
	case kindTimeUUID:
		putTime(&octets, from)
		for i := 8; i < 16; i++ {
			octets[i] = from[i] ^ 0x80
		}
		return string(octets[:]), from[16:]
	case kindUUID:
		if from[0] != 1 {
			return from[1:17], from[17:]
		}
		putTime(&octets, from[1:])
		copy(octets[8:], from[9:17])
		return string(octets[:]), from[17:]
	case kindBigint:
		return string([]byte{from[0] ^ 0x80}) + from[1:8], from[8:]
	case kindInt:
		return string([]byte{from[0] ^ 0x80}) + from[1:4], from[4:]
	case kindText, kindBlob:
		return decodeText(from)
	default:
		return from[:1], from[1:]
	}
}

func putTime(id *[16]byte, from string) {
	id[6], id[7], id[4], id[5] = from[0], from[1], from[2], from[3]
	copy(id[:4], from[4:8])
}

func decodeText(from string) (value, rest string) {
	var b strings.Builder
	for i := 0; ; i++ {
		if from[i] == 0 {
			if i++; from[i] == 0 {
				return b.String(), from[i+1:]
			}
			b.WriteByte(0)
			continue
		}
		b.WriteByte(from[i])
	}
}
