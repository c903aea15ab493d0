// Package oserr owns what errors of the operating system mean, by their POSIX
// names: Windows has numbers of its own for most of them, which errors.Is does not
// take for the same.
//
// It guarantees one answer on every system. It must never look at the text of an
// error, which is in the language of the user.
package oserr

import (
	"errors"
	"slices"
	"syscall"
)

// Is reports whether any error in the tree of err is one of the meanings, or what
// this system says instead of it.
func Is(err error, meanings ...syscall.Errno) bool {
	return slices.ContainsFunc(All(meanings...), func(one error) bool { return errors.Is(err, one) })
}

// All returns the meanings, and what this system says instead of them.
func All(meanings ...syscall.Errno) []error {
	var out []error
	for _, meaning := range meanings {
		out = append(out, meaning)
		for _, alias := range aliases[meaning] {
			out = append(out, alias)
		}
	}
	return out
}
