package app_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/apikey"
	"butler/internal/apikey/keyfile"
	"butler/internal/app"
	"butler/internal/demo"
)

// restConfig serves the endpoints that exist; %s is more of restServerConfig.
const restConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0%s}
  restServerEndpointsEnable:
    keyValueStore: true
    butlerping: true
    apiListEnabledEndpoints: true
    fileCopy: true
    fileDelete: true
    createDirQVD: true
    senseListApps: true
  keyValueStore: {enable: true, maxKeysPerNamespace: 2}
  fileCopyApprovedDirectories: [{fromDirectory: in, toDirectory: out}]
  fileDeleteApprovedDirectories: [out]
  configDirectories: {qvdPath: qvd}
`

// call makes one call of the REST API and returns its status and body.
func (s *site) call(method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.app.RESTAddress()+path, strings.NewReader(body))
	must(s.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(req)
	must(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(s.t, err)
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func (s *site) wantCall(method, path, body string, status int, want string, headers ...string) {
	s.t.Helper()
	if got, text := s.call(method, path, body, headers...); got != status || !strings.Contains(text, want) {
		s.t.Errorf("%s %s: want status %d with %q, got %d with %s", method, path, status, want, got, text)
	}
}

func TestREST_servesWhatIsEnabled(t *testing.T) {
	settings := demo.Settings{Off: demo.Destinations, Extra: fmt.Sprintf(restConfig, "")}
	s := startSite(t, settings)
	for _, directory := range []string{"in", "out", "qvd"} {
		must(t, os.MkdirAll(filepath.Join(s.dir, directory), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(s.dir, "in", "a.qvd"), []byte("data"), 0o644))

	s.wantCall("GET", "/v4/butlerping", "", 200, "Butler reporting for duty")
	s.wantCall("GET", "/v4/configfile/endpointsenabled", "", 200, `["keyValueStore","butlerping","apiListEnabledEndpoints","fileCopy","fileDelete","createDirQVD","senseListApps"]`)
	s.wantCall("GET", "/v4/base62tobase16?base62=1", "", 404, "not found")

	transfer := fmt.Sprintf(`{"fromFile":%q,"toFile":%q}`, filepath.Join(s.dir, "in", "a.qvd"), filepath.Join(s.dir, "out", "b.qvd"))
	s.wantCall("PUT", "/v4/filecopy", transfer, 201, `"overwrite":false`)
	stolen := fmt.Sprintf(`{"fromFile":%q,"toFile":%q}`, filepath.Join(s.dir, "butler.yaml"), filepath.Join(s.dir, "x"))
	s.wantCall("PUT", "/v4/filecopy", stolen, 403, "not")
	s.wantCall("DELETE", "/v4/filedelete", fmt.Sprintf(`{"deleteFile":%q}`, filepath.Join(s.dir, "out", "missing")), 404, "missing")
	s.wantCall("POST", "/v4/createdirqvd", `{"directory":"sales/2031"}`, 201, "sales/2031")
	for _, made := range []string{"out/b.qvd", "qvd/sales/2031"} {
		if _, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(made))); err != nil {
			t.Error(err)
		}
	}

	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"run","value":"7"}`, 201, `"value":"7"`)
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"two","value":"2"}`, 201, "two")
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"three","value":"3"}`, 507, "full")
	s.wantCall("DELETE", "/v4/keyvalues/etl/two", "", 204, "")
	s.stopApp()
	s.startApp(settings)
	s.wantCall("GET", "/v4/keyvalues/etl?key=run", "", 200, `"value":"7"`)
	s.wantCall("GET", "/v4/keylist/etl", "", 200, `[{"key":"run"}]`)
}

func TestREST_needsAKeyWhereThatIsConfigured(t *testing.T) {
	s := siteOf(t)
	file := keyfile.New(filepath.Join(s.dir, "apikeys.json"))
	_, key, err := file.Issue(t.Context(), rand.Reader, apikey.Request{Name: "load scripts", Scopes: []apikey.Scope{apikey.KV}})
	must(t, err)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(restConfig, ", auth: {mode: keys}")})
	const put = `{"key":"run","value":"7"}`
	s.wantCall("POST", "/v4/keyvalues/etl", put, 401, "not accepted")
	s.wantCall("POST", "/v4/keyvalues/etl", put, 201, "7", "X-API-Key", key.Reveal())
	s.wantCall("PUT", "/v4/filecopy", "{}", 403, "scope files", "X-API-Key", key.Reveal())
	audited := s.logs.FilterLoggerName("audit").FilterMessage("api call").All()
	if len(audited) != 1 || audited[0].ContextMap()["caller"] != "load scripts" {
		t.Errorf("want one line of the audit log about load scripts, got %v", audited)
	}
	for _, line := range s.logs.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, key.Reveal()) {
			t.Errorf("the key is in the log: %s", text)
		}
	}
}

func TestREST_showsInHealthThatItsKeysCannotBeRead(t *testing.T) {
	s := siteOf(t)
	file := filepath.Join(s.dir, "apikeys.json")
	_, key, err := keyfile.New(file).Issue(t.Context(), rand.Reader, apikey.Request{Name: "load scripts", Scopes: []apikey.Scope{apikey.Read}})
	must(t, err)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(restConfig, ", auth: {mode: keys}")})
	health := func(want string) func() bool {
		return func() bool {
			s.wantCall("GET", "/v4/butlerping", "", 200, "", "X-API-Key", key.Reveal()) // the last good keys stay
			state, _ := s.component("api keys")
			return state == want
		}
	}
	s.until("the keys up in /health", health("up"))
	good, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte("{"), 0o600))
	s.until("the keys degraded in /health", health("degraded"))
	must(t, os.WriteFile(file, good, 0o600))
	s.until("the keys up again in /health", health("up"))
	must(t, os.Remove(file))
	s.until("the keys degraded in /health, as there are none", func() bool {
		s.call("GET", "/v4/butlerping", "", "X-API-Key", key.Reveal())
		state, reason := s.component("api keys")
		return state == "degraded" && strings.Contains(reason, "there is no file of API keys")
	})
}

func TestREST_isNotServedToEverybodyByAccident(t *testing.T) {
	for name, row := range map[string]struct {
		section string
		refused string
	}{
		"this machine":              {"{enable: true, serverHost: localhost}", ""},
		"everybody":                 {"{enable: true, serverHost: 0.0.0.0}", "restServerConfig.serverHost"},
		"everybody, as is meant":    {"{enable: true, serverHost: 0.0.0.0, auth: {mode: none}}", ""},
		"who has a key":             {"{enable: true, serverHost: 0.0.0.0, auth: {mode: keys}}", ""},
		"nobody":                    {"{serverHost: 0.0.0.0}", ""},
		"certificates without TLS":  {"{enable: true, serverHost: 0.0.0.0, auth: {mode: certificates}}", "restServerConfig.auth.mode"},
		"a holder with odd scopes":  {"{enable: true, auth: {certificates: [{commonName: a, scopes: [everything]}]}}", "restServerConfig.auth.certificates[0].scopes"},
		"HTTPS without certificate": {"{enable: true, tls: {enable: true, cert: none.pem, key: none.key}}", "restServerConfig.tls.cert"},
		"HTTPS with the sample":     {"{enable: true, tls: {enable: true, cert: /path/to/cert/certfile.pem, key: /path/to/cert/keyfile.pem}}", "restServerConfig.tls.key: still has the sample value of the template"},
		"HTTPS with what is none":   {"{enable: true, tls: {enable: true, cert: butler.yaml, key: butler.yaml}}", "restServerConfig.tls"},
		"HTTPS with an odd CA":      {"{enable: true, tls: {enable: true, cert: butler.yaml, key: butler.yaml, ca: none.pem}}", "restServerConfig.tls.ca"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "butler.yaml")
			must(t, os.WriteFile(path, []byte("Butler:\n  restServerConfig: "+row.section+"\n"), 0o600))
			_, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Inspect: app.Inspection{}.Findings})
			if (err != nil) != (row.refused != "") || err != nil && !strings.Contains(err.Error(), row.refused) {
				t.Errorf("want %q refused, got %v", row.refused, err)
			}
		})
	}
}

func TestREST_limitsTheCallsOfAClient(t *testing.T) {
	s, file := reloadSite(t, strings.Replace(fmt.Sprintf(restConfig, ""), "maxCallsPerMinute: 0", "maxCallsPerMinute: 1", 1))
	s.wantCall("GET", "/v4/butlerping", "", 200, "")
	s.wantCall("GET", "/v4/butlerping", "", 429, "")
	edit(t, file, "maxCallsPerMinute: 1", "maxCallsPerMinute: 0")
	if got := s.reload(); len(got.NeedsRestart) > 0 {
		t.Errorf("want the limit changed without a restart, got %+v", got)
	}
	s.wantCall("GET", "/v4/butlerping", "", 200, "")
}

func TestREST_servesNobodyByANameThatIsNotItsOwn(t *testing.T) {
	s := siteOf(t)
	settings := demo.Settings{InMemory: true, Off: demo.Destinations, Extra: strings.Replace(fmt.Sprintf(restConfig, ", allowedHosts: [etl.example.com]"), "127.0.0.1", "localhost", 1)}
	s.startApp(settings)
	for host, want := range map[string]int{"localhost:8080": 200, "ETL.example.com": 200, "evil.example.com": 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.app.RESTAddress()+"/v4/butlerping", http.NoBody)
		must(t, err)
		req.Host = host
		answer, err := client.Do(req)
		must(t, err)
		must(t, answer.Body.Close())
		if answer.StatusCode != want {
			t.Errorf("%s: want %d, got %d", host, want, answer.StatusCode)
		}
	}
}

// Values may be what must not lie on a disk; alerts have to.
func TestREST_keepsValuesInMemoryAloneWhereThatIsConfigured(t *testing.T) {
	settings := demo.Settings{Off: demo.Destinations, Extra: strings.Replace(fmt.Sprintf(restConfig, ""), "keyValueStore: {", "keyValueStore: {inMemory: true, ", 1)}
	s := startSite(t, settings)
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"run","value":"not-for-a-disk"}`, 201, "not-for-a-disk")
	s.wantCall("GET", "/v4/keyvalues/etl?key=run", "", 200, "not-for-a-disk")
	s.stopApp()
	must(t, filepath.WalkDir(s.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "not-for-a-disk") {
			t.Errorf("the value is in %s", entry.Name())
		}
		return err
	}))
	s.startApp(settings)
	s.wantCall("GET", "/v4/keyvalues/etl?key=run", "", 400, "does not exist")
}
