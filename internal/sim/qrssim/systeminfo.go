package qrssim

import (
	"encoding/json"
	"net/http"
	"strings"

	"butler/internal/sim/cert"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
)

// NewSystemInfo returns the endpoint of the product's version document, over HTTPS
// with client certificates of the authority. It does not listen yet.
func NewSystemInfo(w *world.World, authority *cert.Authority) (*edge.HTTP, error) {
	config, err := mutualTLS(authority, w)
	if err != nil {
		return nil, err
	}
	return edge.NewHTTP(edge.HTTPOptions{Handler: SystemInfoHandler(w), TLS: config}), nil
}

// SystemInfoHandler serves the product's version document. It is not part of the QRS:
// it has a port of its own, and needs no key and no user.
func SystemInfoHandler(w *world.World) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(strings.TrimSuffix(r.URL.Path, "/"), "/v1/systeminfo") {
			http.NotFound(out, r)
			return
		}
		if r.Method != http.MethodGet {
			out.Header().Set("Allow", http.MethodGet)
			out.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(w.SystemInfo())
	})
}
