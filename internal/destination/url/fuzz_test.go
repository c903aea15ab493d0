package url

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"butler/internal/destination"
)

var keyLike = regexp.MustCompile(`[A-Za-z0-9_]{9,}`)

// For any answer of a service, an attempt ends at once, and its error is one short line
// without a key, of a kind that is valid for the status code.
func FuzzAttempt(f *testing.F) {
	schemes := slices.Sorted(maps.Keys(urls))
	for i, scheme := range schemes {
		f.Add(i, http.StatusOK, urls[scheme].answer)
	}
	f.Fuzz(func(t *testing.T, scheme, code int, body string) {
		row := urls[schemes[(scheme%len(schemes)+len(schemes))%len(schemes)]]
		code = 200 + (code%400+400)%400
		said := strings.ReplaceAll(body, "KEY", row.url)
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			err := deliver(t, row.url, &wire{answer: answers(code, nil, said)})
			if took := time.Since(started); took > 0 {
				t.Errorf("the library waited: %v", took)
			}
			if err == nil {
				return
			}
			if kind, _ := destination.KindOf(err); code < 300 && kind == destination.Transient {
				t.Errorf("want a message that was taken not sent again, got kind %d: %v", kind, err)
			}
			text := err.Error()
			isLine := !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) })
			if !utf8.ValidString(text) || !isLine || utf8.RuneCountInString(text) > 2*maxReason {
				t.Errorf("want one short line, got %q", text)
			}
			for _, word := range keyLike.FindAllString(row.url, -1) {
				if strings.Contains(text, word) && !strings.Contains(row.host+" triggers workflows", word) && !strings.HasPrefix(row.url, word) {
					t.Errorf("the error shows %q: %v", word, text)
				}
			}
		})
	})
}
