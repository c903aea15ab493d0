package pages

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/api/web/webtest"
)

// viewer is a served page of a configuration.
type viewer struct {
	t       *testing.T
	address string
	now     time.Time
}

const hostile = `</code><script>alert("1")</script><img src=x onerror=alert(2)>`

func newViewer(t *testing.T, view func() (Configuration, error)) *viewer {
	t.Helper()
	v := &viewer{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	server, err := ListenConfiguration(ConfigurationOptions{Address: "127.0.0.1:0", Log: zap.NewNop(), View: view, Now: func() time.Time { return v.now }})
	if err != nil {
		t.Fatal(err)
	}
	v.address = server.Address()
	webtest.Serve(t, server)
	return v
}

func shownConfiguration() (Configuration, error) {
	return Configuration{
		Version: "1.2.3", File: "butler.yaml", Masking: "Secrets are masked.", Notes: []string{"a note"},
		YAML: "Butler:\n  logLevel: debug # butler.yaml:2\n  comment: '" + hostile + "'\n",
		Settings: []ConfigurationSetting{
			{Path: "logLevel", Value: "debug", Source: "butler.yaml:2", Doc: "How much is logged", Set: true},
			{Section: "mqttConfig", Path: "mqttConfig.comment", Value: hostile, Source: hostile, Doc: "A remark", Set: true},
			{Section: "influxDb", Path: "influxDb.v2Config.token", Value: "***", Source: "environment INFLUX", Set: true, Masked: true},
			{Section: "influxDb", Path: "influxDb.hostPort", Value: "8086", Source: "default"},
		},
	}, nil
}

func (v *viewer) do(method, path, host string) (*http.Response, string) {
	v.t.Helper()
	req := webtest.Request(v.t, method, "http://"+v.address+path, "")
	if host != "" {
		req.Host = host
	}
	return webtest.Answer(v.t, webtest.Client, req)
}

func TestConfigurationPage_showsValuesAndWhereTheyCameFrom(t *testing.T) {
	_, page := newViewer(t, shownConfiguration).do("GET", "/", "")
	for _, want := range []string{
		"butler configuration <small>1.2.3</small>", "<bdi>butler.yaml</bdi>", "Secrets are masked.", "<li><bdi>a note</bdi></li>",
		`<tr><td><code>logLevel</code><small>How much is logged</small></td><td><code><bdi>debug</bdi></code></td><td><bdi>butler.yaml:2</bdi></td></tr>`,
		`<bdi>***</bdi></code> <small>masked</small></td><td><bdi>environment INFLUX</bdi>`,
		`<tr class="default"><td><code>influxDb.hostPort</code>`,
		"<li><b>  logLevel:</b> debug<i> # butler.yaml:2</i></li>", "<summary>general</summary>", "<summary>influxDb</summary>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Index(page, "<summary>general") > strings.Index(page, "<summary>influxDb") {
		t.Error("keys without a section come first")
	}
}

func TestConfigurationPage_hostileValuesAreText(t *testing.T) {
	_, page := newViewer(t, shownConfiguration).do("GET", "/", "")
	if strings.Contains(page, "<img") || strings.Contains(page, "alert(\"1\")") || strings.Count(page, "<script") != 1 {
		t.Errorf("a value became part of the page:\n%s", page)
	}
}

func TestConfigurationPage_offersTheSameAsAFile(t *testing.T) {
	resp, body := newViewer(t, shownConfiguration).do("GET", "/config.yaml", "")
	want, _ := shownConfiguration()
	if body != want.YAML || resp.Header.Get("Content-Disposition") != `attachment; filename="config.yaml"` {
		t.Errorf("got %v and %q", resp.Header, body)
	}
}

func TestConfigurationPage_everyAnswerIsSafeInABrowser(t *testing.T) {
	v := newViewer(t, shownConfiguration)
	for _, row := range []struct {
		name, method, path, host string
		want                     int
	}{
		{"page", "GET", "/", "", 200},
		{"head", "HEAD", "/", "", 200},
		{"file", "GET", "/config.yaml", "", 200},
		{"raw template", "GET", "/configuration.html", "", 404},
		{"traversal", "GET", "/../etc/passwd", "", 404},
		{"method", "POST", "/", "", 405},
		{"name pointed at this machine", "GET", "/", "evil.example.com", 403},
		{"own name", "GET", "/", "localhost:3100", 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp, _ := v.do(row.method, row.path, row.host)
			if resp.StatusCode != row.want {
				t.Errorf("want %d, got %s", row.want, resp.Status)
			}
			for name, want := range map[string]string{
				"X-Frame-Options": "SAMEORIGIN", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
				"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
				"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: want %q, got %q", name, want, got)
				}
			}
		})
	}
}

func TestConfigurationPage_runsOnlyWhatCarriesItsNonce(t *testing.T) {
	v := newViewer(t, shownConfiguration)
	nonces := map[string]bool{}
	for range 2 {
		resp, page := v.do("GET", "/", "")
		nonce := regexp.MustCompile(`script-src 'self' 'nonce-([A-Z2-7]{26,})'`).FindStringSubmatch(resp.Header.Get("Content-Security-Policy"))
		if nonce == nil {
			t.Fatalf("the policy names no nonce of 128 bits: %v", resp.Header)
		}
		nonces[nonce[1]] = true
		want := "default-src 'none'; script-src 'self' 'nonce-N'; style-src 'self' 'nonce-N'; img-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'; object-src 'none'"
		if got := strings.ReplaceAll(resp.Header.Get("Content-Security-Policy"), nonce[1], "N"); got != want {
			t.Errorf("policy: got %s", got)
		}
		for _, tag := range []string{"<script", "<style"} {
			if strings.Count(page, tag) != 1 || !strings.Contains(page, tag+` nonce="`+nonce[1]+`">`) {
				t.Errorf("%s does not carry the nonce", tag)
			}
		}
	}
	if len(nonces) != 2 {
		t.Error("two answers share a nonce")
	}
}

func TestConfigurationPage_limitsAClient(t *testing.T) {
	v := newViewer(t, shownConfiguration)
	for range viewsPerMinute {
		if resp, _ := v.do("GET", "/nothing", ""); resp.StatusCode != http.StatusNotFound {
			t.Fatalf("refused too early: %s", resp.Status)
		}
	}
	if resp, _ := v.do("GET", "/", ""); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("X-Frame-Options") == "" {
		t.Errorf("want 429 with all headers, got %s, %v", resp.Status, resp.Header)
	}
	v.now = v.now.Add(time.Minute)
	if resp, _ := v.do("GET", "/", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("want 200 a minute later, got %s", resp.Status)
	}
}

func TestConfigurationPage_aFailureIsAnAnswer(t *testing.T) {
	for name, view := range map[string]func() (Configuration, error){
		"error": func() (Configuration, error) { return Configuration{}, errors.New("write the configuration: no") },
		"panic": func() (Configuration, error) { panic("poison") },
	} {
		t.Run(name, func(t *testing.T) {
			if resp, _ := newViewer(t, view).do("GET", "/", ""); resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("X-Frame-Options") == "" {
				t.Errorf("want 500 with all headers, got %s, %v", resp.Status, resp.Header)
			}
		})
	}
}
