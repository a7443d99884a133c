package maildir

import (
	"fmt"
	"os"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// dovecotFormats are the forms in which plugins of Dovecot store a message, by
// what the file begins with. No message begins so.
var dovecotFormats = []struct{ magic, plugin, remedy string }{
	{"\x1f\x8b", "zlib (gzip)", "decompress"},
	{"\x28\xb5\x2f\xfd", "zlib (zstd)", "decompress"},
	{"\xfd7zXZ\x00", "zlib (xz)", "decompress"},
	{"BZh91AY&SY", "zlib (bzip2)", "decompress"},
	{"Dovecot-LZ4\x0d\x2a\x9b\xc5", "zlib (lz4)", "decompress"},
	{"CRYPTED\x03\x07", "mail_crypt", "decrypt"},
}

// readable returns an error if a plugin of Dovecot has compressed or encrypted
// a message. S= in the name of such a file is the size of the message, not of
// the file.
func readable(file *os.File, f fields, size int64) error {
	if f.file < 0 || f.file == size {
		return nil
	}
	var head [16]byte
	n, _ := file.ReadAt(head[:], 0)
	for _, format := range dovecotFormats {
		if strings.HasPrefix(string(head[:n]), format.magic) {
			return fmt.Errorf("%w: the file was written by Dovecot's %s plugin: %s it", mailbox.ErrPermanent, format.plugin, format.remedy)
		}
	}
	return nil
}
