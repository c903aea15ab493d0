package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"butler/internal/journal"
	"butler/internal/logx"
)

// Codes of JetStream API errors that have a meaning of their own here.
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeMessageTooLarge       = 10054
	codeStoreFailed           = 10077 // the limit of a stream that discards new messages
)

// explain gives the error of a call the meaning that the port defines. When the
// embedded server failed or left the call without an answer it is noted as
// broken: after a write error it stays silent or turns JetStream off, and only
// opening it again helps. ctx is that of the caller.
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

// broke notes that the server has to be opened again and returns why.
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

// saysFull reports whether a line of the server ends with the words of the
// system for a full disk; it gives no other sign.
func saysFull(line string) bool {
	return slices.ContainsFunc(diskFullErrors(), func(err error) bool { return strings.HasSuffix(line, err.Error()) })
}

// storageError turns an error of the file system into one of the port.
func storageError(err error) error {
	if slices.ContainsFunc(diskFullErrors(), func(full error) bool { return errors.Is(err, full) }) {
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	}
	return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
}
