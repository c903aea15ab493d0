package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/coder/websocket"

	"butler/internal/httpc"
	"butler/internal/jsonshape"
	"butler/messages"
)

// What ends a reload without the engine saying so.
var (
	// ErrNotReloaded says that the engine ended the reload and called it failed.
	ErrNotReloaded = errors.New("the engine says that the reload failed")
	// ErrStopped says that somebody stopped the reload.
	ErrStopped = errors.New("the reload was stopped")
	// ErrClosed says that the client was closed while the reload ran.
	ErrClosed = errors.New("the service stops")
)

// ErrAppID says that a text is not the ID of an app, whatever apps there are.
var ErrAppID = errors.New("the app ID is empty, too long or a path")

var (
	errLate       = errors.New("no answer in time")
	errSilent     = errors.New("the engine gives no sign of life")
	errTooMuch    = errors.New("the engine sent more than allowed")
	errNotText    = errors.New("the answer is not JSON text")
	errNoObject   = errors.New("it does not exist")
	errMustLogIn  = errors.New("the engine wants a log-in: is this the engine's own port?")
	errNoSessions = errors.New("the engine gives no session")
)

func errMissing(member string) error { return errors.New("the answer has no " + member) }

// errNot names what is wanted by its first character.
func errNot(begin json.Delim) error {
	return fmt.Errorf("the answer has something else where %s is wanted", map[json.Delim]string{'{': "an object", '[': "a list"}[begin])
}

// Codes of the engine that say more than that it refuses.
const (
	codeNotFound    = 2
	codeAlreadyOpen = 1002
	codeAppNotFound = 1003
	codeNoConnect   = 1008
	codeOtherMode   = 1009
)

// Error is a conversation that did not work. Its text names the engine, the
// call and what happened; it never holds the value of a header.
type Error struct {
	// Kind says what the caller can do about it. FailureNotFound always means
	// that the app does not exist.
	Kind messages.FailureKind

	address string
	call    string
	code    int // of the engine; 0 when it gave none
	text    string
	cause   error
}

// Error says what was asked of whom and what happened.
func (e *Error) Error() string {
	text := "engine " + e.address + ": " + e.call
	if e.code != 0 {
		text += ": code " + strconv.Itoa(e.code)
	}
	return text + ": " + e.text
}

// Code returns the engine's own code of the error, 0 when it gave none.
func (e *Error) Code() int { return e.code }

// Failure returns the error as a value that can travel in a message.
func (e *Error) Failure() messages.Failure { return messages.Failure{Kind: e.Kind, Text: e.Error()} }

// Is lets errors.Is see the cause. There is no Unwrap on purpose: the text of
// the cause may hold what ours hides.
func (e *Error) Is(target error) bool { return errors.Is(e.cause, target) }

// maxErrorText bounds what is shown of a cause, in characters.
const maxErrorText = 500

// failed makes an error of a call; it keeps one that is already explained.
func (c *Client) failed(call string, kind messages.FailureKind, cause error) error {
	if explained, ok := errors.AsType[*Error](cause); ok {
		return explained
	}
	// The address of a handshake names the app, in a form that only reads badly.
	if outer, ok := errors.AsType[*url.Error](cause); ok {
		cause = outer.Err
	}
	shown := cause
	if errors.Is(cause, context.DeadlineExceeded) {
		shown = errLate
	}
	if odd, _, ok := jsonshape.Mismatch(cause); ok {
		shown = errors.New("the answer has " + odd)
	}
	return &Error{
		Kind: kind, address: c.address, call: call, cause: cause,
		text: httpc.Excerpt(shown.Error(), maxErrorText, c.secrets...),
	}
}

// refused makes an error of an answer that is one.
func (c *Client) refused(call string, answer *rpcError) error {
	text := answer.Message
	if answer.Parameter != "" {
		text += ": " + answer.Parameter
	}
	return &Error{
		Kind: kindOfCode(call, answer.Code), address: c.address, call: call, code: answer.Code,
		text: httpc.Excerpt(text, maxErrorText, c.secrets...),
	}
}

// kindOfCode classifies a code. That something is not found means the app only
// where the app is opened: elsewhere it is a part of it that has gone.
func kindOfCode(call string, code int) messages.FailureKind {
	switch code {
	case codeNotFound, codeAppNotFound:
		if call == "OpenDoc" {
			return messages.FailureNotFound
		}
	case codeAlreadyOpen, codeNoConnect, codeOtherMode:
		return messages.FailureUnavailable
	}
	return messages.FailureRejected
}

// kindOf classifies what ended a connection, or did not let it begin.
func kindOf(err error) messages.FailureKind {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return messages.FailureTimeout
	case errors.Is(err, websocket.ErrMessageTooBig), errors.Is(err, errTooMuch), errors.Is(err, errNotText):
		return messages.FailureInvalid
	case errors.Is(err, errMustLogIn), errors.Is(err, errNoSessions):
		return messages.FailureRejected
	}
	switch websocket.CloseStatus(err) {
	case websocket.StatusPolicyViolation:
		return messages.FailureRejected
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData, websocket.StatusInvalidFramePayloadData,
		websocket.StatusMessageTooBig, websocket.StatusMandatoryExtension:
		return messages.FailureInvalid
	default:
		return messages.FailureUnavailable
	}
}

// kindOfLoss is kindOf for an open session: what neither the network nor a close
// frame explains is a frame that makes no sense.
func kindOfLoss(err error) messages.FailureKind {
	kind := kindOf(err)
	if kind != messages.FailureUnavailable || websocket.CloseStatus(err) != -1 {
		return kind
	}
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.Canceled, errSilent, ErrStopped, ErrClosed,
	} {
		if errors.Is(err, known) {
			return kind
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return kind
	}
	return messages.FailureInvalid
}

// handshakeError explains why there is no session.
func (c *Client) handshakeError(err error, resp *http.Response) error {
	if _, ok := errors.AsType[*net.OpError](err); ok || resp == nil {
		return c.failed("connect", kindOf(err), err)
	}
	kind := messages.FailureRejected
	switch status := resp.StatusCode; {
	case status == http.StatusSwitchingProtocols:
		return c.failed("connect", messages.FailureInvalid, errors.New("the answer to the handshake is not that of a WebSocket"))
	case status == http.StatusRequestTimeout:
		kind = messages.FailureTimeout
	case status == http.StatusTooManyRequests, status >= 500:
		kind = messages.FailureUnavailable
	case status < 300:
		kind = messages.FailureInvalid
	}
	return c.failed("connect", kind, fmt.Errorf("the handshake was answered with status %d", resp.StatusCode))
}
