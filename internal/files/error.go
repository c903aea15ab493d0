package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"butler/internal/oserr"
)

// Kind is the class of an error.
type Kind int

// The kinds of errors.
const (
	// Failed: the disk failed, or the operands do not fit each other.
	Failed Kind = iota
	// NotApproved: the path is not approved, whether it exists or not.
	NotApproved
	// NotFound: the file to copy, move or delete does not exist.
	NotFound
	// Exists: the destination exists and may not be overwritten.
	Exists
	// Invalid: no file could satisfy the request.
	Invalid
)

func (k Kind) String() string {
	switch k {
	case NotApproved:
		return "not approved"
	case NotFound:
		return "not found"
	case Exists:
		return "exists"
	case Invalid:
		return "invalid"
	default:
		return "failed"
	}
}

// Error is the error of an operation. It names only paths that the caller sent or that
// are in approved directories.
type Error struct {
	Kind Kind
	// Op is the operation, such as "copy" or "create directory".
	Op string
	// Path is the operand that the error is about.
	Path string
	// What says what is wrong with Path, and Remedy how to fix it.
	What, Remedy string
	// Err is the cause, or nil.
	Err error
}

func (e *Error) Error() string {
	text := quoted(e.Path) + " " + e.What
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; " + e.Remedy
}

func (e *Error) Unwrap() error { return e.Err }

func refuse(kind Kind, path, what, remedy string) *Error {
	return &Error{Kind: kind, Path: path, What: what, Remedy: remedy}
}

func invalid(path, what, remedy string) *Error { return refuse(Invalid, path, what, remedy) }

// explain turns an error of op into an Error. If it does not say which path it is about,
// that is subject.
func explain(op, subject string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Error](err); ok {
		known.Op = op
		return known
	}
	failed := &Error{Kind: Failed, Op: op, Path: subject, What: "was not done", Remedy: "see the cause", Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		failed.Remedy = "send it again, with more time"
	case errors.Is(err, fs.ErrPermission):
		failed.Remedy = "give the user that the service runs as the right to do it"
	case oserr.Is(err, syscall.ENAMETOOLONG):
		failed.Kind, failed.Remedy = Invalid, "shorten the path"
	case oserr.Is(err, syscall.ENOSPC, syscall.EDQUOT):
		failed.Remedy = "make room on the disk"
	}
	return failed
}

// confined replaces the error that root returns for a path that leads out of it. The os
// package does not export that error, so it is provoked again for the comparison.
func confined(root *os.Root, path string, err error) error {
	if err == nil {
		return nil
	}
	_, outside := root.Lstat("..")
	if sample, ok := errors.AsType[*fs.PathError](outside); ok && errors.Is(err, sample.Err) {
		return refuse(NotApproved, path, "goes through a link that leads out of the approved directory", "use a path without that link")
	}
	return fmt.Errorf("%s: %w", quoted(path), err)
}

// missing reports whether err says that the file does not exist.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || oserr.Is(err, syscall.ENOTDIR)
}

// quoted returns a path from a caller on one line of bounded length.
func quoted(path string) string {
	const most = 300
	if len(path) > most {
		return fmt.Sprintf("%q... (%d bytes)", path[:most], len(path))
	}
	return strconv.Quote(path)
}
