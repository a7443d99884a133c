//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
)

// serveBare is what no server can beat: it has every answer ready in memory,
// and reads of a command only what it needs to choose one.
func serveBare(listener net.Listener) error {
	maildrops := make(map[string]*bareMaildrop)
	for _, user := range []string{smallUser, largeUser} {
		maildrops[user] = newBareMaildrop(user)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go answerBare(conn, maildrops)
	}
}

type bareMaildrop struct {
	login, stat []byte
	retr        [][]byte
}

func newBareMaildrop(user string) *bareMaildrop {
	d := new(bareMaildrop)
	total := 0
	for range messages(user) {
		m := message(user)
		total += len(m)
		d.retr = append(d.retr, append(append(fmt.Appendf(nil, "+OK %d octets\r\n", len(m)), m...), ".\r\n"...))
	}
	d.login = fmt.Appendf(nil, "+OK maildrop has %d messages\r\n", len(d.retr))
	d.stat = fmt.Appendf(nil, "+OK %d %d\r\n", len(d.retr), total)
	return d
}

func answerBare(conn net.Conn, maildrops map[string]*bareMaildrop) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 512)
	conn.Write([]byte("+OK POP3 server ready\r\n"))
	var d *bareMaildrop
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch string(line[:4]) {
		case "USER":
			d = maildrops[string(bytes.TrimSpace(line[5:]))]
			conn.Write([]byte("+OK send PASS\r\n"))
		case "PASS":
			conn.Write(d.login)
		case "STAT":
			conn.Write(d.stat)
		case "RETR":
			n, _ := strconv.Atoi(string(bytes.TrimSpace(line[5:])))
			conn.Write(d.retr[n-1])
		case "QUIT":
			conn.Write([]byte("+OK bye\r\n"))
			return
		}
	}
}
