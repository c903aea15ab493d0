package config

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"butler/internal/text"
)

// fault says why a value is refused and what to write instead.
type fault struct {
	reason     string
	suggestion string
}

func faultf(suggestion, format string, args ...any) *fault {
	return &fault{reason: fmt.Sprintf(format, args...), suggestion: suggestion}
}

// article is the name of a kind with its article, for messages.
var article = map[kind]string{
	kindSection: "a mapping", kindBool: "true or false", kindInt: "a whole number", kindNum: "a number",
	kindPort: "a port number", kindStr: "text", kindSecret: "text", kindURI: "a URI", kindHost: "a host name",
	kindPath: "a path", kindEnum: "a word", kindDuration: "a duration", kindBytes: "a size", kindList: "a list",
}

// isText reports whether a value of the kind is written as text in YAML.
func (k kind) isText() bool {
	switch k {
	case kindStr, kindSecret, kindURI, kindHost, kindPath, kindEnum, kindDuration:
		return true
	default:
		return false
	}
}

// quotable reports whether a value of the key may be shown in a message.
func (n *node) quotable() bool {
	return !n.Hidden && n.Type != kindSecret && n.Type != kindURI
}

// fromScalar turns a YAML scalar into a value: bool, int64, float64 or string.
// There is no coercion: the text "8086" is not a number, and the number 8086 not a text.
func (n *node) fromScalar(y *yaml.Node) (any, *fault) {
	tag := y.ShortTag()
	if tag == "!!timestamp" && y.Style&yaml.TaggedStyle == 0 {
		tag = "!!str" // YAML 1.2 has no timestamps
	}
	if n.Type.isText() {
		if tag != "!!str" {
			return nil, n.wantsText(y, tag)
		}
		return n.fromText(y.Value)
	}
	switch {
	case n.Type == kindBool && tag == "!!bool",
		n.Type == kindBytes && tag == "!!str",
		(n.Type == kindInt || n.Type == kindNum || n.Type == kindPort || n.Type == kindBytes) && (tag == "!!int" || tag == "!!float"):
		return n.fromText(y.Value)
	}
	f := faultf("", "must be %s, not %s", article[n.Type], nameOfTag(tag))
	if tag != "!!str" {
		return nil, f
	}
	if _, wrong := n.fromText(y.Value); wrong == nil {
		f.suggestion = "write " + printable(y.Value) + " without quotes"
	}
	if n.Type == kindBool {
		switch strings.ToLower(y.Value) {
		case "yes", "on", "y":
			f.suggestion = "write true"
		case "no", "off", "n":
			f.suggestion = "write false"
		}
	}
	return nil, f
}

// wantsText refuses a scalar that YAML does not read as text.
func (n *node) wantsText(y *yaml.Node, tag string) *fault {
	f := faultf("put it in quotes", "must be %s, not %s", article[n.Type], nameOfTag(tag))
	switch {
	case n.Type == kindDuration:
		f.suggestion = "write a number with a unit, such as 30s, 5m or 24h"
	case n.quotable():
		f.suggestion = "put it in quotes: " + quoted(y.Value)
	}
	return f
}

// nameOfTag names what YAML made of a scalar.
func nameOfTag(tag string) string {
	switch tag {
	case "!!str", "!!timestamp":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	}
	return "a value with the tag " + printable(tag)
}

// fromText turns the text of a value, as it stands in the environment, into a value.
func (n *node) fromText(text string) (any, *fault) {
	switch n.Type {
	case kindBool:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, faultf("", "must be true or false")
	case kindInt, kindPort:
		return n.wholeNumber(text)
	case kindNum:
		return n.number(text)
	case kindBytes:
		return n.size(text)
	case kindDuration:
		return n.duration(text)
	case kindEnum:
		return n.word(text)
	case kindHost:
		return host(text)
	case kindURI:
		return uri(text)
	case kindPath:
		if strings.ContainsFunc(text, unicode.IsControl) {
			return nil, faultf(singleQuotes, "a path cannot hold control characters") // as "C:\temp\new" does: a tab and a line feed
		}
		return text, nil
	default:
		return text, nil
	}
}

var plainFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// parseNumber reads a plain decimal number.
func parseNumber(text string) (float64, *fault) {
	text = strings.TrimSpace(text)
	if !plainFloat.MatchString(text) {
		return 0, faultf("write it in digits, such as 300", "is not a plain decimal number")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, faultf("", "is too large a number")
	}
	return v, nil
}

func (n *node) number(text string) (any, *fault) {
	v, f := parseNumber(text)
	if f != nil {
		return nil, f
	}
	return v, n.inRange(v, func(bound string) (float64, *fault) { return parseNumber(bound) })
}

// exactFloat is the largest whole number that a float64 tells from its neighbours.
const exactFloat = 1 << 53

func (n *node) wholeNumber(text string) (any, *fault) {
	v, f := parseNumber(text)
	switch {
	case f != nil:
		return nil, f
	case v != math.Trunc(v):
		return nil, faultf(fmt.Sprintf("write %.0f", v), "must be a whole number")
	case math.Abs(v) > exactFloat:
		return nil, faultf("", "is too large a number")
	}
	bounded := *n
	if n.Type == kindPort {
		bounded.Max = "65535"
		if n.Min == "" {
			bounded.Min = "1"
		}
	}
	return int64(v), bounded.inRange(v, func(bound string) (float64, *fault) { return parseNumber(bound) })
}

// inRange checks v against min and max, which parse reads.
func (n *node) inRange(v float64, parse func(string) (float64, *fault)) *fault {
	low, high := math.Inf(-1), math.Inf(1)
	if n.Min != "" {
		if bound, f := parse(n.Min); f == nil {
			low = bound
		}
	}
	if n.Max != "" {
		if bound, f := parse(n.Max); f == nil {
			high = bound
		}
	}
	if v >= low && v <= high {
		return nil
	}
	switch {
	case n.Min != "" && n.Max != "":
		return faultf(fmt.Sprintf("from %s to %s", n.Min, n.Max), "is out of range")
	case n.Min != "":
		return faultf("at least "+n.Min, "is too small")
	}
	return faultf("at most "+n.Max, "is too large")
}

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([KMGT]iB|B)?$`)

var sizeUnits = map[string]float64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// parseSize reads a size in bytes: "8MiB", "10GiB", "65536".
func parseSize(text string) (float64, *fault) {
	m := sizeText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, faultf("write it like 512KiB, 8MiB or 10GiB", "is not a size")
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil || v*sizeUnits[m[2]] > exactFloat {
		return 0, faultf("", "is too large a size")
	}
	return math.Trunc(v * sizeUnits[m[2]]), nil
}

func (n *node) size(text string) (any, *fault) {
	v, f := parseSize(text)
	if f != nil {
		return nil, f
	}
	return int64(v), n.inRange(v, parseSize)
}

// duration keeps the text; it is decoded into a time.Duration.
func (n *node) duration(text string) (any, *fault) {
	parse := func(s string) (float64, *fault) {
		d, err := time.ParseDuration(strings.TrimSpace(s))
		if err != nil {
			return 0, faultf("write a number with a unit, such as 30s, 5m or 24h", "is not a duration")
		}
		return float64(d), nil
	}
	v, f := parse(text)
	if f != nil {
		return nil, f
	}
	return strings.TrimSpace(text), n.inRange(v, parse)
}

// word returns the table's spelling of an enum value.
func (n *node) word(given string) (any, *fault) {
	for _, v := range n.Values {
		if strings.EqualFold(v, strings.TrimSpace(given)) {
			return v, nil
		}
	}
	suggestion := "one of " + strings.Join(n.Values, ", ")
	if !n.quotable() {
		return nil, faultf(suggestion, "is not a choice")
	}
	if near := text.Nearest(given, n.Values); near != "" {
		suggestion = "did you mean " + near + "? " + suggestion
	}
	return nil, faultf(suggestion, "%s is not a choice", quoted(given))
}

// numbersOnly matches what looks like an IPv4 address; no top-level domain is a number.
var numbersOnly = regexp.MustCompile(`(^|\.)[0-9]+$`)

var hostLabels = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*$`)

// isHost reports whether text is a host name or an IP address, without a port.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return len(text) <= 253 && hostLabels.MatchString(text) && !numbersOnly.MatchString(text)
}

// host accepts a host name, an IP address, or nothing for "not set".
func host(text string) (any, *fault) {
	if text == "" || isHost(text) {
		return text, nil
	}
	f := faultf("", "is not a host name")
	switch {
	case strings.Contains(text, "://"):
		f.suggestion = "leave out the scheme and the path"
	case strings.Count(text, ":") == 1:
		f.suggestion = "leave out the port; it has a key of its own"
	case strings.HasSuffix(text, "."):
		f.suggestion = "leave out the last dot"
	}
	return nil, f
}

// peopleSchemes are those of links to people, which name no host. Of other texts without
// one nobody can tell the scheme from a host: "sense:443/hub".
var peopleSchemes = []string{"mailto", "tel", "sip", "sips"}

// uri accepts an absolute URI, or nothing for "not set". Its text is never shown: it may hold a key.
func uri(text string) (any, *fault) {
	if text == "" {
		return text, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, faultf("write it like https://host.example.com/path", "is not a URI")
	case u.Scheme == "" || u.Opaque != "" && !slices.Contains(peopleSchemes, u.Scheme):
		return nil, faultf("begin with https:// or http://", "is a URI without a scheme")
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host == "":
		return nil, faultf("write it like https://host.example.com/path", "is a URI without a host")
	}
	return text, nil
}

// isSample reports whether text is a stand-in of the template where the key has its value.
func (n *node) isSample(text string) bool {
	switch {
	case isPlaceholder(text):
		return true
	case n.Type == kindURI || n.Type == kindPath:
		_, rest, found := strings.Cut(text, ">")
		return found && text[0] == '<' && strings.HasPrefix(rest, "/") || strings.Contains(text, "://host.my.domain:port/")
	}
	return false
}

// isPlaceholder reports whether text is one of the stand-ins of the template
// file, such as "<your password>" or "/path/to/file", which nobody means.
func isPlaceholder(text string) bool {
	if strings.HasPrefix(text, "/path/to/") || strings.HasPrefix(text, "path/to/") {
		return true
	}
	inner, opened := strings.CutPrefix(text, "<")
	inner, closed := strings.CutSuffix(inner, ">")
	return opened && closed && inner != "" && !strings.ContainsAny(inner, "<>@")
}
