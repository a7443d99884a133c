package main

import (
	"fmt"
	"sync"
)

// report gathers what became of the mutations of a list.
type report struct {
	total int

	mu    sync.Mutex
	done  int
	wrong int
}

// add notes how a mutation went; nil: as the list has it.
func (r *report) add(m *mutation, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if err != nil {
		r.wrong++
		fmt.Printf("%s:%d: %s\n\t%s\n\tsee %s, tests %s\n", m.file, m.line, m, err, m.where, m.tests)
	}
	if r.done%50 == 0 && r.done < r.total {
		fmt.Printf("%d of %d tried\n", r.done, r.total)
	}
}

// print prints how many there are of each file, and those that survive for a
// reason.
func (r *report) print(list []*mutation) {
	count := map[string]int{}
	var files []string
	for _, m := range list {
		if count[m.file] == 0 {
			files = append(files, m.file)
		}
		count[m.file]++
	}
	fmt.Println()
	for _, file := range files {
		fmt.Printf("%4d  %s\n", count[file], file)
	}
	for _, m := range list {
		if m.alive != "" {
			fmt.Printf("survives: %s: %s: %s\n", m.file, m, m.alive)
		}
	}
}
