package httpc

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"butler/internal/destination"
	"butler/internal/text"
)

const (
	// MaxRetryAfter is the longest delay that a provider can ask for.
	MaxRetryAfter = time.Hour

	maxExcerptBytes = 4 << 10
	maxExcerptRunes = 300
)

// StatusError is a response without a 2xx status.
type StatusError struct {
	Code int
	text string
}

// Error implements error.
func (e *StatusError) Error() string { return e.text }

// Check returns nil for a 2xx response, and otherwise an error of the kind below. Its
// text has the host, the status and the beginning of the body, without secrets of the
// request. It reads from the body of a failed response and does not close it.
//
//	429, 503 with Retry-After            throttled
//	401, 403, 404, 407, 410, 3xx         misconfigured
//	408, 425, 5xx, 1xx                   transient
//	every other 4xx                      permanent
func Check(resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	err := error(&StatusError{Code: resp.StatusCode, text: describe(resp)})
	after, asked := retryAfter(resp)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && asked:
		return destination.Throttled(err, after)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return err
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound,
		code == http.StatusProxyAuthRequired, code == http.StatusGone, code >= 300 && code < 400:
		return destination.Misconfigured(err)
	case code >= 400 && code < 500:
		return destination.Permanent(err)
	}
	return err
}

// describe returns the text for a failed response.
func describe(resp *http.Response) string {
	who, secrets := "the server", []string(nil)
	if resp.Request != nil && resp.Request.URL != nil {
		who, secrets = resp.Request.URL.Host, secretsOf(resp.Request)
	}
	text := fmt.Sprintf("%s answered %d %s", who, resp.StatusCode, http.StatusText(resp.StatusCode))
	if excerpt := excerpt(resp.Body, secrets); excerpt != "" {
		text += ": " + excerpt
	}
	return text
}

// excerpt reads the beginning of a body and makes it fit for a line of a log.
func excerpt(body io.Reader, secrets []string) string {
	if body == nil {
		return ""
	}
	// What was read before an error is still worth showing.
	raw, _ := io.ReadAll(io.LimitReader(body, maxExcerptBytes))
	return Excerpt(strings.ToValidUTF8(string(raw), ""), maxExcerptRunes, secrets...)
}

// Excerpt is text.Excerpt for what may hold secrets: none is in what it returns.
func Excerpt(s string, limit int, secrets ...string) string {
	// Twice, because a character that goes may have stood inside a secret.
	s = text.Excerpt(hide(s, secrets), len(s))
	return text.Excerpt(hide(s, secrets), limit)
}

// retryAfter returns the delay that the answer asks for, and whether it asks for any.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	value := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		// Compared as a number first: a huge one would overflow a duration.
		if !(seconds > 0) {
			return 0, true
		}
		return time.Duration(min(seconds, MaxRetryAfter.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	// The server's own clock is the one its date was made with.
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter), true
}
