package cloud

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"butler/internal/secret"
	"butler/internal/text"
)

// FuzzClient answers every question with the same bytes: what comes of them is
// clean and bounded, or an error that is fit for a log.
func FuzzClient(f *testing.F) {
	var answer []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	f.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL + "/", Token: secret.String(token), Timeout: 5 * time.Second})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	for _, seed := range []string{
		"", "null", "[]", `{"type":1,"status":"\u001b[31m","startTime":"2031-05-02T08:14:00Z","endTime":"1753-01-01T00:00:00Z"}`,
		`{"attributes":{"description":"a\u202eb","hasSectionAccess":"x"}}`, `{"name":{"a":1},"email":"x\r\ny"}`, "log\r\n\x1b[31m\xff",
		`{"data":[{"resourceId":"` + appID + `","resourceSize":{"appFile":1e308},"meta":{"tags":[{"name":"\u0000"},null]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer = body
		for what, err := range every(t.Context(), c) {
			if told, ok := errors.AsType[*Error](err); err != nil && (!ok || text.Line(told.Error(), 4096) != told.Error()) {
				t.Errorf("%s: error %q", what, err)
			}
		}
		item, err := c.Item(t.Context(), appID)
		if err == nil && (item.FileSize < 0 || len(item.Tags) > maxTags) {
			t.Errorf("%+v", item)
		}
		record, err := c.Record(t.Context(), "r-1")
		if err == nil && (record.Duration < 0 || text.Line(record.Status, maxStamp) != record.Status || text.Prose(record.ErrorMessage, maxDescription) != record.ErrorMessage) {
			t.Errorf("%+v", record)
		}
	})
}
