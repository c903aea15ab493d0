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

// json encodes the message as an object in its order, without escaping markup characters.
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

// Servers refuse addresses longer than about 8,000 bytes. If a query exceeds
// maxQuery, its values are cut to maxQueryValue, in bytes as encoded, and further,
// step by step, until it fits or minQueryValue is reached.
const (
	maxQuery      = 7500
	maxQueryValue = 400
	minQueryValue = 25
	// longer is the factor by which the limit for texts exceeds that for names.
	longer = 5
)

// long are the query values that hold texts, not names.
var long = []string{"logMessage", "errorMessage"}

// pair is one parameter of a query.
type pair struct{ name, value string }

// pairs lists the parameters of a query. Null becomes empty.
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

// mergeQuery adds a message to an existing query and keeps its other parameters unchanged.
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

// encode encodes the pairs as a query of limited length.
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

// escape encodes a value for a query and cuts it to limit bytes, between characters.
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
