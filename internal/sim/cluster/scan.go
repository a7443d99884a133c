package cluster

import (
	"encoding/binary"
	"fmt"
)

// scan copies a serialised value into a pointer, as the driver does. null into
// a pointer to a pointer makes that nil. Into another pointer it is the zero
// value, and into one to a UUID an error.
func (k kind) scan(value string, null bool, to any) error {
	switch v := to.(type) {
	case nil:
		return nil
	case *[16]byte:
		if null || len(value) != 16 {
			return fmt.Errorf("cluster: null, of type %s, is scanned into %T", k, to)
		}
		copy(v[:], value)
	case *int64:
		*v = k.number(value)
	case *int:
		*v = int(k.number(value))
	case *string:
		*v = value
	case *[]byte:
		if null {
			*v = nil
		} else {
			*v = append((*v)[:0], value...)
		}
	case *bool:
		*v = value != "" && value[0] != 0
	default:
		return k.scanNullable(value, null, to)
	}
	if !k.fits(to) {
		return fmt.Errorf("cluster: a value of type %s is scanned into %T", k, to)
	}
	return nil
}

func (k kind) scanNullable(value string, null bool, to any) error {
	switch v := to.(type) {
	case **[16]byte:
		return nullable(k, value, null, v)
	case **int64:
		return nullable(k, value, null, v)
	case **int:
		return nullable(k, value, null, v)
	case **string:
		return nullable(k, value, null, v)
	case **[]byte:
		return nullable(k, value, null, v)
	case **bool:
		return nullable(k, value, null, v)
	}
	return fmt.Errorf("cluster: a value of type %s is scanned into %T", k, to)
}

func nullable[T any](k kind, value string, null bool, to **T) error {
	if null {
		*to = nil
		return nil
	}
	*to = new(T)
	return k.scan(value, false, *to)
}

// fits reports whether the driver scans a value of this kind into a pointer of
// this type.
func (k kind) fits(to any) bool {
	switch to.(type) {
	case *[16]byte:
		return k == kindUUID || k == kindTimeUUID
	case *int64, *int:
		return k == kindBigint || k == kindInt
	case *string:
		return k == kindText || k == kindBlob
	case *[]byte:
		return k == kindText || k == kindBlob || k == kindUUID || k == kindTimeUUID
	case *bool:
		return k == kindBoolean
	}
	return false
}

// number returns the number of a bigint or an int; 0 for null.
func (k kind) number(value string) int64 {
	switch len(value) {
	case 8:
		return int64(binary.BigEndian.Uint64([]byte(value)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32([]byte(value))))
	}
	return 0
}
