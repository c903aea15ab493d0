package template

import (
	"bytes"
	"encoding/json"
)

// Document is a message that is a JSON object.
type Document struct {
	Object map[string]any
	// From says what made it, for the record of the delivery.
	From string
	// Warning says why it is not what the operator's template makes; nil when it
	// is, or when the last message had the same warning.
	Warning error
	// Instead reports that it is not what the operator's template makes, whether
	// that was told before or not.
	Instead bool
}

// Document renders a message that is a JSON object. Where not even the built-in
// template works, it is what plain makes of the fields.
func (s *Set) Document(source Source, fields map[string]any, plain func(fields map[string]any) map[string]any) Document {
	rendered, err := s.Render(source, fields)
	out := Document{From: rendered.Template, Instead: rendered.Warning != nil}
	if !rendered.Repeated {
		out.Warning = rendered.Warning
	}
	if err == nil {
		err = json.Unmarshal([]byte(rendered.Text), &out.Object)
	}
	switch {
	case err != nil:
		return Document{Object: plain(fields), From: "plain text, no template could be used", Warning: err, Instead: true}
	case rendered.Warning != nil:
		out.From += ", because " + rendered.Warning.Error()
	}
	return out
}

// EncodeJSON writes v as JSON for a messenger: & < > stay as they are.
func EncodeJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}
