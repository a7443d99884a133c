package pop3

import (
	"math"
	"strings"
)

// form is the form of the arguments of a command.
type form uint8

const (
	nothing           form = iota
	name                   // text; blanks at its ends do not count
	verbatim               // text, each octet of it
	verbatimOrNothing      // text, each octet of it, or nothing
	optionalText           // text or nothing
	number                 // of a message
	optionalNumber         // of a message, or nothing
	numberAndNumber        // of a message, and of lines
)

// arguments are what followed the verb of a command.
type arguments struct {
	text  string
	n     int // of a message; 0: none was given
	lines int
}

// parse reads what follows the verb; rest is empty or begins with a blank.
func (f form) parse(rest string) (arguments, error) {
	if strings.IndexByte(rest, 0) >= 0 {
		return arguments{}, mistake("NUL in a command")
	}
	text := strings.TrimPrefix(rest, " ")
	trimmed := strings.Trim(text, " ")
	switch f {
	case nothing:
		if trimmed != "" {
			return arguments{}, mistake("no argument expected")
		}
		return arguments{}, nil
	case verbatim:
		if rest == "" {
			return arguments{}, mistake("argument missing")
		}
		return arguments{text: text}, nil
	case verbatimOrNothing:
		return arguments{text: text}, nil
	case name:
		if trimmed == "" {
			return arguments{}, mistake("argument missing")
		}
		return arguments{text: trimmed}, nil
	case optionalText:
		return arguments{text: trimmed}, nil
	}
	return f.parseNumbers(trimmed)
}

func (f form) parseNumbers(text string) (a arguments, err error) {
	if text == "" && f == optionalNumber {
		return a, nil
	}
	first, second, two := strings.Cut(text, " ")
	switch {
	case text == "":
		return a, mistake("message number missing")
	case two && f != numberAndNumber:
		return a, mistake("one message number expected")
	case !two && f == numberAndNumber:
		return a, mistake("message number and number of lines expected")
	}
	if a.n, err = parseNumber(first); err != nil {
		return a, err
	}
	if a.n == 0 {
		return a, mistake("messages are numbered from 1")
	}
	if two {
		a.lines, err = parseNumber(strings.TrimLeft(second, " "))
	}
	return a, err
}

// parseNumber takes digits and nothing else: no sign, no wrap-around.
func parseNumber(text string) (int, error) {
	if text == "" {
		return 0, mistake("number missing")
	}
	n := int64(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, mistake("not a number")
		}
		if n = n*10 + int64(text[i]-'0'); n > math.MaxInt32 {
			return 0, mistake("number too large")
		}
	}
	return int(n), nil
}
