package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/oserr"
)

// Codes of JetStream API errors that are mapped to errors of the port.
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeMessageTooLarge       = 10054
	codeStoreFailed           = 10077 // the limit of a stream that discards new messages
)

// explain maps the error of a call to one of the port. If the embedded server failed or
// did not reply, it is marked as broken: after a write error it stays silent or disables
// JetStream, and only a new server helps. ctx is the context of the caller.
func (s *Store) explain(ctx context.Context, eng *engine, err error) error {
	if s.isClosed() {
		return journal.ErrClosed
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case codeInsufficientResources, codeStorageExceeded, codeStoreFailed:
			return fmt.Errorf("%w: %s", journal.ErrFull, api.Description)
		case codeMessageTooLarge:
			return fmt.Errorf("%w: %s", journal.ErrTooLarge, api.Description)
		}
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", journal.ErrTooLarge, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return s.broke(eng, err)
}

// broke marks the server as broken and returns the error for the caller.
func (s *Store) broke(eng *engine, err error) error {
	why := err.Error()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		why = eng.lines.complaint()
	}
	full := saysFull(why)
	s.mu.Lock()
	s.full = s.full || full
	s.mu.Unlock()
	kind := journal.ErrUnavailable
	if full {
		kind = journal.ErrFull
	}
	err = fmt.Errorf("%w: journal server: %s", kind, why)
	if !eng.broken.Swap(true) {
		s.log.Warn("journal storage failed and will be opened again", logx.Err(err))
	}
	return err
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// diskFull is a full disk, or an exhausted quota.
var diskFull = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}

// saysFull reports whether a line of the server ends with the system's message for a
// full disk, which is the only sign of it.
func saysFull(line string) bool {
	return slices.ContainsFunc(oserr.All(diskFull...), func(err error) bool { return strings.HasSuffix(line, err.Error()) })
}

// storageError maps an error of the file system to one of the port.
func storageError(err error) error {
	if oserr.Is(err, diskFull...) {
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	}
	return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
}
