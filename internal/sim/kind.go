package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// kind is a kind of argument. Its values are numbers, which have names.
type kind struct {
	names []string // nil: any number from 0 to most-1, and its name is the number
	most  int
}

var (
	aHost   = kind{names: []string{"a", "b", "c"}}
	aNode   = kind{names: []string{"n1", "n2", "n3", "n4", "n5", "n6"}} // by its place in the cluster
	aUser   = kind{names: []string{"anna", "ben"}}
	aLabel  = kind{names: []string{"u1", "u2", "u3"}}
	aShare  = kind{names: []string{"first", "last", "half", "all"}}
	aCount  = kind{most: 24}
	aTime   = kind{names: []string{"1s", "2m", "90m", "30h"}}
	aSkew   = kind{names: []string{"right", "+3m", "-3m", "+2h", "-2h"}}
	aSwitch = kind{names: []string{"off", "on"}}
	aCentre = kind{names: []string{"dc1", "dc2"}}
	aFactor = kind{names: []string{"0", "1", "2", "3"}}
)

// size returns how many values there are.
func (k kind) size() int { return max(k.most, len(k.names)) }

func (k kind) name(value int) string {
	if k.names == nil {
		return strconv.Itoa(value)
	}
	return k.names[value%len(k.names)]
}

func (k kind) number(name string) (int, error) {
	if k.names == nil {
		return strconv.Atoi(name)
	}
	if i := slices.Index(k.names, name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%q is none of %s", name, strings.Join(k.names, ", "))
}

// same reports whether two kinds are the same.
func (k kind) same(other kind) bool {
	return len(k.names) > 0 && len(other.names) > 0 && &k.names[0] == &other.names[0]
}
