package httpc

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"butler/internal/destination"
)

// response is an answer to a request that is full of secrets.
func response(tb testing.TB, code int, header http.Header, body string) *http.Response {
	tb.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://ops:PASSWORD1@hook.example.com/services/T0KEN-IN-PATH?sig=T0KEN%2BIN%2FQUERY", nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer T0KEN-IN-HEADER")
	req.Header.Set("Api-Key", "T0KEN-IN-API-KEY")
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req}
}

func TestCheck_knowsWhoRetriesAndWhoParks(t *testing.T) {
	kinds := map[destination.ErrorKind][]int{
		destination.Transient:         {408, 425, 500, 501, 502, 503, 504, 507, 599},
		destination.ThrottledKind:     {429},
		destination.PermanentKind:     {400, 402, 405, 406, 409, 411, 412, 413, 414, 415, 422, 431, 451, 499},
		destination.MisconfiguredKind: {300, 302, 304, 308, 401, 403, 404, 407, 410},
	}
	for kind, codes := range kinds {
		for _, code := range codes {
			err := Check(response(t, code, nil, ""))
			if got, _ := destination.KindOf(err); err == nil || got != kind {
				t.Errorf("%d: got kind %d, want %d", code, got, kind)
			}
		}
	}
	for _, code := range []int{200, 201, 202, 204, 299} {
		if err := Check(response(t, code, nil, "")); err != nil {
			t.Errorf("%d: got %v", code, err)
		}
	}
}

func TestCheck_takesOverTheDelayThatTheProviderAsksFor(t *testing.T) {
	date := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return date.Add(d).Format(http.TimeFormat) }
	for name, row := range map[string]struct {
		code  int
		value string
		kind  destination.ErrorKind
		after time.Duration
	}{
		"seconds":                  {429, "7", destination.ThrottledKind, 7 * time.Second},
		"decimal seconds":          {429, "0.5", destination.ThrottledKind, 500 * time.Millisecond},
		"date, by its own clock":   {429, at(90 * time.Second), destination.ThrottledKind, 90 * time.Second},
		"date in the past":         {429, at(-time.Hour), destination.ThrottledKind, 0},
		"negative":                 {429, "-5", destination.ThrottledKind, 0},
		"no number":                {429, "NaN", destination.ThrottledKind, 0},
		"a day":                    {429, "86400", destination.ThrottledKind, MaxRetryAfter},
		"more than a duration":     {429, "1e300", destination.ThrottledKind, MaxRetryAfter},
		"date next year":           {429, at(9000 * time.Hour), destination.ThrottledKind, MaxRetryAfter},
		"nonsense":                 {429, "soon", destination.ThrottledKind, 0},
		"none":                     {429, "", destination.ThrottledKind, 0},
		"503 with a delay":         {503, "30", destination.ThrottledKind, 30 * time.Second},
		"503 without":              {503, "", destination.Transient, 0},
		"503 with nonsense":        {503, "soon", destination.Transient, 0},
		"500 is no request for it": {500, "30", destination.Transient, 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Retry-After": {row.value}, "Date": {date.Format(http.TimeFormat)}}
			kind, after := destination.KindOf(Check(response(t, row.code, header, "")))
			if kind != row.kind || after != row.after {
				t.Errorf("got kind %d after %v, want kind %d after %v", kind, after, row.kind, row.after)
			}
		})
	}
}

func TestCheck_saysWhoAnsweredWhat(t *testing.T) {
	err := Check(response(t, 400, nil, " <b>channel\tnot\r\nfound</b>\x00 "))
	if want := "hook.example.com answered 400 Bad Request: <b>channel not found</b>"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	bare := &http.Response{StatusCode: http.StatusInternalServerError, Body: http.NoBody}
	if want := "the server answered 500 Internal Server Error"; Check(bare).Error() != want {
		t.Errorf("got %q, want %q", Check(bare), want)
	}
}

func TestCheck_showsNoSecretThatTheProviderSendsBack(t *testing.T) {
	body := `{"url":"https:\/\/hook.example.com\/services\/T0KEN-IN-PATH","full":"https://ops:PASSWORD1@hook.example.com/services/T0KEN-IN-PATH?sig=T0KEN%2BIN%2FQUERY",` +
		`"sig":"T0KEN+IN/QUERY","auth":"Bearer T0KEN-IN-HEADER","key":"T0KEN-IN-API-KEY","password":"PASSWORD1","see":"https://docs.example.com/private/page"}`
	err := Check(response(t, 400, nil, body))
	for _, secret := range []string{"T0KEN", "PASSWORD1", "private"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
	if !strings.Contains(err.Error(), "https://docs.example.com") {
		t.Errorf("the host of an address may be shown: %v", err)
	}
}

func TestCheck_boundsTheExcerpt(t *testing.T) {
	err := Check(response(t, 500, nil, strings.Repeat("日本語 ", 1<<20)))
	if n := utf8.RuneCountInString(err.Error()); n > 400 || !strings.HasSuffix(err.Error(), "…") {
		t.Errorf("the error has %d runes", n)
	}
}

func FuzzCheck_neverShowsTheRequest(f *testing.F) {
	f.Add("plain text", 0)
	f.Add(`{"error":"T0KEN-IN-PATH"}`, 400)
	f.Add("https://x:T0KEN-IN-HEADER@y/T0KEN-IN-API-KEY", 500)
	f.Fuzz(func(t *testing.T, around string, code int) {
		code = 400 + (code%200+200)%200
		body := around + "T0KEN-IN-PATH" + around + " T0KEN-IN-HEADER " + around + "PASSWORD1"
		text := fmt.Sprint(Check(response(t, code, nil, body)))
		for _, secret := range []string{"T0KEN-IN-PATH", "T0KEN-IN-HEADER", "PASSWORD1"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %s", text, secret)
			}
		}
	})
}

// Whatever a provider writes into its headers, the delay that is taken over is
// within its bounds, belongs to an answer that may ask for one, and stays out of the text.
func FuzzCheck_takesOverNoDelayOutOfBounds(f *testing.F) {
	f.Add("120", "", 429)
	f.Fuzz(func(t *testing.T, after, date string, code int) {
		code = 300 + (code%300+300)%300
		err := Check(response(t, code, http.Header{"Retry-After": {after}, "Date": {date}}, ""))
		kind, delay := destination.KindOf(err)
		if delay < 0 || delay > MaxRetryAfter || delay > 0 && kind != destination.ThrottledKind {
			t.Errorf("Retry-After %q, Date %q with %d: got a delay of %v and kind %d", after, date, code, delay, kind)
		}
		if plain := Check(response(t, code, nil, "")); err.Error() != plain.Error() {
			t.Errorf("want the text %q, got %q", plain, err)
		}
	})
}
