package model

import (
	"errors"
	"fmt"
	"slices"
)

// Emit takes a state that can follow, and the step that leads to it: a text
// with %d for each of its numbers. The text is put together only if it becomes
// part of a history.
type Emit[S any] func(next S, step string, numbers ...int)

// Model is a protocol, with the faults that it has to bear.
type Model[S comparable] struct {
	Start S

	// Next emits every state that can follow after a state. Nothing has to
	// happen: a process that dies is one that takes no more steps, and a
	// message that is lost is one that never arrives.
	Next func(S, Emit[S])

	// Same returns the state that stands for all states that differ in nothing
	// but the names of replicas. If it is nil, each state stands for itself.
	Same func(S) S

	// Bad returns what is wrong with a state, or "".
	Bad func(S) string

	// Goals are states that a search has to come to. A protocol that does
	// nothing is never wrong.
	Goals []Goal[S]
}

// Goal is a kind of state that some run comes to.
type Goal[S any] struct {
	Name string
	Is   func(S) bool
}

// Result is what a search has found.
type Result struct {
	States int // states visited

	// Bad is what is wrong after the steps of History, which is one of the
	// shortest. Both are empty if nothing can go wrong.
	Bad     string
	History []string

	Missed []string // the goals that no run came to
}

// ErrLimit says that a search has not visited every state: it proves nothing.
var ErrLimit = errors.New("model: more states than the limit")

// Search visits the states of a model, those after fewer steps first, until one
// is bad or all are visited. It returns ErrLimit if there are more than limit.
func Search[S comparable](m Model[S], limit int) (Result, error) {
	if m.Same == nil {
		m.Same = func(s S) S { return s }
	}
	start := m.Same(m.Start)
	seen := map[S]struct{}{start: {}}
	states, parents := []S{start}, []int{-1}
	goals := slices.Clone(m.Goals)
	for i := 0; i < len(states); i++ {
		s := states[i]
		if bad := m.Bad(s); bad != "" {
			return Result{States: len(states), Bad: bad, History: m.history(states, parents, i)}, nil
		}
		goals = slices.DeleteFunc(goals, func(g Goal[S]) bool { return g.Is(s) })
		m.Next(s, func(next S, _ string, _ ...int) {
			next = m.Same(next)
			if _, ok := seen[next]; !ok {
				seen[next] = struct{}{}
				states, parents = append(states, next), append(parents, i)
			}
		})
		if len(states) > limit {
			return Result{States: len(states)}, fmt.Errorf("%w, %d", ErrLimit, limit)
		}
	}
	result := Result{States: len(states)}
	for _, g := range goals {
		result.Missed = append(result.Missed, g.Name)
	}
	return result, nil
}

// history returns the steps that lead to a state. It takes them again from the
// start, so that a replica keeps its name from the first step to the last.
func (m Model[S]) history(states []S, parents []int, last int) []string {
	var path []S
	for i := last; i > 0; i = parents[i] {
		path = append(path, states[i])
	}
	slices.Reverse(path)
	var steps []string
	now := m.Start
	for _, want := range path {
		found := false
		m.Next(now, func(next S, step string, numbers ...int) {
			if found || m.Same(next) != want {
				return
			}
			found, now = true, next
			steps = append(steps, text(step, numbers))
		})
		if !found {
			panic("model: the replicas of the model are not alike")
		}
	}
	return steps
}

func text(step string, numbers []int) string {
	args := make([]any, len(numbers))
	for i, n := range numbers {
		args[i] = n
	}
	return fmt.Sprintf(step, args...)
}
