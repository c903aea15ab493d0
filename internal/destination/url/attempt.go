package url

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"butler/internal/destination"
	"butler/internal/httpc"
)

// silent discards the log of the library, which would contain payloads and URLs.
var silent = log.New(io.Discard, "", 0)

var (
	// errEnded is what requests of the library return after the attempt has failed. The
	// library neither waits nor retries after it.
	errEnded = errors.New("the attempt is over")
	// errPanic reports that the library panicked.
	errPanic = errors.New("the library crashed over this message")
)

// attempt is one call of the library and the transport of its HTTP client. As the
// transport it sees every request and answer, while the library takes no context, hides
// status codes and drops some errors. An attempt is used once, by one goroutine.
type attempt struct {
	//nolint:containedctx // the library has no other way to take it along
	ctx      context.Context
	client   *http.Client
	provider provider
	url      string
	secrets  []string

	// failure is the first error of a request.
	failure error
	// taken counts the accepted messages. last is the last answer, and host its origin,
	// "" before the first.
	taken int
	last  httpc.Answer
	host  string
}

func newAttempt(ctx context.Context, client *http.Client, p provider, raw string) *attempt {
	return &attempt{ctx: ctx, client: client, provider: p, url: raw, secrets: secretsOf(raw)}
}

// send sends the message and returns the last answer, or a classified error without
// secrets.
func (a *attempt) send(m message) (httpc.Answer, error) {
	// The values of parameters may be keys, except the title.
	for name, value := range m.params {
		if name != types.TitleKey {
			a.secrets = append(a.secrets, value)
		}
	}
	err := a.call(m)
	switch {
	case errors.Is(err, errPanic):
		return httpc.Answer{}, destination.Permanent(err)
	case a.failure != nil:
		return httpc.Answer{}, a.failure
	case err != nil && a.host != "":
		return httpc.Answer{}, a.refused(err)
	case err != nil:
		return httpc.Answer{}, destination.Misconfigured(fmt.Errorf("%s does not accept the message as configured: %s", a.provider.scheme, a.innermost(err)))
	case a.taken == 0:
		return httpc.Answer{}, destination.Misconfigured(errors.New("the URL names no recipient"))
	}
	return a.last, nil
}

// call runs the library. It returns errPanic if that panics.
func (a *attempt) call(m message) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	s, err := a.provider.open(a.url, &http.Client{Transport: a})
	if err != nil {
		return err
	}
	return s.Send(m.text, &m.params)
}

// RoundTrip implements http.RoundTripper. It hides failures from the library, which would
// wait and retry: the library gets errEnded for the failed request and all later ones.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.failure != nil {
		closeBody(req)
		return nil, errEnded
	}
	if a.provider.limitsPath != "" && req.URL.Path == a.provider.limitsPath {
		closeBody(req)
		return respond(req, httpc.Answer{Status: http.StatusNotFound}), nil
	}
	out := req.Clone(a.ctx)
	if a.provider.fixURL != nil {
		a.provider.fixURL(out.URL)
	}
	answer, err := httpc.Send(a.client, out, a.secretsFor(req.URL.Host)...)
	if err != nil {
		a.failure = err
		return nil, errEnded
	}
	if a.provider.carrier == "" || req.Method == a.provider.carrier {
		a.taken++
	}
	a.last, a.host = answer, req.URL.Host
	return respond(req, answer), nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

func respond(req *http.Request, answer httpc.Answer) *http.Response {
	header := answer.Header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		Status: strconv.Itoa(answer.Status) + " " + http.StatusText(answer.Status), StatusCode: answer.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: req,
		Body: io.NopCloser(bytes.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)),
	}
}

// bodyErrorKinds classifies the error codes in the bodies of answers with a successful
// status. Any other code is a permanent error of the message.
var bodyErrorKinds = map[string]destination.ErrorKind{
	// Slack.
	"ratelimited": destination.ThrottledKind, "invalid_auth": destination.MisconfiguredKind,
	"not_authed": destination.MisconfiguredKind, "account_inactive": destination.MisconfiguredKind,
	"token_revoked": destination.MisconfiguredKind, "token_expired": destination.MisconfiguredKind,
	"missing_scope": destination.MisconfiguredKind, "channel_not_found": destination.MisconfiguredKind,
	"not_in_channel": destination.MisconfiguredKind, "is_archived": destination.MisconfiguredKind,
	// Lark.
	"9499": destination.ThrottledKind, "11232": destination.ThrottledKind, "19001": destination.MisconfiguredKind,
	"19021": destination.MisconfiguredKind, "19022": destination.MisconfiguredKind, "19024": destination.MisconfiguredKind,
	// WeCom.
	"45009": destination.ThrottledKind, "45033": destination.ThrottledKind, "93000": destination.MisconfiguredKind,
}

// refused returns the error for an answer with a successful status that the library
// rejected, with err, because of its body.
func (a *attempt) refused(err error) error {
	var body struct {
		Error   any `json:"error"`
		ErrCode any `json:"errcode"`
		Code    any `json:"code"`
	}
	kind := destination.PermanentKind
	if json.Unmarshal(a.last.Body, &body) == nil {
		for _, code := range []any{body.Error, body.ErrCode, body.Code} {
			if known, ok := bodyErrorKinds[fmt.Sprint(code)]; ok {
				kind = known
			}
		}
	}
	host := a.host
	if len(hostSecrets(a.url, host)) > 0 {
		host = a.provider.scheme
	}
	text := httpc.Excerpt(err.Error(), maxReason, a.secretsFor(a.host)...)
	return &destination.Error{Kind: kind, Err: fmt.Errorf("%s answered %d, and refused the message: %s", host, a.last.Status, text)}
}

// maxReason bounds the shown part of a library error, in characters.
const maxReason = 300

// innermost returns the text of the innermost cause of a library error, without secrets.
// It is a fixed text in cases in which the errors around it contain parts of the URL.
func (a *attempt) innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if many, ok := errors.AsType[interface {
			error
			Unwrap() []error
		}](err); next == nil && ok {
			causes := many.Unwrap()
			next = causes[len(causes)-1]
		}
		if next == nil {
			return httpc.Excerpt(err.Error(), maxReason, a.secretsFor(a.host)...)
		}
		err = next
	}
}

// longValue is the length in bytes from which a query value is treated as a key. Shorter
// values are words such as json.
const longValue = 8

// secretsOf returns all parts of a URL that may be secret: all but scheme and host, and
// query values that are shorter than longValue.
func secretsOf(raw string) []string {
	u, err := neturl.Parse(raw)
	if err != nil {
		return []string{raw}
	}
	out := []string{raw}
	if _, rest, ok := strings.Cut(raw, "://"); ok {
		out = append(out, rest)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		out = append(out, u.User.Username(), password)
		out = append(out, strings.FieldsFunc(u.User.Username()+":"+password, func(r rune) bool { return strings.ContainsRune(":-/,", r) })...)
	}
	out = append(out, strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")...)
	for _, values := range u.Query() {
		for _, value := range values {
			if len(value) >= longValue {
				out = append(out, value)
			}
		}
	}
	return append(out, u.Opaque, u.Fragment)
}

// hostSecrets returns the host part of the URL unless it occurs in the name of the called
// host: the URLs of some services have a key in its place.
func hostSecrets(raw, called string) []string {
	u, err := neturl.Parse(raw)
	if err != nil || u.Host == "" || strings.Contains(strings.ToLower(called), strings.ToLower(u.Hostname())) {
		return nil
	}
	return []string{u.Host, u.Hostname()}
}

// secretsFor returns the texts that must not be shown in an answer or error of the called host.
func (a *attempt) secretsFor(called string) []string {
	return append(hostSecrets(a.url, called), a.secrets...)
}
