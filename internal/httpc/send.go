package httpc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"butler/internal/destination"
	"butler/internal/neterr"
)

// Answer is the response to a successful call.
type Answer struct {
	// Status is the status code, 2xx.
	Status int
	Header http.Header
	// Body is the body, or as much of its first 64 KiB as arrived.
	Body []byte
}

// Receipt returns the response as the receipt of a delivered notice.
func (a Answer) Receipt() destination.Receipt {
	return destination.Receipt{Status: strconv.Itoa(a.Status), Detail: http.StatusText(a.Status)}
}

const maxAnswer = 64 << 10

// Send makes one call and reads the response. An error is classified (see Check) and
// redacted: secrets are masked in addition to those in the request itself. A call without
// a response is transient, whatever the reason, since networks recover; an invalid URL
// and a refused redirect are misconfigured. Send closes the body and leaves the
// connection usable.
func Send(client *http.Client, req *http.Request, secrets ...string) (Answer, error) {
	resp, err := call(client, req, secrets)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	// The provider has accepted the message, so an incomplete body does not matter.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Fetch is Send for a call whose response is needed: it reads the whole body, and an
// incomplete or too long one is an error.
func Fetch(client *http.Client, req *http.Request, secrets ...string) ([]byte, error) {
	return FetchWith(client, req, io.ReadAll, secrets...)
}

// FetchWith is Fetch with a function that reads the body, such as one that skips parts.
func FetchWith(client *http.Client, req *http.Request, read func(io.Reader) ([]byte, error), secrets ...string) ([]byte, error) {
	resp, err := call(client, req, secrets)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := read(resp.Body)
	switch {
	case errors.Is(err, ErrBodyTooLong):
		return nil, destination.Permanent(fmt.Errorf("%s %s: %w", req.Method, RedactURL(req.URL.String()), err))
	case err != nil:
		return nil, explain(err, req, secrets)
	}
	return body, nil
}

// call makes one call and returns a response with a 2xx status.
func call(client *http.Client, req *http.Request, secrets []string) (*http.Response, error) {
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Hostname() == "" {
		return nil, destination.Misconfigured(fmt.Errorf("the address needs http or https and a host, it is %s", RedactURL(req.URL.String())))
	}
	//nolint:gosec // G704: to call what the operator configured is the purpose
	resp, err := client.Do(req)
	if err != nil {
		return nil, explain(err, req, secrets)
	}
	if err := Check(resp); err != nil {
		drain(resp.Body)
		_ = resp.Body.Close()
		return nil, mask(err, secrets)
	}
	return resp, nil
}

// drain reads the rest of a short body, so that the connection can be reused.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, maxAnswer) }

// mask hides secrets in a classified error and keeps its kind.
func mask(err error, secrets []string) error {
	classified, ok := errors.AsType[*destination.Error](err)
	if !ok {
		return Redact(err, secrets...)
	}
	return &destination.Error{Kind: classified.Kind, After: classified.After, Err: Redact(classified.Err, secrets...)}
}

// explain describes why a call got no response.
func explain(err error, req *http.Request, secrets []string) error {
	text := reason(err, req.URL.Host)
	known := append(secretsOf(req), secrets...)
	failure := &redactedError{
		text:  fmt.Sprintf("%s %s: %s", req.Method, RedactURL(req.URL.String()), hide(text, append(urlsOf(err), known...))),
		cause: err,
	}
	refused, byProxy := errors.AsType[*proxyError](err)
	if errors.Is(err, ErrRedirect) || byProxy && refused.misconfigured() {
		return destination.Misconfigured(failure)
	}
	return failure
}

// reason returns what to tell about a failure.
func reason(err error, host string) string {
	if why := neterr.Reason(err, notReached(err, host)); why != "" {
		return why
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err.Error()
	}
	return err.Error()
}
