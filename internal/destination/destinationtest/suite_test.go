package destinationtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/secret"
	"butler/messages"
)

// The suite is worth what it finds. Each fault below is a destination that
// breaks one promise; it is run through the suite in a process of its own,
// which must fail, in the test that is named.

const sampleSchema = `
- {key: sample, type: section, doc: "A sample"}
- {key: sample.enable, type: bool, default: false, doc: "Switch"}
- {key: sample.url, type: uri, default: "", doc: "Address"}
- {key: sample.token, type: secret, default: "", doc: "Token"}
`

const sampleToken = "T0KEN-OF-THE-SAMPLE"

type sampleConfig struct {
	Enable bool
	URL    string
	Token  secret.String
}

// fault breaks one promise of a well-behaved destination; nil keeps it.
type fault struct {
	deliver func(s *sample, ctx context.Context, n messages.Notice) error
	client  func(*http.Client)
	section string
	check   func(sampleConfig) destination.Problems
	fails   string
}

type sample struct {
	config sampleConfig
	client *http.Client
	log    *zap.Logger
	fault  fault
}

func (s *sample) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	if s.fault.deliver != nil {
		return destination.Receipt{}, s.fault.deliver(s, ctx, n)
	}
	return destination.Receipt{}, s.send(ctx, n.Alert.Event.LogMessage)
}

// Probe implements destination.Prober.
func (s *sample) Probe() destination.Probe { return httpc.Probe(s.client, s.config.URL) }

func (s *sample) request(ctx context.Context, text string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL+"/"+s.config.Token.Reveal(), strings.NewReader(strings.ToValidUTF8(text, "")))
	if err != nil {
		panic(err)
	}
	return req
}

func (s *sample) send(ctx context.Context, text string) error {
	_, err := httpc.Send(s.client, s.request(ctx, text))
	return err
}

var faults = map[string]fault{
	"none": {},
	"shows the address of a failed call": {fails: "broken_connections", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		resp, err := s.client.Do(s.request(ctx, "text"))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return httpc.Check(resp)
	}},
	"logs its token": {fails: "payloads", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		s.log.Info("calling", zap.String("token", s.config.Token.Reveal()))
		return s.send(ctx, "text")
	}},
	"takes every failure as permanent": {fails: "outcomes/503", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		if err := s.send(ctx, "text"); err != nil {
			return destination.Permanent(err)
		}
		return nil
	}},
	"tries again for ever": {fails: "outcomes/400", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		if err := s.send(ctx, "text"); err != nil {
			return errors.New("try again")
		}
		return nil
	}},
	"forgets the delay": {fails: "outcomes/429_after_7", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		err := s.send(ctx, "text")
		if kind, _ := destination.KindOf(err); kind == destination.ThrottledKind {
			return destination.Throttled(err, 0)
		}
		return err
	}},
	"swallows failures": {fails: "outcomes/500", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		_ = s.send(ctx, "text")
		return nil
	}},
	"does not end with its context": {fails: "cancelled_attempt", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error {
		return s.send(context.WithoutCancel(ctx), "text")
	}},
	"sends bytes that are no UTF-8": {fails: "hostile", deliver: func(s *sample, ctx context.Context, n messages.Notice) error {
		req := s.request(ctx, "")
		req.Body = io.NopCloser(strings.NewReader(n.Alert.Event.LogMessage))
		_, err := httpc.Send(s.client, req)
		return err
	}},
	"follows every redirect":          {fails: "redirects", client: func(c *http.Client) { c.CheckRedirect = nil }},
	"has a key that nobody documents": {fails: "README", section: sampleSchema + `- {key: sample.hidden, type: str, doc: "Hidden"}` + "\n"},
	"tells the first mistake only": {fails: "mistakes", check: func(c sampleConfig) destination.Problems {
		return checkSample(c)[:min(1, len(checkSample(c)))]
	}},
	"shows a secret in a problem": {fails: "mistakes", check: func(c sampleConfig) destination.Problems {
		p := checkSample(c)
		for i := range p {
			p[i].Reason = c.Token.Reveal() + " is wrong"
		}
		return p
	}},
	"takes mistakes for warnings": {fails: "mistakes", check: func(c sampleConfig) destination.Problems {
		p := checkSample(c)
		for i := range p {
			p[i].Warning = true
		}
		return p
	}},
	"names keys that do not exist": {fails: "mistakes", check: func(c sampleConfig) destination.Problems { return checkSample(c).Below("other") }},
	"changes its message":          {fails: "complete", deliver: func(s *sample, ctx context.Context, _ messages.Notice) error { return s.send(ctx, "another text") }},
}

// checkSample is a good check: everything at once, and no secret.
func checkSample(c sampleConfig) destination.Problems {
	var p destination.Problems
	if c.Enable && !strings.HasPrefix(c.URL, "http") {
		p.Wrong("url", "is not a web address", "begin with https://")
	}
	if strings.Contains(c.Token.Reveal(), "!") {
		p.Wrong("token", "holds an exclamation mark", "copy it again")
	}
	return p
}

func sampleDefinition(f fault) destination.Definition {
	schema := sampleSchema
	if f.section != "" {
		schema = f.section
	}
	return destination.Define("sample", destination.Spec[sampleConfig, struct{}]{
		Section: "sample", Schema: []byte(schema),
		Check: func(c sampleConfig, _ destination.Deps) destination.Problems {
			if f.check != nil {
				return f.check(c).Below("sample")
			}
			return checkSample(c).Below("sample")
		},
		Uses: func(c sampleConfig) []destination.Use[struct{}] {
			if !c.Enable {
				return nil
			}
			return []destination.Use[struct{}]{{Name: "reload_task_failed", Kinds: []messages.AlertKind{messages.ReloadTaskFailed}}}
		},
		Instance: func(sampleConfig, destination.Use[struct{}]) destination.Instance { return destination.Instance{} },
		New: func(c sampleConfig, _ destination.Use[struct{}], d destination.Deps) (destination.Destination, error) {
			client, err := d.HTTP(destination.HTTPOptions{})
			if err == nil && f.client != nil {
				f.client(client)
			}
			return &sample{config: c, client: client, log: d.Log, fault: f}, err
		},
	})
}

const faultVariable = "DESTINATIONTEST_FAULT"

// TestSample runs the suite for the sample destination; only the processes of the test below do.
func TestSample(t *testing.T) {
	name, ok := os.LookupEnv(faultVariable)
	limit := time.Second / 2
	if !ok {
		name, limit = "none", 0
		t.Chdir("testdata/sample")
	}
	Run(t, Fixture{
		Definition: sampleDefinition(faults[name]),
		Config: func(address string) string {
			return fmt.Sprintf("{Butler: {SAMPLE: {Enable: true, url: %q, token: %s}}}", address, sampleToken)
		},
		Secrets:       []string{sampleToken},
		Mistakes:      "{sample: {enable: true, url: ftp://example.com, token: " + sampleToken + "!}}",
		MistakenPaths: []string{"sample.url", "sample.token"},
		Limit:         limit,
	})
}

func TestSuite_findsEveryFault(t *testing.T) {
	for name, f := range faults {
		if name == "none" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSample$")
			cmd.Dir = "testdata/sample"
			cmd.Env = append(os.Environ(), faultVariable+"="+name)
			output, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite finds nothing wrong")
			}
			if !bytes.Contains(output, []byte("--- FAIL: TestSample/")) || !failsIn(string(output), f.fails) {
				t.Errorf("want a failure in %s, got\n%.3000s", f.fails, output)
			}
		})
	}
}

func failsIn(output, name string) bool {
	for line := range strings.Lines(output) {
		if strings.Contains(line, "--- FAIL:") && strings.Contains(line, name) {
			return true
		}
	}
	return false
}
