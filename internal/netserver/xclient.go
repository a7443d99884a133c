package netserver

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Unknown reports whether a value of XCLIENT says that the proxy does not know.
func Unknown(value string) bool {
	return strings.EqualFold(value, "[UNAVAILABLE]") || strings.EqualFold(value, "[TEMPUNAVAIL]")
}

// ClientAddr returns the address that the attributes ADDR and PORT of XCLIENT
// name; nil if ADDR is empty or unknown. An IPv6 address may have the prefix
// "IPV6:", as it has in SMTP.
func ClientAddr(addr, port string) (net.Addr, error) {
	if addr == "" || Unknown(addr) {
		return nil, nil
	}
	if len(addr) > 5 && strings.EqualFold(addr[:5], "IPV6:") {
		addr = addr[5:]
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Zone() != "" {
		return nil, errors.New("ADDR is no address")
	}
	number := uint64(0)
	if port != "" && !Unknown(port) {
		if number, err = strconv.ParseUint(port, 10, 16); err != nil {
			return nil, errors.New("PORT is no port")
		}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(number))), nil
}
