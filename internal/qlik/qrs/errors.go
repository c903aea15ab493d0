package qrs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"butler/internal/httpc"
	"butler/internal/oserr"
	"butler/messages"
)

// Error is a call that did not work. Its text names the endpoint, the host and
// what happened, in the parts and the order operators know from their logs; it
// never holds the request key or a header's value.
type Error struct {
	// Kind says what the caller can do about it.
	Kind messages.FailureKind

	client  *Client
	request request
	status  int    // 0 when there was no answer
	body    string // a summary of the body of an error answer
	code    string // of a failure on the way, such as ECONNREFUSED
	err     error
}

// Failure returns the error as a value that can travel in a message.
func (e *Error) Failure() messages.Failure { return messages.Failure{Kind: e.Kind, Text: e.Error()} }

// Unwrap returns the cause, nil for an answer with an unwanted status.
func (e *Error) Unwrap() error { return e.err }

// Status returns the HTTP status of the answer, 0 when there was none.
func (e *Error) Status() int { return e.status }

// Error lists the parts "key: value" that there are, separated by commas.
func (e *Error) Error() string { return e.about(e.endpoint()) }

// Trouble is the text for callers whose look-up was batched with others: it names the
// kind of objects, but not their IDs.
func (e *Error) Trouble() string {
	kind, _, _ := strings.Cut(e.request.path, "/")
	return e.about(line(kind, 400))
}

func (e *Error) about(endpoint string) string {
	base := e.client.base
	parts := []string{"endpoint: " + endpoint, "host: " + base.Hostname()}
	if port := base.Port(); port != "" {
		parts = append(parts, "port: "+port)
	}
	if e.err != nil {
		if e.code != "" {
			parts = append(parts, "code: "+e.code)
		}
		parts = append(parts, "message: "+e.client.clean(e.err.Error(), ""), "method: "+e.request.verb(),
			"timeout: "+strconv.FormatInt(e.client.timeout.Milliseconds(), 10)+"ms")
		if e.status != 0 {
			parts = append(parts, "status: "+strconv.Itoa(e.status))
		}
		return strings.Join(parts, ", ")
	}
	parts = append(parts, "method: "+e.request.verb(), "expectedStatus: "+e.request.expected(), "status: "+strconv.Itoa(e.status))
	if e.body != "" {
		parts = append(parts, e.body)
	}
	return strings.Join(parts, ", ")
}

// endpoint is what was asked: the path and the readable filter.
func (e *Error) endpoint() string {
	text := e.request.path
	if !e.request.filter.IsZero() {
		text += "?filter=" + e.request.filter.summary()
	}
	return line(text, 400)
}

func (r request) expected() string {
	if r.verb() == http.MethodGet {
		return "200"
	}
	return "204"
}

// transportError classifies a call without an answer.
func (c *Client) transportError(r request, key string, err error) error {
	// The text of a url.Error holds the address with the request key.
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	failed := &Error{Kind: messages.FailureUnavailable, client: c, request: r, code: transportCode(err), err: err}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		failed.Kind = messages.FailureTimeout
		failed.code = "ECONNABORTED"
	case errors.Is(err, errOtherHost), errors.Is(err, errManyRedirects):
		failed.Kind = messages.FailureRejected
	}
	if strings.Contains(err.Error(), key) {
		failed.err = errors.New(c.clean(err.Error(), key))
	}
	return failed
}

// transportCodes name failures on the way as operators know them.
var transportCodes = []struct {
	cause syscall.Errno
	code  string
}{
	{syscall.ECONNREFUSED, "ECONNREFUSED"},
	{syscall.ECONNRESET, "ECONNRESET"},
	{syscall.EPIPE, "EPIPE"},
	{syscall.EHOSTUNREACH, "EHOSTUNREACH"},
	{syscall.ENETUNREACH, "ENETUNREACH"},
}

func transportCode(err error) string {
	for _, known := range transportCodes {
		if oserr.Is(err, known.cause) {
			return known.code
		}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "ENOTFOUND"
	}
	return ""
}

// statusError classifies an answer with an unwanted status.
func (c *Client) statusError(r request, key string, status int, body []byte) error {
	return &Error{
		Kind: kindOfStatus(status, r.single), client: c, request: r,
		status: status, body: c.clean(summary(body), key),
	}
}

// kindOfStatus maps a status to a kind. Only a path that names one object can
// say with 404 that the object does not exist; for a list it means that the
// address is wrong.
func kindOfStatus(status int, single bool) messages.FailureKind {
	switch {
	case status == http.StatusNotFound && single:
		return messages.FailureNotFound
	case status == http.StatusRequestTimeout:
		return messages.FailureTimeout
	case status == http.StatusTooManyRequests, status >= 500:
		return messages.FailureUnavailable
	case status >= 300:
		return messages.FailureRejected
	}
	return messages.FailureInvalid
}

// invalid reports an answer that could not be understood.
func (c *Client) invalid(r request, format string, args ...any) error {
	return &Error{Kind: messages.FailureInvalid, client: c, request: r, status: http.StatusOK, err: fmt.Errorf(format, args...)}
}

// rejected reports a call that was not made because its argument makes no sense.
func (c *Client) rejected(r request, err error) error {
	return &Error{Kind: messages.FailureRejected, client: c, request: r, err: err}
}

// maxErrorText bounds what is shown of an answer, in characters.
const maxErrorText = 1000

// clean makes a text from the server safe for a log line: one line, without the request
// key and the values of our headers.
func (c *Client) clean(text, key string) string {
	return httpc.Excerpt(text, maxErrorText, append([]string{key}, c.secrets...)...)
}

// previewLength is how many characters of an error answer that is text are shown.
const previewLength = 200

// summary describes the body of an error answer in a few words.
func summary(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	var value any
	if json.Unmarshal(body, &value) != nil {
		return textSummary(string(body))
	}
	switch v := value.(type) {
	case string:
		return textSummary(v)
	case []any:
		return "bodyType: array, bodyLength: " + strconv.Itoa(len(v))
	case map[string]any:
		return objectSummary(v)
	case nil:
		return ""
	}
	return "body: " + line(string(body), previewLength)
}

func textSummary(text string) string {
	if n := len([]rune(text)); n > previewLength {
		return "bodyLength: " + strconv.Itoa(n) + ", bodyPreview: " + shorten(text, previewLength) + "..."
	}
	return "body: " + text
}

// objectSummary shows the four members in which services explain themselves, if they are plain values.
func objectSummary(object map[string]any) string {
	var parts []string
	for _, name := range []string{"message", "error", "details", "code"} {
		switch v := object[name].(type) {
		case string:
			parts = append(parts, "body."+name+": "+shorten(v, previewLength))
		case float64, bool:
			parts = append(parts, fmt.Sprintf("body.%s: %v", name, v))
		}
	}
	if len(parts) == 0 {
		return "bodyType: object"
	}
	return strings.Join(parts, ", ")
}
