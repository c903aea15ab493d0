package app_test

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"butler/api/operations"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
	"butler/messages"
)

// marker begins every secret of the configuration below.
const marker = "s3cr3t-"

// secretRow is a key of the schema whose value nobody may see.
type secretRow struct {
	Key    string
	Type   string
	Of     string
	Hidden bool
}

// secretRows reads every schema there is.
func secretRows(t *testing.T) []secretRow {
	t.Helper()
	own, err := os.ReadFile(filepath.Join("..", "..", "config", "schema.yaml"))
	must(t, err)
	schemas := [][]byte{own}
	for _, fragment := range app.Schemas() {
		schemas = append(schemas, fragment.YAML)
	}
	var out []secretRow
	for _, schema := range schemas {
		var rows []secretRow
		must(t, yaml.Unmarshal(schema, &rows))
		for _, row := range rows {
			if row.Hidden || row.Type == "secret" {
				out = append(out, row)
			}
		}
	}
	if len(out) < 35 {
		t.Fatalf("only %d secret keys: are these the schemas?", len(out))
	}
	return out
}

// secretFor is the secret that confide gives a key.
func secretFor(t *testing.T, key string) string {
	t.Helper()
	i := slices.IndexFunc(secretRows(t), func(row secretRow) bool { return row.Key == key })
	if i < 0 {
		t.Fatalf("%s is no secret key", key)
	}
	return secretOf(i)
}

// put sets a key below a section, in the first item of every list on the way.
func put(section map[string]any, path string, value any) {
	name, rest, below := strings.Cut(path, ".")
	name, isList := strings.CutSuffix(name, "[]")
	if !below {
		section[name] = value
		return
	}
	next := map[string]any{}
	if isList {
		list, _ := section[name].([]any)
		if len(list) == 0 {
			list = []any{next}
		}
		section[name], next = list, list[0].(map[string]any)
	} else if known, there := section[name].(map[string]any); there {
		next = known
	} else {
		section[name] = next
	}
	put(next, rest, value)
}

// confide gives every secret key of the configuration a secret of its own.
func confide(t *testing.T, file, hooks string, more map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	var document map[string]any
	must(t, yaml.Unmarshal(text, &document))
	butler := document["Butler"].(map[string]any)
	for i, row := range secretRows(t) {
		own := secretOf(i)
		switch {
		case row.Type == "list":
			put(butler, row.Key, []any{
				map[string]any{"name": fmt.Sprintf("X-Own-%d", i), "value": own},
				map[string]any{"name": "X-Qlik-User", "value": "UserDirectory=Internal;UserId=sa_repository"},
			})
		case row.Type == "secret" && strings.HasSuffix(row.Key, ".url"):
			put(butler, row.Key, "generic+"+hooks+"/"+own+"?template=json")
		case row.Type == "secret":
			put(butler, row.Key, own)
		default:
			put(butler, row.Key, hooks+"/hook/"+own+"?token="+own)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(more)) {
		put(butler, path, more[path])
	}
	text, err = yaml.Marshal(document)
	must(t, err)
	must(t, os.WriteFile(file, text, 0o600))
}

// refuse lets every receiver refuse what it gets, and repeat the secret that came with it.
func refuse(t *testing.T, faults *edge.Faults) {
	t.Helper()
	for i, row := range secretRows(t) {
		own := secretOf(i)
		rule := edge.Rule{Name: own, Kind: edge.Status, Status: 403, Body: "no, " + own + " is not allowed"}
		for _, path := range []string{"/hook/" + own, "/" + own} {
			rule.Name, rule.PathPrefix = path, path
			faults.Set(rule)
		}
		if strings.HasSuffix(row.Key, "insertApiKey") {
			rule.Name, rule.PathPrefix = "newrelic", "/newrelic"
			faults.Set(rule)
			rule.Name, rule.PathPrefix = "newrelic over REST", "/v1/accounts"
			faults.Set(rule)
		}
	}
}

// witness collects everything that the service shows to anybody.
type witness struct {
	*service
	shown map[string]string
}

// call keeps what a call over HTTP answers, headers included.
func (w *witness) call(address, method, path, body string, header ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set(operations.AdminHeader, "1")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(req)
	must(w.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(w.t, err)
	w.shown[method+" "+path] = fmt.Sprint(answer.Status, answer.Header, string(text))
}

// run keeps what a command prints.
func (w *witness) run(args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Dir = w.dir
	out, err := cmd.CombinedOutput()
	w.shown["butler "+strings.Join(args, " ")] = fmt.Sprint(string(out), err)
	if len(out) == 0 {
		w.t.Errorf("butler %v printed nothing: %v", args, err)
	}
}

// files keeps what is in the files of the service, the configuration aside.
func (w *witness) files() {
	w.t.Helper()
	must(w.t, filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || path == w.config {
			return err
		}
		text, err := os.ReadFile(path)
		w.shown[path] = string(text)
		return err
	}))
	w.unpack(supportBundle)
	log, err := os.ReadFile(w.log.Name())
	must(w.t, err)
	w.shown["log"] = string(log)
}

// supportBundle is a support bundle in the directory of the service.
const supportBundle = "bundle.zip"

// unpack keeps what is in an archive in the directory of the service.
func (w *witness) unpack(name string) {
	w.t.Helper()
	body := w.shown[filepath.Join(w.dir, name)]
	archive, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	must(w.t, err)
	for _, f := range archive.File {
		file, err := f.Open()
		must(w.t, err)
		text, err := io.ReadAll(file)
		must(w.t, errors.Join(err, file.Close()))
		w.shown[name+"/"+f.Name] = f.Name + f.Comment + string(text)
	}
}

// wantsNoSecret fails for every place at which a secret can be seen, as it is or encoded.
func (w *witness) wantsNoSecret() {
	w.t.Helper()
	for _, place := range slices.Sorted(maps.Keys(w.shown)) {
		if at := secretAt(w.shown[place]); at >= 0 {
			w.t.Errorf("%s shows a secret: ...%.300q", place, w.shown[place][max(0, at-150):])
		}
	}
}

// A service in which every secret key of the schema has a secret of its own works,
// fails and is asked for everything it tells: none of them is seen anywhere.
func TestHostile_secretsAreSeenNowhere(t *testing.T) {
	s := siteWith(t, sim.Options{ // every receiver wants the secret that is meant for it
		SMTP:   sink.SMTPOptions{User: "butler", Password: secretFor(t, "emailNotification.smtp.auth.password")},
		Influx: sink.InfluxOptions{User: "butler", Password: secretFor(t, "influxDb.v1Config.auth.password")},
		MQTT:   sink.MQTTOptions{User: "butler", Password: secretFor(t, "mqttConfig.password")},
	})
	v := newService(t, s.sim, demo.Settings{With: demo.Further, LogLevel: "silly", Extra: brokerConfig(t, s) + fmt.Sprintf(restConfig, "")})
	page, rest := porttest.Of(t, "tcp"), porttest.Of(t, "tcp")
	confide(t, v.config, s.sim.HTTP.URL(), map[string]any{
		"emailNotification.smtp.auth.enable": true, "emailNotification.smtp.auth.user": "butler",
		"influxDb.v1Config.auth.enable": true, "influxDb.v1Config.auth.username": "butler", "mqttConfig.username": "butler",
		"heartbeat.enable": true, "heartbeat.frequency": "every 1 second",
		"configVisualisation.enable": true, "configVisualisation.port": page, "configVisualisation.obfuscate": false,
		"restServerConfig.serverPort": rest, "restServerEndpointsEnable.slackPostMessage": true, "restServerEndpointsEnable.qlikCloudEvent": true, "restServerEndpointsEnable.explain": true,
		"restServerEndpointsEnable.newRelic.postNewRelicEvent":                    true,
		"restServerEndpointsConfig.newRelic.postNewRelicEvent.destinationAccount": []any{"Operations"},
		"restServerEndpointsConfig.newRelic.postNewRelicEvent.url":                s.sim.HTTP.URL(),
		"fileLogging":   true,
		"routes[].name": "all", "routes[].continue": true,
	})
	v.start()
	v.ready()
	must(t, s.sim.Aim(v.udp))
	happen := func() (last string) {
		for _, family := range []messages.Family{messages.FamilyFailed, messages.FamilyAborted} {
			last = s.run(qlik.TaskReload, world.Fail(), family).ExecutionID
		}
		return last
	}
	delivered := happen()
	v.until("alerts delivered", func() bool { return v.metrics()["butler_notifications_total"] >= 8 })
	refuse(t, s.sim.HTTP.Faults())
	refused := happen()
	v.until("alerts refused", func() bool { return v.metrics()["butler_notifications_failed_total"] >= 6 })

	w := &witness{service: v, shown: map[string]string{}}
	for _, path := range []string{"/metrics", "/health", "/readyz", "/admin/destinations", "/admin/parked", "/admin/quarantine", "/admin/profile/goroutine", "/admin/alerts?execution=x", "/admin/explain?execution=" + refused, "/none"} {
		w.call(v.ops, "GET", path, "")
	}
	at := fmt.Sprintf("127.0.0.1:%d", page)
	w.call(at, "GET", "/", "")
	w.call(at, "GET", "/config.yaml", "")
	at = fmt.Sprintf("127.0.0.1:%d", rest)
	w.call(at, "GET", "/documentation", "")
	w.call(at, "GET", "/v4/configfile/endpointsenabled", "")
	w.call(at, "GET", "/v4/executions/"+delivered, "")
	w.call(at, "GET", "/v4/executions/"+refused, "")
	w.call(at, "PUT", "/v4/slackpostmessage", `{"channel":"#a","msg":"x"}`)
	w.call(at, "POST", "/v4/newrelic/event", `{"eventType":"a"}`)
	w.call(at, "POST", "/v4/qlikcloud/event", `{}`, "Qlik-Signature", "00")
	for _, command := range [][]string{
		{"check", v.config},
		{"health", "-c", v.config},
		{"parked", "list", "-c", v.config},
		{"quarantine", "list", "-c", v.config},
		{"test-alert", "-c", v.config},
		{"doctor", "-c", v.config},
		{"explain", "-c", v.config, delivered},
		{"explain", "-c", v.config, "--json", refused},
		{"support-bundle", "-c", v.config, "-o", supportBundle},
	} {
		w.run(command...)
	}
	if code := v.terminate(drainTime); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.files()
	w.records()
	w.sent()
	for _, log := range []string{"events", "ledger"} {
		if !strings.Contains(w.shown["records of the log "+log], refused) {
			t.Errorf("want the records of the log %s readable, the execution %s is not in them", log, refused)
		}
	}
	for _, place := range []string{
		"GET /health", "log", "GET /v4/executions/" + refused, "GET /admin/explain?execution=" + refused, "butler explain -c " + v.config + " --json " + refused,
		supportBundle + "/service/health.json",
	} {
		if !strings.Contains(w.shown[place], "is not allowed") {
			t.Errorf("want what receivers answered told in %s, without the secret in it, got %.300s", place, w.shown[place])
		}
	}
	w.wantsNoSecret()
}
