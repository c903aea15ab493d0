// Package openapi owns the description of the REST API. It is the truth that
// tests hold the routes and their answers against, and what the service shows
// to its users. It must never import the server.
package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var source []byte

// Document is the description, as its JSON form would decode.
type Document map[string]any

// Read returns the whole description.
func Read() (Document, error) {
	var d Document
	if err := yaml.Unmarshal(source, &d); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	return d, nil
}

// For returns what a service shows: the operations whose endpoint is enabled,
// under the address and the version of the service.
func (d Document) For(enabled func(endpoint string) bool, version, address string) Document {
	out := Document{}
	for key, value := range d {
		out[key] = value
	}
	info, _ := d["info"].(Document)
	shown := Document{}
	for key, value := range info {
		shown[key] = value
	}
	shown["version"] = version
	out["info"], out["servers"] = shown, []any{Document{"url": address}}
	paths := Document{}
	all, _ := d["paths"].(Document)
	for path, operations := range all {
		left, any := Document{}, false
		of, _ := operations.(Document)
		for method, operation := range of {
			name, isOperation := EnabledBy(operation)
			if !isOperation || enabled(name) {
				left[method], any = operation, any || isOperation
			}
		}
		if any {
			paths[path] = left
		}
	}
	out["paths"] = paths
	return out
}

// EnabledBy returns the endpoint that an operation belongs to; false for what
// stands beside the operations of a path.
func EnabledBy(operation any) (endpoint string, ok bool) {
	details, _ := operation.(Document)
	endpoint, ok = details["x-enabled-by"].(string)
	return endpoint, ok
}

// JSON encodes the description.
func (d Document) JSON() ([]byte, error) { return json.Marshal(d) }

// YAML encodes the description.
func (d Document) YAML() ([]byte, error) { return yaml.Marshal(d) }
