package httpc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"butler/internal/secret"
)

// urlPattern matches a URL in a text, up to the next space or quote.
var urlPattern = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s"'<>` + "`" + `]*`)

// RedactURL returns scheme and host of a URL, the only parts of it that may be
// shown: user, path and query carry keys with many providers.
func RedactURL(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return secret.Mask
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return scheme + "://" + secret.Mask
	}
	// "https://user:pa/ss@host" parses with the host "user:pa"; nobody can tell, so nothing is shown.
	if authority, _, _ := strings.Cut(rest, "/"); !strings.Contains(authority, "@") && u.Port() != "" && strings.Contains(rest, "@") {
		return scheme + "://" + secret.Mask
	}
	return u.Scheme + "://" + u.Host
}

// Redact returns an error that reads as err without secrets: every URL in the
// text is cut to scheme and host, and the given secrets are masked. errors.Is
// and errors.As still see err; nil stays nil.
func Redact(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	return &redactedError{text: hide(err.Error(), append(urlsOf(err), secrets...)), cause: err}
}

// redactedError shows a safe text. It has no Unwrap on purpose: whoever prints the
// chain of an error must not find the secret one link further.
type redactedError struct {
	text  string
	cause error
}

func (r *redactedError) Error() string        { return r.text }
func (r *redactedError) Is(target error) bool { return errors.Is(r.cause, target) }
func (r *redactedError) As(target any) bool   { return errors.As(r.cause, target) }

// urlsOf returns the URL that the HTTP client put into an error, which urlPattern may not see whole.
func urlsOf(err error) []string {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return nil
	}
	_, rest, _ := strings.Cut(failed.URL, "://")
	_, path, _ := strings.Cut(rest, "/")
	return append([]string{path}, partsOf(path)...)
}

// hide masks the secrets in a text, then cuts its URLs.
func hide(text string, secrets []string) string {
	var all []string
	for _, s := range secrets {
		all = append(all, spellings(s)...)
	}
	// The longest first, so that a secret within a secret does not break the outer one.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, s := range slices.Compact(all) {
		text = strings.ReplaceAll(text, s, secret.Mask)
	}
	return urlPattern.ReplaceAllStringFunc(text, RedactURL)
}

// spellings returns the forms in which a secret may appear: as it is, in a URL, in JSON.
func spellings(s string) []string {
	if len(s) < minSecret {
		return nil
	}
	quoted, _ := json.Marshal(s)
	out := []string{s, url.QueryEscape(s), url.PathEscape(s), string(quoted[1 : len(quoted)-1])}
	if plain, err := url.QueryUnescape(s); err == nil && len(plain) >= minSecret {
		out = append(out, plain)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// minSecret is the length of the shortest text that is masked: shorter ones occur in
// ordinary words.
const minSecret = 4

// longPart is the length from which a path segment or a query value may be a key.
const longPart = 8

// secretsOf returns the parts of a request that must not be shown.
func secretsOf(req *http.Request) []string {
	out := partsOf(strings.TrimPrefix(req.URL.RequestURI(), "/"))
	if req.URL.User != nil {
		password, _ := req.URL.User.Password()
		out = append(out, password, req.URL.User.Username(), req.URL.User.String())
	}
	for name, values := range req.Header {
		if !secretHeader(name) {
			continue
		}
		for _, value := range values {
			out = append(out, value)
			_, credentials, _ := strings.Cut(value, " ")
			out = append(out, credentials)
		}
	}
	if user, password, ok := req.BasicAuth(); ok {
		out = append(out, password, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	}
	return append(out, proxySecrets(req)...)
}

// partsOf returns the whole of a path with its query and those of its parts that may be keys.
func partsOf(uri string) []string {
	path, query, _ := strings.Cut(uri, "?")
	var out []string
	if len(uri) >= longPart {
		out = append(out, uri)
	}
	for _, part := range strings.Split(path, "/") {
		if len(part) >= longPart {
			out = append(out, part)
		}
	}
	for _, pair := range strings.Split(query, "&") {
		if _, value, _ := strings.Cut(pair, "="); len(value) >= longPart {
			out = append(out, value)
		}
	}
	return out
}

// secretHeader reports whether a request header of this name carries credentials.
func secretHeader(name string) bool {
	name = strings.ToLower(name)
	if name == "idempotency-key" {
		return false
	}
	return slices.ContainsFunc([]string{"auth", "key", "token", "secret", "cookie", "password"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}
