package api

import (
	"net/http"
	"net/url"
	"os"

	"github.com/valyala/fasthttp"
)

// ConfigurationHeader names a configuration file: in every administrative answer
// that of the service, in a call that changes something the one that the caller
// means. Several services may run on a machine, and a file that names no port means
// whichever has the usual one.
const ConfigurationHeader = "X-Butler-Configuration"

// noConfiguration stands for the file of a service without one.
const noConfiguration = "(built-in defaults)"

// EncodeConfiguration makes a path fit for the header.
func EncodeConfiguration(path string) string { return url.PathEscape(path) }

// OtherConfiguration returns the file that the service which answered runs with,
// where it is not the one that is meant; "" where it is, or does not say.
func OtherConfiguration(answer http.Header, meant string) string {
	inForce := decodeConfiguration(answer.Get(ConfigurationHeader))
	if inForce == "" || meant == "" || sameFile(inForce, meant) {
		return ""
	}
	return inForce
}

// sayConfiguration tells the caller who answers.
func (s *Server) sayConfiguration(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(ConfigurationHeader, EncodeConfiguration(s.configuration()))
}

// isMeant reports whether a call is meant for this service; one that does not say is.
func (s *Server) isMeant(ctx *fasthttp.RequestCtx) bool {
	meant := decodeConfiguration(string(ctx.Request.Header.Peek(ConfigurationHeader)))
	return ctx.IsGet() || meant == "" || sameFile(s.configuration(), meant)
}

func (s *Server) configuration() string {
	if s.opts.Configuration == "" {
		return noConfiguration
	}
	return s.opts.Configuration
}

// decodeConfiguration returns the path in a header; what is no such text is a path
// that means no file.
func decodeConfiguration(header string) string {
	if path, err := url.PathUnescape(header); err == nil {
		return path
	}
	return header
}

// sameFile reports whether two paths mean one file, such as one by its name and by a
// link to it.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
