package template

import (
	"bytes"
	"encoding/json"
)

// Document is a message that is a JSON object.
type Document struct {
	Object map[string]any
	// From describes the template that was used, for the receipt of the delivery.
	From string
	// Warning says why a template could not be used; nil if it could, or if the previous
	// message had the same warning.
	Warning error
	// Fallback reports that a template could not be used. Unlike Warning, it is set for
	// repeated failures, too.
	Fallback bool
}

// Document renders a message that is a JSON object. If the built-in template fails, too,
// plain makes the message from the fields.
func (s *Set) Document(source Source, fields map[string]any, plain func(fields map[string]any) map[string]any) Document {
	rendered, err := s.Render(source, fields)
	out := Document{From: rendered.Template, Fallback: rendered.Warning != nil}
	if !rendered.Repeated {
		out.Warning = rendered.Warning
	}
	if err == nil {
		err = json.Unmarshal([]byte(rendered.Text), &out.Object)
	}
	switch {
	case err != nil:
		return Document{Object: plain(fields), From: "plain text, no template could be used", Warning: err, Fallback: true}
	case rendered.Warning != nil:
		out.From += ", because " + rendered.Warning.Error()
	}
	return out
}

// EncodeJSON returns v as JSON without escaping &, < and >.
func EncodeJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}
