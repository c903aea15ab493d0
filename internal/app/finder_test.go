package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
)

// disguises are all the ways in which the marker can stand in a text: as it is and
// encoded, wherever it begins in what is encoded.
func disguises() []string {
	out := []string{marker, hex.EncodeToString([]byte(marker)), strings.ToUpper(hex.EncodeToString([]byte(marker)))}
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := alphabet.EncodeToString(append(make([]byte, before), marker...))
			// A letter that holds bits of what stands before or behind can be any.
			first, whole := (before*8+5)/6, (before+len(marker))*8/6
			out = append(out, text[first:whole])
		}
	}
	for _, form := range []string{"%%%02x", "%%%02X", `\u%04x`, `\u%04X`, "&#%d;", "&#x%x;", "&#x%X;"} {
		var b strings.Builder
		for _, c := range []byte(marker) {
			fmt.Fprintf(&b, form, c)
		}
		out = append(out, b.String())
	}
	return out
}

// secretAt returns where a text shows the marker, encoded or not, or -1. What is
// packed in the text, or escaped in parts only, is looked into.
func secretAt(text string) int {
	for _, disguise := range disguises() {
		if at := strings.Index(text, disguise); at >= 0 {
			return at
		}
	}
	for _, decode := range []func(string) string{unescapedURL, unescapedJSON, html.UnescapeString} {
		if decoded := decode(text); decoded != text {
			if at := strings.Index(decoded, marker); at >= 0 {
				return min(at, len(text)-1)
			}
		}
	}
	return -1
}

var (
	percent = regexp.MustCompile(`(?:%[0-9a-fA-F]{2})+`)
	escaped = regexp.MustCompile(`(?:\\u[0-9a-fA-F]{4})+`)
)

func unescapedURL(text string) string {
	return percent.ReplaceAllStringFunc(text, func(s string) string {
		out, _ := url.PathUnescape(s)
		return out
	})
}

func unescapedJSON(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(s string) (out string) {
		_ = json.Unmarshal([]byte(`"`+s+`"`), &out)
		return out
	})
}

// unpacked returns what is packed with gzip anywhere in a text, as far as it can be read.
func unpacked(text []byte) []byte {
	var out bytes.Buffer
	for rest := text; ; {
		at := bytes.Index(rest, []byte{0x1F, 0x8B, 8})
		if at < 0 {
			return out.Bytes()
		}
		rest = rest[at:]
		if reader, err := gzip.NewReader(bytes.NewReader(rest)); err == nil {
			_, _ = io.Copy(&out, reader) // what stands behind it is no error
		}
		rest = rest[1:]
	}
}

// records keeps what is in the journal of a service that has ended, decoded:
// records of 1 KiB and more are compressed, see docs/adr/0010.
func (w *witness) records() {
	w.t.Helper()
	ctx := w.t.Context()
	streams, _, err := jetstream.Survey(w.journal)
	must(w.t, err)
	store, err := jetstream.Open(ctx, jetstream.Options{Dir: w.journal})
	must(w.t, err)
	defer store.Close()
	for _, stream := range streams {
		_, name, _ := strings.Cut(stream.Stream, "_")
		log, err := store.Open(ctx, name, journal.Limits{})
		must(w.t, err)
		var all bytes.Buffer
		must(w.t, log.Read(ctx, 0, func(_ journal.Seq, record []byte) error {
			content := record
			if version := record[0]; version == 2 {
				content, err = s2.Decode(nil, record[10:len(record)-4])
			}
			all.Write(content)
			all.Write(unpacked(content))
			return err
		}))
		w.shown["records of the log "+name] = all.String()
	}
}

// secretOf is the secret that confide gives the i-th secret key.
func secretOf(i int) string { return fmt.Sprintf("%s%03d", marker, i) }

// ownOf returns the secret that is part of the address that a request went to, "" for
// none, and those that the settings of the same receiver say to send along.
func ownOf(path string, rows []secretRow) (address string, along []string) {
	beside := func(key string) string { return key[:max(0, strings.LastIndexByte(key, '.'))] }
	section := ""
	for i, row := range rows {
		if strings.Contains(path, secretOf(i)) {
			address, section = secretOf(i), beside(row.Key)
		}
	}
	newRelic := strings.HasPrefix(path, "/newrelic") || strings.HasPrefix(path, "/v1/accounts")
	for i, row := range rows {
		switch {
		case secretOf(i) == address:
		case section != "" && beside(row.Key) == section, newRelic && strings.Contains(strings.ToLower(row.Key), "newrelic"):
			along = append(along, secretOf(i))
		}
	}
	return address, along
}

// sent keeps what every receiver got, without what is its own: the secret of the address
// that was called, which is in nothing but that, and what its settings say to send along.
func (w *witness) sent() {
	w.t.Helper()
	rows := secretRows(w.t)
	for i, r := range w.sim.HTTP.History().All() {
		address, along := ownOf(r.Path, rows)
		query := fmt.Sprint(r.Query)
		if address != "" {
			query = strings.ReplaceAll(query, address, "")
		}
		text := fmt.Sprint(query, r.Header, string(r.Body))
		for _, own := range along {
			text = strings.ReplaceAll(text, own, "")
		}
		w.shown[fmt.Sprintf("request %d over HTTP", i)] = text
	}
	for i, r := range w.sim.Influx.Requests().All() {
		header := r.Header.Clone()
		header.Del("Authorization")
		w.shown[fmt.Sprintf("request %d to InfluxDB", i)] = fmt.Sprint(r.Path, header, string(r.Body), string(unpacked(r.Body)))
	}
	for i, m := range w.sim.SMTP.Messages().All() {
		w.shown[fmt.Sprintf("mail %d", i)] = fmt.Sprint(m.Header, m.Subject, m.Text, m.HTML, m.Attachments)
	}
	for i, p := range w.sim.MQTT.Publications().All() {
		w.shown[fmt.Sprintf("message %d over MQTT", i)] = fmt.Sprint(p.Client, p.Topic, string(p.Payload))
	}
	for i, r := range w.sim.QRS.Requests().All() {
		w.shown[fmt.Sprintf("request %d to the repository", i)] = fmt.Sprint(r.Path, r.Filter, r.User, r.Key)
	}
	for receiver, n := range map[string]int{
		"HTTP": w.sim.HTTP.History().Total(), "InfluxDB": w.sim.Influx.Writes().Total(), "the broker": w.sim.MQTT.Publications().Total(),
		"the mail server": w.sim.SMTP.Messages().Total(), "the repository": w.sim.QRS.Requests().Total(),
	} {
		if n == 0 {
			w.t.Errorf("want something sent to %s to look through", receiver)
		}
	}
}

func TestFinder_findsASecretInEveryEncoding(t *testing.T) {
	const secret = marker + "042"
	packed := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write([]byte(text))
		must(t, err)
		must(t, w.Close())
		return "before" + b.String() + "behind"
	}
	each := func(form string) string {
		var b strings.Builder
		for _, c := range []byte(secret) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
	rows := map[string]string{
		"as it is":                 "password=" + secret,
		"hexadecimal":              hex.EncodeToString([]byte("x" + secret)),
		"hexadecimal, large":       strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"percent":                  each("%%%02x"),
		"percent, large":           each("%%%02X"),
		"percent, in parts":        "a%3Ds3cr3%74%2D042",
		"JSON":                     each(`\u%04x`),
		"JSON, in parts":           `"s3cr3\u0074-042"`,
		"HTML":                     each("&#%d;"),
		"HTML, hexadecimal":        each("&#x%x;"),
		"HTML, in parts":           "s3cr3t&#45;042",
		"behind what is harmless":  "%41\\u0041&amp; " + secret,
		"in a record that is long": string(unpacked([]byte(packed(secret)))),
	}
	for before := range 4 {
		for name, alphabet := range map[string]*base64.Encoding{"std": base64.StdEncoding, "URL": base64.URLEncoding, "raw": base64.RawStdEncoding} {
			for _, around := range []string{"?", "\xff", "a"} {
				rows[fmt.Sprintf("base64 %s, %d times %q around", name, before, around)] = alphabet.EncodeToString([]byte(strings.Repeat(around, before) + secret + around))
			}
		}
	}
	for name, text := range rows {
		if secretAt("of all this "+text+" is shown") < 0 {
			t.Errorf("want the secret found that is shown %s: %q", name, text)
		}
	}
	for _, text := range []string{"", "secret", "s3cr3t", strings.Repeat("A", 100), "czNjcjN0", "%%%", `\u`, "&#;"} {
		if at := secretAt(text); at >= 0 {
			t.Errorf("want no secret found in %q, got one at %d", text, at)
		}
	}
	if got := slices.Compact(slices.Sorted(slices.Values(disguises()))); len(got) < 10 {
		t.Errorf("want every disguise to be another, got %q", got)
	}
}
