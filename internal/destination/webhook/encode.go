package webhook

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"butler/internal/template"
)

// json returns the message as an object, in its order, with markup characters as they are.
func (m message) json() ([]byte, error) {
	var out bytes.Buffer
	separator := byte('{')
	for _, f := range m {
		value, err := template.EncodeJSON(f.value)
		if err != nil {
			return nil, fmt.Errorf("encode %s of the message: %w", f.name, err)
		}
		out.WriteByte(separator)
		out.WriteString(strconv.Quote(f.name) + ":")
		out.Write(value)
		separator = ','
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// Servers refuse addresses beyond about 8,000 bytes. A message that is longer has
// a limit for every value of its query, in bytes as encoded, and all of them are cut
// further, step by step, until the message is within its own.
const (
	maxQuery      = 7500
	maxQueryValue = 400
	minQueryValue = 25
	// longer is how much more room a text has than a name.
	longer = 5
)

// long are the values of a query that hold texts, not names.
var long = []string{"logMessage", "errorMessage"}

// pair is one parameter of a query.
type pair struct{ name, value string }

// pairs lists the parameters of a query. What is null is empty.
func (m message) pairs() []pair {
	var out []pair
	for _, f := range m {
		name := f.name
		if f.parameter != "" {
			name = f.parameter
		}
		switch v := f.value.(type) {
		case []string:
			for _, one := range v {
				out = append(out, pair{name, one})
			}
		case nil:
			out = append(out, pair{name, ""})
		default:
			out = append(out, pair{name, fmt.Sprint(v)})
		}
	}
	return out
}

// mergeQuery appends a message to an existing query, whose other parameters stay as they are.
func mergeQuery(existing string, m message) string {
	pairs := m.pairs()
	var out []string
	for _, kept := range strings.Split(existing, "&") {
		raw, _, _ := strings.Cut(kept, "=")
		given, err := url.QueryUnescape(raw)
		ours := err == nil && slices.ContainsFunc(pairs, func(p pair) bool { return p.name == given })
		if kept != "" && !ours {
			out = append(out, kept)
		}
	}
	return strings.Join(append(out, encode(pairs)), "&")
}

// encode writes the pairs as a query that is not too long.
func encode(pairs []pair) string {
	for limit := maxQuery; ; limit = min(limit/2, maxQueryValue) {
		out := make([]string, 0, len(pairs))
		for _, p := range pairs {
			room := limit
			if slices.Contains(long, p.name) {
				room *= longer
			}
			out = append(out, p.name+"="+escape(p.value, room))
		}
		if query := strings.Join(out, "&"); len(query) <= maxQuery || limit <= minQueryValue {
			return query
		}
	}
}

// escape encodes a value for a query and cuts it, between two characters, to limit bytes.
func escape(value string, limit int) string {
	var out strings.Builder
	for _, r := range value {
		encoded := url.QueryEscape(string(r))
		if out.Len()+len(encoded) > limit {
			break
		}
		out.WriteString(encoded)
	}
	return out.String()
}
