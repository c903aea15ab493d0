package sink_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/sim/sink"
)

func TestParseLines_readsLineProtocol(t *testing.T) {
	tests := []struct {
		name, body, precision string
		want                  []sink.Point
	}{
		{"one field", "m f=1", "", []sink.Point{{Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{"f": 1.0}}}},
		{"tags and time", "m,a=b,c=d f=1.5,g=-2e3 1700000000000000001", "ns", []sink.Point{{
			Measurement: "m", Tags: map[string]string{"a": "b", "c": "d"}, Fields: map[string]any{"f": 1.5, "g": -2000.0},
			Time: time.Unix(1700000000, 1).UTC(),
		}}},
		{"seconds", "m f=t 1700000000", "s", []sink.Point{{
			Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{"f": true}, Time: time.Unix(1700000000, 0).UTC(),
		}}},
		{"types", `m a=1i,b=2u,c=false,d="x"`, "n", []sink.Point{{
			Measurement: "m", Tags: map[string]string{},
			Fields: map[string]any{"a": int64(1), "b": uint64(2), "c": false, "d": "x"},
		}}},
		{"escapes", `my\ m\,x,task\ name=O'Brien\,\ R&D\=1 log="say \"hi\", a=b \\ c"`, "", []sink.Point{{
			Measurement: "my m,x", Tags: map[string]string{"task name": "O'Brien, R&D=1"},
			Fields: map[string]any{"log": `say "hi", a=b \ c`},
		}}},
		{"quotes in a tag", `m,t=Copy\ "exports"\ to\ \\nas01\share f=1`, "", []sink.Point{{
			Measurement: "m", Tags: map[string]string{"t": `Copy "exports" to \\nas01\share`}, Fields: map[string]any{"f": 1.0},
		}}},
		{"line feed in a field", "m log=\"a\nb\",n=1\nm f=2", "", []sink.Point{
			{Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{"log": "a\nb", "n": 1.0}},
			{Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{"f": 2.0}},
		}},
		{"emoji, comments, empty lines", "\n# a comment\r\nm,t=🤪 f=\"☁️\"\r\n\n", "", []sink.Point{{
			Measurement: "m", Tags: map[string]string{"t": "🤪"}, Fields: map[string]any{"f": "☁️"},
		}}},
		{"nothing", "", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := sink.ParseLines(test.body, test.precision)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLines_refusesBadLines(t *testing.T) {
	for name, body := range map[string]string{
		"no fields": "m", "empty fields": "m ", "no value": "m f=", "no key": "m =1", "no measurement": ",a=b f=1",
		"empty tag": "m,a= f=1", "tag without value": "m,a f=1", "duplicate tag": "m,a=1,a=2 f=1", "bare text": "m f=text",
		"open quote": `m f="x`, "text after quote": `m f="x"y`, "not a number": "m f=NaN", "infinite": "m f=+Inf", "hex": "m f=0x1p4",
		"bad time": "m f=1 noon", "four parts": "m f=1 1 1", "space in tag": "m,a=b c f=1", "not UTF-8": "m f=\"\xff\"",
		"second line bad": "m f=1\nm", "integer overflow": "m f=99999999999999999999i", "time overflow": "m f=1 9223372036854775807",
	} {
		precision := map[string]string{"time overflow": "h"}[name]
		if points, err := sink.ParseLines(body, precision); err == nil {
			t.Errorf("%s: %q is read as %+v", name, body, points)
		}
	}
	if _, err := sink.ParseLines("m f=1", "fortnight"); err == nil {
		t.Error("an unknown precision is accepted")
	}
}

func FuzzParseLines(f *testing.F) {
	for _, body := range []string{
		"m,a=b f=1 1", `m,t=\,\=\  f="\"\\",g=t`, "#\n\nm f=1i", "m f=\"\n\"\nm g=2u", `m\`, `m f=\`, `m, f`, "m f=\"" + strings.Repeat(`\`, 9),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		points, err := sink.ParseLines(body, "ns")
		if err != nil {
			return
		}
		for _, p := range points {
			if p.Measurement == "" || len(p.Fields) == 0 {
				t.Errorf("%q is read as %+v", body, p)
			}
		}
	})
}

func TestInflux_v1CreatesDatabasesAndTakesPoints(t *testing.T) {
	s := run(t, sink.NewInflux(sink.InfluxOptions{Databases: []string{"other"}}))
	query := func(method, q string) (int, string) {
		status, body, err := send(t, nil, method, s.URL()+"/query?q="+url.QueryEscape(q), "")
		if err != nil {
			t.Fatal(err)
		}
		return status, body
	}
	write := func(parameters string) int {
		status, _, err := send(t, nil, http.MethodPost, s.URL()+"/write?"+parameters, "m,a=b f=1 1\n")
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if status, body := query(http.MethodGet, "SHOW  databases"); status != 200 || !strings.Contains(body, `["_internal"],["other"]`) {
		t.Errorf("show databases: %d %s", status, body)
	}
	if status := write("db=my%22db&precision=n&rp="); status != http.StatusNotFound {
		t.Errorf("write to an unknown database: %d, want 404", status)
	}
	if status, body := query(http.MethodPost, `create database "my\"db"`); status != 200 || strings.Contains(body, "error") {
		t.Errorf("create database: %d %s", status, body)
	}
	if status, body := query(http.MethodPost, `create retention policy "10d" on "my\"db" duration 10d replication 1 default`); status != 200 || strings.Contains(body, "error") {
		t.Errorf("create retention policy: %d %s", status, body)
	}
	for q, want := range map[string]int{"drop everything": 400, "": 400, `create database "x" y`: 400} {
		if status, _ := query(http.MethodPost, q); status != want {
			t.Errorf("query %q: %d, want %d", q, status, want)
		}
	}
	if _, body := query(http.MethodPost, `create retention policy p on nothing duration 1h replication 1`); !strings.Contains(body, "error") {
		t.Errorf("policy on an unknown database: %s", body)
	}
	if status, _ := query(http.MethodGet, "create database x"); status != 400 {
		t.Errorf("create by GET: %d, want 400", status)
	}
	for parameters, want := range map[string]int{
		"db=my%22db&precision=n&rp=": 204, "db=my%22db&rp=10d": 204, "db=my%22db&rp=unknown": 400, "": 400, "db=my%22db&precision=x": 400,
	} {
		if status := write(parameters); status != want {
			t.Errorf("write with %q: %d, want %d", parameters, status, want)
		}
	}
	if got := s.Writes().Total(); got != 2 {
		t.Errorf("%d writes are recorded, want 2", got)
	}
	want := []string{`create retention policy "10d" on "my\"db" duration 10d replication 1 default`}
	if diff := cmp.Diff(want, s.RetentionPolicies()); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}

func TestInflux_checksCredentials(t *testing.T) {
	s := run(t, sink.NewInflux(sink.InfluxOptions{Databases: []string{"b"}, User: "u", Password: "p", Token: "secret", Org: "o"}))
	tests := []struct {
		name, path string
		header     []string
		want       int
	}{
		{"v1 without", "/write?db=b", nil, 401},
		{"v1 wrong", "/write?db=b", []string{"Authorization", "Basic dTp4"}, 401},
		{"v1 right", "/write?db=b", []string{"Authorization", "Basic dTpw"}, 204},
		{"v1 in the query", "/write?db=b&u=u&p=p", nil, 204},
		{"v2 without", "/api/v2/write?bucket=b&org=o", nil, 401},
		{"v2 wrong", "/api/v2/write?bucket=b&org=o", []string{"Authorization", "Token x"}, 401},
		{"v2 right", "/api/v2/write?bucket=b&org=o&precision=ns", []string{"Authorization", "Token secret"}, 204},
		{"v3 right", "/api/v2/write?bucket=b&precision=ns", []string{"Authorization", "Bearer secret"}, 204},
		{"v2 other org", "/api/v2/write?bucket=b&org=x", []string{"Authorization", "Token secret"}, 404},
		{"v2 other bucket", "/api/v2/write?bucket=x&org=o", []string{"Authorization", "Token secret"}, 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body, err := send(t, nil, http.MethodPost, s.URL()+test.path, "m f=1", test.header...)
			if err != nil || status != test.want {
				t.Errorf("status %d, want %d: %s %v", status, test.want, body, err)
			}
		})
	}
	for path, want := range map[string]int{"/ping": 204, "/health": 200} {
		if status, _, err := send(t, nil, http.MethodGet, s.URL()+path, ""); err != nil || status != want {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	if status, _, _ := send(t, nil, http.MethodGet, s.URL()+"/write?db=b", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /write: %d, want 405", status)
	}
}

func TestInflux_unpacksGzip(t *testing.T) {
	s := run(t, sink.NewInflux(sink.InfluxOptions{Databases: []string{"b"}}))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(strings.Repeat("m,execution="+marker+" f=1\n", 100)))
	_ = w.Close()
	status, _, err := send(t, nil, http.MethodPost, s.URL()+"/api/v2/write?bucket=b", packed.String(), "Content-Encoding", "gzip")
	if err != nil || status != http.StatusNoContent {
		t.Fatalf("status %d, %v", status, err)
	}
	write := s.Writes().All()[0]
	if !write.Gzip || len(write.Points) != 100 || !write.Mentions(marker) || write.Mentions("nothing") {
		t.Errorf("write of %d points, gzip %v", len(write.Points), write.Gzip)
	}
	for _, body := range []string{"not gzip", packed.String()[:40]} {
		if status, _, _ := send(t, nil, http.MethodPost, s.URL()+"/api/v2/write?bucket=b", body, "Content-Encoding", "gzip"); status != 400 {
			t.Errorf("broken gzip: %d, want 400", status)
		}
	}
}

func TestInflux_storesPointsOfEqualSeriesAndTimeAsOne(t *testing.T) {
	s := run(t, sink.NewInflux(sink.InfluxOptions{Databases: []string{"b", "other"}}))
	for _, w := range []struct{ database, body string }{
		{"b", "m,a=1 f=1,log=\"first\" 10\nm,a=1 f=2 10\n"},
		{"b", "m,a=1 f=3 11\nm,a=2 f=4 10\nn,a=1 f=5 10\nm f=6 10\n"},
		{"other", "m,a=1 f=7 10\n"},
		{"b", "m,a=1 g=8 10\n"},
	} {
		if status, body, err := send(t, nil, http.MethodPost, s.URL()+"/write?precision=n&db="+w.database, w.body); err != nil || status != http.StatusNoContent {
			t.Fatalf("status %d, %v: %s", status, err, body)
		}
	}
	at := func(ns int64) time.Time { return time.Unix(0, ns).UTC() }
	want := []sink.Point{
		{Measurement: "m", Tags: map[string]string{"a": "1"}, Fields: map[string]any{"f": 2.0, "log": "first", "g": 8.0}, Time: at(10)},
		{Measurement: "m", Tags: map[string]string{"a": "1"}, Fields: map[string]any{"f": 3.0}, Time: at(11)},
		{Measurement: "m", Tags: map[string]string{"a": "2"}, Fields: map[string]any{"f": 4.0}, Time: at(10)},
		{Measurement: "n", Tags: map[string]string{"a": "1"}, Fields: map[string]any{"f": 5.0}, Time: at(10)},
		{Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{"f": 6.0}, Time: at(10)},
	}
	if diff := cmp.Diff(want, s.Stored("b")); diff != "" {
		t.Errorf("stored points (-want +got):\n%s", diff)
	}
	if got := s.Writes().All()[0].Points; len(got) != 2 || len(got[0].Fields) != 2 {
		t.Errorf("want the writes kept as they came, got %v", got)
	}
}
