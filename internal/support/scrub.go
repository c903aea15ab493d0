package support

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"butler/internal/secret"
	"butler/internal/text"
)

// Scrubber removes secrets from text: those that it knows, in any escaped form, and
// whatever looks like a secret.
type Scrubber struct{ known *strings.Replacer }

// minSecret is the minimum length of a known secret, in bytes: a shorter one would mask
// parts of ordinary words and reveals nothing.
const minSecret = 4

// NewScrubber returns a scrubber that knows these secrets.
func NewScrubber(secrets []string) Scrubber {
	var forms []string
	for _, s := range secrets {
		if s = strings.TrimSpace(s); len(s) < minSecret {
			continue
		}
		for _, line := range strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' }) {
			if len(line) >= minSecret {
				forms = append(forms, escaped(line)...)
			}
		}
		forms = append(forms, escaped(s)...)
	}
	// Longest first, so that a secret that contains another is masked as a whole.
	slices.SortStableFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, secret.Mask)
	}
	return Scrubber{known: strings.NewReplacer(pairs...)}
}

// escaped returns the forms in which a text occurs in logs and answers.
func escaped(text string) []string {
	out := []string{
		text, url.QueryEscape(text), url.PathEscape(text), html.EscapeString(text),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)),
	}
	var plain strings.Builder
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err == nil {
		out = append(out, strings.Trim(strings.TrimSpace(plain.String()), `"`))
	}
	if careful, err := json.Marshal(text); err == nil {
		out = append(out, strings.Trim(string(careful), `"`))
	}
	return out
}

// secretPatterns are the patterns of secrets and their replacements, for unknown secrets, such as
// those of a replaced configuration. A pattern is only applied to lines that contain one
// of its hints.
var secretPatterns = []struct {
	hints   []string // in lower case
	pattern *regexp.Regexp
	left    string
}{
	{[]string{"bearer", "basic"}, regexp.MustCompile(`(?i)\b(bearer|basic) +[a-z0-9+/=._~-]{16,}`), "$1 " + secret.Mask},
	{
		[]string{"passw", "passphrase", "secret", "token", "key", "authorization", "cookie", "jwt", "sig"},
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|secret|token|api[-_]?key|authorization|cookie|\bjwt|\bsig)\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic) +)?)[^\s"'\\,;&}\])]+`),
		"${1}" + secret.Mask,
	},
	{[]string{"://"}, regexp.MustCompile(`(://)[^\s/@"']+@`), "${1}" + secret.Mask + "@"},
	{[]string{"eyj"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), secret.Mask},
	{[]string{"butler_"}, regexp.MustCompile(`\bbutler_[A-Za-z0-9]+_[0-9a-f]{64}`), secret.Mask},
	{
		[]string{"hooks.slack.com/", ".office.com/", ".logic.azure.com", "/api/webhooks/", "connect.signl4.com/"},
		regexp.MustCompile(`(?i)(hooks\.slack\.com|[a-z0-9.-]*\.office\.com|[a-z0-9.-]*\.logic\.azure\.com(?::443)?|discord(?:app)?\.com/api/webhooks|connect\.signl4\.com)/[^\s"'\\]+`),
		"${1}/" + secret.Mask,
	},
}

// privateKey is a key in PEM, on lines of its own or with escaped line ends.
var privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`)

// maxLine bounds a line, in bytes.
const maxLine = 16 << 10

// Scrub returns text without secrets and control characters, and with overlong lines cut.
func (s Scrubber) Scrub(text string) string {
	text = strings.ToValidUTF8(s.known.Replace(text), "?")
	if strings.Contains(text, "PRIVATE KEY") {
		text = privateKey.ReplaceAllString(text, secret.Mask)
	}
	var out strings.Builder
	out.Grow(len(text))
	for line := range strings.Lines(text) {
		body := strings.TrimRight(line, "\r\n")
		if len(body) > maxLine {
			body = strings.ToValidUTF8(body[:maxLine], "") + " … cut"
		}
		out.WriteString(strings.Map(visible, maskPatterns(body)))
		if strings.HasSuffix(line, "\n") {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// maskPatterns masks what looks like a secret in a line.
func maskPatterns(line string) string {
	small := strings.ToLower(line)
	for _, look := range secretPatterns {
		if slices.ContainsFunc(look.hints, func(hint string) bool { return strings.Contains(small, hint) }) {
			line = look.pattern.ReplaceAllString(line, look.left)
		}
	}
	return line
}

// visible replaces characters that move the cursor or reverse text.
func visible(r rune) rune {
	if r == '\t' {
		return r
	}
	return text.Visible(r)
}
