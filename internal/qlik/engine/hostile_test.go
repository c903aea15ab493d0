package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/internal/qlik/engine"
	"butler/internal/qlik/identity"
	"butler/internal/sim/edge"
	"butler/internal/sim/enginesim"
	"butler/messages"
)

// token is the value of a header that no error may show.
const token = `Bearer s3cr3t-"t0ken"`

func withToken(o *engine.Options) {
	o.Headers = append(o.Headers, identity.Header{Name: "Authorization", Value: token})
}

// wantSafe fails when an error shows the value of a header or more than a line.
func wantSafe(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	for _, bad := range []string{"s3cr3t", "sa_repository", "\n", "\x1b", "\u202e"} {
		if strings.Contains(text, bad) {
			t.Errorf("the error shows %q: %s", bad, text)
		}
	}
	if len(text) > 1000 {
		t.Errorf("the error has %d bytes", len(text))
	}
}

// sequence lists every method that an operation calls.
type sequence struct {
	name    string
	path    string
	methods []string
	run     func(*rig) error
}

func sequences() []sequence {
	return []sequence{
		{"list", "/", []string{"GetDocList"}, func(r *rig) error {
			_, err := r.client.ListApps(r.Context())
			return err
		}},
		{"dump", "/app/engineData", []string{
			"OpenDoc", "GetAppProperties", "GetScript", "GetLineage", "CreateSessionObject", "GetLayout", "GetObject",
			"GetFullPropertyTree", "GetDimension", "GetMeasure", "GetBookmark", "GetProperties", "GetConnections",
			"GetConnection", "GetVariableById",
		}, func(r *rig) error {
			_, err := r.client.Dump(r.Context(), r.appID(), &bytes.Buffer{})
			return err
		}},
		{"reload", "/app/", []string{"EngineVersion", "OpenDoc", "DoReload", "DoSave"}, func(r *rig) error {
			outcome, err := r.reload(engine.Reload{AppID: r.appID()})
			return errors.Join(err, outcome.Err)
		}},
	}
}

func TestClient_survivesWhateverHappensAtEveryCall(t *testing.T) {
	faults := []struct {
		name string
		rule edge.Rule
		kind messages.FailureKind
		// harmless lists the methods whose answer is not needed, or not read.
		harmless []string
	}{
		{"server resets", edge.Rule{Kind: edge.ResetBefore}, messages.FailureUnavailable, nil},
		{"server works and resets", edge.Rule{Kind: edge.ResetAfter}, messages.FailureUnavailable, nil},
		{"half an answer", edge.Rule{Kind: edge.Truncate}, messages.FailureUnavailable, nil},
		{"no answer", edge.Rule{Kind: edge.Hang}, messages.FailureTimeout, nil},
		{"broken JSON", edge.Rule{Kind: edge.InvalidJSON}, messages.FailureInvalid, nil},
		{"a number", edge.Rule{Kind: edge.InvalidJSON, Body: `17`}, messages.FailureInvalid, nil},
		{"deep nesting", edge.Rule{Kind: edge.InvalidJSON, Body: strings.Repeat("[", 100_000)}, messages.FailureInvalid, nil},
		{"too long an answer", edge.Rule{Kind: edge.InvalidJSON, Body: `{}` + strings.Repeat(" ", 1<<20)}, messages.FailureInvalid, nil},
		{"another shape", edge.Rule{Kind: edge.WrongShape}, messages.FailureInvalid, []string{"EngineVersion", "DoSave", "GetLineage"}},
		{"refused, with what it should not tell", edge.Rule{
			Kind: edge.Status, Status: 5, Body: "Access denied\n\x1b[31m\u202e" + token + " " + user + strings.Repeat("x", 9999),
		}, messages.FailureRejected, []string{"GetLineage"}},
	}
	for _, s := range sequences() {
		for _, method := range s.methods {
			for _, fault := range faults {
				t.Run(fmt.Sprintf("%s/%s/%s", s.name, method, fault.name), func(t *testing.T) {
					t.Parallel()
					survive(t, s, method, fault.rule, func(err error) {
						if slices.Contains(fault.harmless, method) {
							if err != nil {
								t.Errorf("error %v, want none", err)
							}
							return
						}
						if err == nil {
							t.Fatal("no error")
						}
						failed, ok := errors.AsType[*engine.Error](err)
						if !ok || failed.Kind != fault.kind {
							t.Errorf("error %v, want kind %v", err, fault.kind)
						}
						wantSafe(t, err)
						if late := strings.HasSuffix(err.Error(), ": no answer in time"); late != (fault.rule.Kind == edge.Hang) {
							t.Errorf("error %v, want one that says whether it was too late", err)
						}
					})
				})
			}
		}
	}
}

// survive runs a sequence with a fault at one of its calls, and then without.
func survive(t *testing.T, s sequence, method string, rule edge.Rule, check func(error)) {
	t.Helper()
	r := start(t, nil, func(o *engine.Options) {
		withToken(o)
		o.MaxMessage = 1 << 20
		if rule.Kind == edge.Hang {
			short := 600 * time.Millisecond
			o.CallTimeout, o.OpenTimeout, o.ReloadTimeout = short, short, short
		}
	})
	rule.Name, rule.Method, rule.PathPrefix = "fault", method, s.path
	r.server.Faults().Set(rule)
	check(s.run(r))
	if r.server.Faults().Hits("fault") == 0 {
		t.Fatalf("%s was not called", method)
	}
	r.ended(1)
	if rule.Kind == edge.Hang {
		return
	}
	r.server.Faults().Clear()
	if err := s.run(r); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	r.ended(2)
}

func TestClient_explainsWhyThereIsNoSession(t *testing.T) {
	tests := []struct {
		name string
		rule edge.Rule
		kind messages.FailureKind
	}{
		{"user unknown", edge.Rule{Kind: edge.Status, Status: 403, Body: token}, messages.FailureRejected},
		{"log-in wanted", edge.Rule{Kind: edge.Status, Status: 302}, messages.FailureRejected},
		{"nothing there", edge.Rule{Kind: edge.Status, Status: 404}, messages.FailureRejected},
		{"no WebSocket", edge.Rule{Kind: edge.Status, Status: 200}, messages.FailureInvalid},
		{"engine broken", edge.Rule{Kind: edge.Status, Status: 500}, messages.FailureUnavailable},
		{"too many", edge.Rule{Kind: edge.Status, Status: 429}, messages.FailureUnavailable},
		{"slow", edge.Rule{Kind: edge.Status, Status: 408}, messages.FailureTimeout},
		{"reset", edge.Rule{Kind: edge.ResetBefore}, messages.FailureUnavailable},
		{"half an answer", edge.Rule{Kind: edge.Status, Status: 101}, messages.FailureInvalid},
		{"no answer", edge.Rule{Kind: edge.Hang}, messages.FailureTimeout},
	}
	for _, test := range tests {
		for _, s := range sequences() {
			t.Run(test.name+"/"+s.name, func(t *testing.T) {
				r := start(t, nil, func(o *engine.Options) {
					withToken(o)
					if test.rule.Kind == edge.Hang {
						o.ConnectTimeout = 100 * time.Millisecond
					}
				})
				test.rule.Name, test.rule.Method = "fault", "GET"
				r.server.Faults().Set(test.rule)
				err := s.run(r)
				if err == nil {
					t.Fatal("no error")
				}
				if failed, ok := errors.AsType[*engine.Error](err); !ok || failed.Kind != test.kind {
					t.Errorf("error %v, want kind %v", err, test.kind)
				}
				wantSafe(t, err)
			})
		}
	}
}

func TestClient_saysThatTheEngineIsUnreachable(t *testing.T) {
	r := start(t, nil, nil)
	if err := r.server.Outage(true); err != nil {
		t.Fatal(err)
	}
	_, err := r.client.ListApps(t.Context())
	if kind := kindOf(t, err); kind != messages.FailureUnavailable || !strings.Contains(err.Error(), r.server.Addr()) {
		t.Errorf("error %v, want unavailable with the address", err)
	}
	if err := r.server.Outage(false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.ListApps(t.Context()); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestClient_tellsAnAppThatIsNotThereFromAPartThatIsNot(t *testing.T) {
	tests := []struct {
		method string
		code   int
		want   messages.FailureKind
	}{
		{"OpenDoc", 2, messages.FailureNotFound},
		{"OpenDoc", 1003, messages.FailureNotFound},
		{"OpenDoc", 5, messages.FailureRejected},
		{"OpenDoc", 1002, messages.FailureUnavailable},
		{"OpenDoc", 1008, messages.FailureUnavailable},
		{"OpenDoc", 1009, messages.FailureUnavailable},
		{"GetObject", 2, messages.FailureRejected},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s/%d", test.method, test.code), func(t *testing.T) {
			r := start(t, nil, nil)
			r.server.Faults().Set(edge.Rule{Name: "x", Method: test.method, Kind: edge.Status, Status: test.code})
			_, err := r.client.Dump(t.Context(), r.appID(), &bytes.Buffer{})
			if kind := kindOf(t, err); kind != test.want {
				t.Errorf("kind %v, want %v", kind, test.want)
			}
			if failed, _ := errors.AsType[*engine.Error](err); failed.Code() != test.code {
				t.Errorf("code %d, want %d", failed.Code(), test.code)
			}
		})
	}
}

func TestClient_verifiesBothSides(t *testing.T) {
	secure := func(o *enginesim.Options) { o.PlainHTTP = false }
	r := start(t, secure, nil)
	stranger := start(t, secure, nil)
	own, err := r.server.Authority().WriteClient(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.server.Authority().WriteClient(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*engine.Options)
		ok     bool
	}{
		{"right certificates", func(*engine.Options) {}, true},
		{"engine of another authority", func(o *engine.Options) { o.Identity.CAFile = foreign.Root }, false},
		{"engine of another authority, accepted on purpose", func(o *engine.Options) {
			o.Identity.CAFile, o.Identity.InsecureSkipVerify = foreign.Root, true
		}, true},
		{"without an authority the platform's is used", func(o *engine.Options) { o.Identity.CAFile = "" }, false},
		{"no client certificate", func(o *engine.Options) { o.Identity.CertFile, o.Identity.KeyFile = "", "" }, false},
		{"client of another authority", func(o *engine.Options) {
			o.Identity.CertFile, o.Identity.KeyFile = foreign.Client, foreign.ClientKey
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := newClient(t, r.server.Addr(), func(o *engine.Options) {
				o.UseSSL = true
				o.Identity.CAFile, o.Identity.CertFile, o.Identity.KeyFile = own.Root, own.Client, own.ClientKey
				test.change(o)
			})
			_, err := client.ListApps(t.Context())
			if (err == nil) != test.ok {
				t.Fatalf("error %v, want success %v", err, test.ok)
			}
			if err != nil && kindOf(t, err) != messages.FailureUnavailable {
				t.Errorf("kind of %v, want unavailable", err)
			}
		})
	}
}

func TestNew_refusesWhatCannotWork(t *testing.T) {
	user := identity.Headers{{Name: "x-qlik-user", Value: user}}
	tests := []struct {
		name    string
		options engine.Options
		want    string
	}{
		{"no host", engine.Options{Headers: user}, "host"},
		{"host with a path", engine.Options{Host: "a/b", Headers: user}, "host"},
		{"port out of range", engine.Options{Host: "a", Port: 70000, Headers: user}, "70000"},
		{"no user", engine.Options{Host: "a"}, "X-Qlik-User"},
		{"header name", engine.Options{Host: "a", Headers: append(user, identity.Header{Name: "a b"})}, "a b"},
		{"header value", engine.Options{Host: "a", Headers: append(user, identity.Header{Name: "x", Value: "s3cr3t\n"})}, "header x"},
		{"certificate file", func() engine.Options {
			o := engine.Options{Host: "a", UseSSL: true, Headers: user}
			o.Identity.CertFile, o.Identity.KeyFile = "nix.pem", "nix_key.pem"
			return o
		}(), "engine client certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := engine.New(test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error %v, want one that names %s", err, test.want)
			}
		})
	}
}
