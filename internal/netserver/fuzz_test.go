package netserver

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"
)

// wire is a connection on which something was sent, in pieces of these lengths,
// over and over; without any, at once.
type wire struct {
	net.Conn
	rest, cuts []byte
	turn       int
}

var (
	proxyAddr  = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}
	serverAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 110}
)

func (w *wire) RemoteAddr() net.Addr            { return proxyAddr }
func (w *wire) LocalAddr() net.Addr             { return serverAddr }
func (w *wire) SetReadDeadline(time.Time) error { return nil }

func (w *wire) Read(b []byte) (int, error) {
	if len(w.rest) == 0 {
		return 0, io.EOF
	}
	if len(w.cuts) > 0 {
		b = b[:min(len(b), max(1, int(w.cuts[w.turn%len(w.cuts)])))]
		w.turn++
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// FuzzPROXY begins a connection with anything. Of somebody who is no proxy it
// is all data. Of a proxy it is a header as a slow reading of the PROXY protocol
// has it, followed by data, or an error; and however it is cut, it is the same,
// or an error if a header of version 1 does not come at once.
func FuzzPROXY(f *testing.F) {
	two := string(proxyproto.SIGV2)
	for _, text := range []string{
		"", "P", "PROXY", "PROXY \r\n", "PROXY UNKNOWN\r\nUSER x\r\n", "PROXY UNKNOWN ffff:: 1 \r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 110\r\nCAPA\r\n",
		"PROXY TCP6 2001:db8::7 ::ffff:1.2.3.4 0 65535\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 04711 65536\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\nx", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n",
		two + "\x20\x00\x00\x00QUIT\r\n", two + "\x20\x11\x00\x03abcdef", two + "\x20\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x00\x6eCAPA\r\n", two + "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x00\x6eCAPA\r\n",
		two + "\x21\x21\x00\x27" + strings.Repeat("\x20\x01", 18) + "\x04\x00\x00x", two + "\x21\x12\x00\x0c0123456789abx", two + "\x21\x31\x00\xd8" + strings.Repeat("x", 220),
		two + "\x21\x00\x00\x00", two + "\x31\x11\x00\x0c0123456789ab", two + "\x21\x13\x00\x0c0123456789ab", two + "\x21\x11\x10\x01" + strings.Repeat("x", 5000), two + "\x20\x00\x10\x00" + strings.Repeat("x", 5000),
	} {
		f.Add([]byte(text), []byte{}, true)
		f.Add([]byte(text), []byte{1, 20}, true)
		f.Add([]byte(text), []byte{}, false)
	}
	f.Fuzz(func(t *testing.T, sent, cuts []byte, isProxy bool) {
		from := netip.MustParsePrefix("192.0.2.0/24")
		if isProxy {
			from = netip.MustParsePrefix("127.0.0.0/8")
		}
		conn, err := new(Listeners).Proxied(&wire{rest: sent, cuts: cuts}, Prefixes{from}, time.Minute)
		remote, local, length := naivePROXY(sent)
		switch {
		case !isProxy:
			remote, local, length = proxyAddr, serverAddr, 0
		case length < 0:
			require.ErrorIs(t, err, ErrNoHeader)
			return
		case err != nil && len(cuts) > 0 && sent[0] == 'P':
			require.ErrorIs(t, err, ErrNoHeader)
			return
		}
		require.NoError(t, err)
		require.Equal(t, remote.String(), conn.RemoteAddr().String())
		require.Equal(t, local.String(), conn.LocalAddr().String())
		data, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, string(sent[length:]), string(data))
	})
}

// naivePROXY reads a header by the document of the PROXY protocol, and returns
// the addresses and its length: -1 if there is none.
func naivePROXY(sent []byte) (remote, local net.Addr, length int) {
	if bytes.HasPrefix(sent, proxyproto.SIGV2) {
		return naivePROXY2(sent)
	}
	line := regexp.MustCompile(`(?s)^PROXY (?:UNKNOWN|UNKNOWN [^\n]*|(TCP[46]) ([^ \n]+) ([^ \n]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))\r\n`).FindSubmatch(sent)
	switch {
	case line == nil || len(line[0]) > 107:
		return nil, nil, -1
	case line[1] == nil:
		return proxyAddr, serverAddr, len(line[0])
	}
	var addrs [2]net.Addr
	for i := range addrs {
		ip, err := netip.ParseAddr(string(line[2+i]))
		port, _ := strconv.Atoi(string(line[4+i]))
		if err != nil || ip.Zone() != "" || ip.Is4() != (string(line[1]) == "TCP4") || port > 65535 {
			return nil, nil, -1
		}
		addrs[i] = &net.TCPAddr{IP: ip.AsSlice(), Port: port}
	}
	return addrs[0], addrs[1], len(line[0])
}

// naivePROXY2 reads a header of version 2. 4,096 octets may follow its first 16.
func naivePROXY2(sent []byte) (remote, local net.Addr, length int) {
	if len(sent) < 16 {
		return nil, nil, -1
	}
	command, family, n := sent[12], sent[13], int(binary.BigEndian.Uint16(sent[14:]))
	octets := map[byte]int{0x00: 0, 0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16, 0x31: 108, 0x32: 108}
	each, known := octets[family]
	if !known || n > 4096 || len(sent) < 16+n || command != 0x20 && command != 0x21 {
		return nil, nil, -1
	}
	if command == 0x20 {
		return proxyAddr, serverAddr, 16 + n
	}
	switch {
	case family == 0, each == 108 && n < 216, each < 108 && n < 2*each+4:
		return nil, nil, -1
	case family != 0x11 && family != 0x21: // no TCP: who the client is is not known
		return proxyAddr, serverAddr, 16 + n
	}
	block := sent[16:]
	port := func(at int) int { return int(binary.BigEndian.Uint16(block[at:])) }
	return &net.TCPAddr{IP: block[:each], Port: port(2 * each)}, &net.TCPAddr{IP: block[each : 2*each], Port: port(2*each + 2)}, 16 + n
}
