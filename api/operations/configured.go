package operations

import (
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// ConfigurationHeader names a configuration file: in every administrative answer
// the file that the service runs with, and in a call that changes something the
// file that the caller has in mind. Several services may run on one machine, and a
// file that sets no port leads to whichever of them has the default one.
const ConfigurationHeader = "X-Butler-Configuration"

// noConfiguration stands for the file of a service without one.
const noConfiguration = "(built-in defaults)"

// EncodeConfiguration returns the value of ConfigurationHeader for a file of this
// machine: its path, and its path with symbolic links resolved where that differs.
func EncodeConfiguration(path string) string {
	var escaped []string
	for _, name := range namesOf(path) {
		escaped = append(escaped, url.PathEscape(name))
	}
	return strings.Join(escaped, ",") // PathEscape escapes commas
}

// OtherConfiguration returns the file that the answering service runs with when it
// is not the one that is meant, and "" when it is, or the answer does not say.
func OtherConfiguration(answer http.Header, meant string) string {
	inForce := decodeConfiguration(answer.Get(ConfigurationHeader))
	if len(inForce) == 0 || meant == "" || shareName(inForce, namesOf(meant)) {
		return ""
	}
	return inForce[0]
}

// setConfigurationHeader tells the caller which service answers.
func (s *operations) setConfigurationHeader(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(ConfigurationHeader, EncodeConfiguration(s.configuration()))
}

// isMeant reports whether a call is meant for this service. One without the header is.
func (s *operations) isMeant(ctx *fasthttp.RequestCtx) bool {
	meant := decodeConfiguration(string(ctx.Request.Header.Peek(ConfigurationHeader)))
	return ctx.IsGet() || len(meant) == 0 || shareName(meant, namesOf(s.configuration()))
}

func (s *operations) configuration() string {
	if s.opts.Configuration == "" {
		return noConfiguration
	}
	return s.opts.Configuration
}

// decodeConfiguration returns the names in a header. One that cannot be decoded is
// kept as it is, and matches no file.
func decodeConfiguration(header string) []string {
	if header == "" {
		return nil
	}
	names := strings.Split(header, ",")
	for i, name := range names {
		if path, err := url.PathUnescape(name); err == nil {
			names[i] = path
		}
	}
	return names
}

// namesOf returns a path and, where it differs, the same path with symbolic links
// resolved. Only call it for a file of one's own: on Windows, resolving a network
// path that somebody sent would log in at the machine it names.
func namesOf(path string) []string {
	names := []string{path}
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
		names = append(names, target)
	}
	return names
}

// shareName reports whether two lists of names have one in common.
func shareName(one, other []string) bool {
	return slices.ContainsFunc(one, func(a string) bool {
		return slices.ContainsFunc(other, func(b string) bool {
			return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
		})
	})
}
