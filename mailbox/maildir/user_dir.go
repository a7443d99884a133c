package maildir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// maxUserDir is the longest directory name, in octets, that spells out a user
// name. File systems allow 255 octets.
const maxUserDir = 200

// userDir is the directory of a canonical user name, as Options.Dir has it.
func (s *Store) userDir(user string) (string, error) {
	if s.options.Dir == nil {
		return DirName(user), nil
	}
	dir, err := s.options.Dir(user)
	if err != nil {
		return "", err
	}
	if dir == "." || !fs.ValidPath(dir) || !filepath.IsLocal(filepath.FromSlash(dir)) {
		return "", fmt.Errorf("Options.Dir returned %q for %q: want a path inside the store, such as example.org/bob/Maildir", dir, user)
	}
	return dir, nil
}

// DirName is the directory of a canonical user name: the name, with every octet
// but a-z, 0-9 and @ . _ + - = written as %XX. It is one element of a path, and
// never "." or "..". No two names have the same, and none begins with a period.
// The letters are lower case ASCII, so no two are equal on a file system that
// folds case.
//
// A name that would be too long is cut and ends in "%%" and a digest. An escape
// is never "%%", so this cannot be the directory of another user.
func DirName(user string) string {
	var dir strings.Builder
	for i := range len(user) {
		c := user[i]
		atEdge := i == 0 || i == len(user)-1
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', strings.IndexByte("@_+-=", c) >= 0, c == '.' && !atEdge:
			dir.WriteByte(c)
		default:
			dir.WriteByte('%')
			dir.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	if dir.Len() <= maxUserDir {
		return dir.String()
	}
	digest := sha256.Sum256([]byte(user))
	return dir.String()[:maxUserDir/2] + "%%" + hex.EncodeToString(digest[:])
}
