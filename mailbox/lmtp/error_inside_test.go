package lmtp

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestOneReply(t *testing.T) {
	temporary, full, large := errors.New("down"), mailbox.ErrOverQuota, mailbox.ErrTooLarge
	for _, test := range []struct {
		name string
		errs []error
		code int
	}{
		{"all have it", []error{nil, nil}, 0},
		{"all may have it later", []error{temporary, temporary}, 451},
		{"nobody ever", []error{full, large}, 552},
		{"one has it, one never", []error{nil, full}, 552},
		{"one has it, one later", []error{nil, temporary}, 451},
		{"one never, one later", []error{full, temporary}, 451},
	} {
		t.Run(test.name, func(t *testing.T) {
			var results []delivered
			for _, err := range test.errs {
				results = append(results, delivered{Result: mailbox.Result{Err: err}})
			}
			code := 0
			if err := oneReply(results); err != nil {
				code = reply(err).Code
			}
			require.Equal(t, test.code, code)
		})
	}
}
