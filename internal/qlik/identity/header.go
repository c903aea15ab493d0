package identity

import (
	"fmt"
	"net/http"

	"golang.org/x/net/http/httpguts"
)

// Header is one header that every call carries.
type Header struct {
	Name  string
	Value string
}

// Headers are what every call carries. They may hold credentials.
type Headers []Header

// Set sets them in header, in place of what is there. An error names the server as
// given, and shows no value.
func (hs Headers) Set(header http.Header, server string) error {
	for _, h := range hs {
		if !httpguts.ValidHeaderFieldName(h.Name) {
			return fmt.Errorf("the %s header name %q is not valid", server, h.Name)
		}
		if !httpguts.ValidHeaderFieldValue(h.Value) {
			return fmt.Errorf("the value of the %s header %s is not valid", server, h.Name)
		}
		header.Set(h.Name, h.Value)
	}
	return nil
}

// Secrets lists the texts that no error may show.
func (hs Headers) Secrets() []string {
	out := make([]string, 0, len(hs))
	for _, h := range hs {
		out = append(out, h.Value)
	}
	return out
}
