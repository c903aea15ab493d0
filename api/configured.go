package api

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
// that of the service, in a call that changes something the one that the caller
// means. Several services may run on a machine, and a file that names no port means
// whichever has the usual one.
const ConfigurationHeader = "X-Butler-Configuration"

// noConfiguration stands for the file of a service without one.
const noConfiguration = "(built-in defaults)"

// EncodeConfiguration makes the names of a file of this machine fit for the header: its
// path, and where links on the way lead.
func EncodeConfiguration(path string) string {
	var escaped []string
	for _, name := range namesOf(path) {
		escaped = append(escaped, url.PathEscape(name))
	}
	return strings.Join(escaped, ",") // which a name in the header does not hold
}

// OtherConfiguration returns the file that the service which answered runs with,
// where it is not the one that is meant; "" where it is, or does not say.
func OtherConfiguration(answer http.Header, meant string) string {
	inForce := decodeConfiguration(answer.Get(ConfigurationHeader))
	if len(inForce) == 0 || meant == "" || shareName(inForce, namesOf(meant)) {
		return ""
	}
	return inForce[0]
}

// sayConfiguration tells the caller who answers.
func (s *operations) sayConfiguration(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(ConfigurationHeader, EncodeConfiguration(s.configuration()))
}

// isMeant reports whether a call is meant for this service; one that does not say is.
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

// decodeConfiguration returns the names in a header; what is no such text is a name
// that no file has.
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

// namesOf returns the names of a file. Each side asks its own system for those of its
// own file only: to look for a path that somebody sent may mean to log in where it leads.
func namesOf(path string) []string {
	names := []string{path}
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
		names = append(names, target)
	}
	return names
}

// shareName reports whether two files have a name in common.
func shareName(one, other []string) bool {
	return slices.ContainsFunc(one, func(a string) bool {
		return slices.ContainsFunc(other, func(b string) bool {
			return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
		})
	})
}
