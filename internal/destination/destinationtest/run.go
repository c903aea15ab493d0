package destinationtest

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
	"butler/messages"
)

// Fixture is one destination as the suite sees it.
type Fixture struct {
	Definition destination.Definition
	// Variant begins the names of the golden files where a destination is run
	// with several configurations, such as one per version of a server.
	Variant string
	// Config returns a configuration, as YAML, for a provider at address. It
	// switches on every instance that the destination can have.
	Config func(address string) string
	// Secrets are texts of that configuration that must never be shown.
	Secrets []string
	// Mistakes is a configuration with independent mistakes, two at least where
	// there are two keys, and the paths of what is wrong, from the root.
	Mistakes      string
	MistakenPaths []string
	// Peer starts the provider; nil starts one that speaks HTTP.
	Peer func(t *testing.T) *Peer
	// Outcomes are what each answer of the provider means; nil means HTTPOutcomes.
	Outcomes []Outcome
	// Attempt bounds how long the suite lets a stalled provider wait; 0 means 100 ms.
	Attempt time.Duration
	// Limit is after how long an attempt has not ended at all; 0 means 10 s.
	Limit time.Duration
	// Normalise removes from a golden text what differs from run to run, such as a MIME boundary.
	Normalise func(string) string
	// Inspect checks what the provider got of a sample, above all that the
	// provider's limits are kept and that hostile text arrives as text.
	Inspect func(t *testing.T, s Sample, received []string)
}

// Outcome says what one answer of a provider means.
type Outcome struct {
	Code int
	// RetryAfter is the delay that the provider names, "" for none.
	RetryAfter string
	// Delivered, or failed with Kind and After.
	Delivered bool
	Kind      destination.ErrorKind
	After     time.Duration
}

// HTTPOutcomes is who retries and who parks, by HTTP status code.
func HTTPOutcomes() []Outcome {
	var out []Outcome
	for _, code := range []int{200, 201, 202, 204} {
		out = append(out, Outcome{Code: code, Delivered: true})
	}
	for _, code := range []int{408, 425, 500, 502, 503, 504, 507} {
		out = append(out, Outcome{Code: code, Kind: destination.Transient})
	}
	for _, code := range []int{400, 405, 409, 413, 415, 422, 451} {
		out = append(out, Outcome{Code: code, Kind: destination.PermanentKind})
	}
	for _, code := range []int{401, 403, 404, 410} {
		out = append(out, Outcome{Code: code, Kind: destination.MisconfiguredKind})
	}
	return append(out,
		Outcome{Code: 429, Kind: destination.ThrottledKind},
		Outcome{Code: 429, RetryAfter: "7", Kind: destination.ThrottledKind, After: 7 * time.Second},
		Outcome{Code: 503, RetryAfter: "30", Kind: destination.ThrottledKind, After: 30 * time.Second},
		Outcome{Code: 429, RetryAfter: "soon", Kind: destination.ThrottledKind},
	)
}

// defaultLimit bounds every attempt that is expected to end by itself.
const defaultLimit = 10 * time.Second

func (fx Fixture) limit() time.Duration { return cmp.Or(fx.Limit, defaultLimit) }

// Run holds a destination against the contract of package destination. Call it
// from the test of the destination's folder: it reads README.md and testdata.
func Run(t *testing.T, fx Fixture) {
	t.Helper()
	t.Run("schema parses and README names every key", fx.testDocumented)
	t.Run("sample configuration builds", fx.testBuilds)
	t.Run("mistakes are told all at once", fx.testMistakes)
	t.Run("payloads", fx.testPayloads)
	t.Run("outcomes", fx.testOutcomes)
	t.Run("cancelled attempt ends at once", fx.testCancelled)
	t.Run("silent provider ends with the deadline", fx.testStalled)
	t.Run("broken connections are tried again", fx.testBroken)
	t.Run("redirects do not leak the message", fx.testRedirect)
	t.Run("provider out of reach is tried again", fx.testUnreachable)
	t.Run("concurrent attempts", fx.testConcurrent)
	t.Run("connections end and begin again", fx.testClosed)
	t.Run("batches", fx.testBatch)
	t.Run("probes", fx.testProbe)
}

// bench is a built destination with its fake provider.
type bench struct {
	*Peer
	fixture Fixture
	built   []destination.Built
	log     *observer.ObservedLogs
}

func (fx Fixture) start(t *testing.T) *bench {
	t.Helper()
	var peer *Peer
	if fx.Peer != nil {
		peer = fx.Peer(t)
	} else {
		peer = NewHTTPPeer(t, nil).Peer()
	}
	b := &bench{Peer: peer, fixture: fx}
	core, logs := observer.New(zapcore.DebugLevel)
	b.log = logs
	deps := Deps(t)
	deps.Log = zap.New(core)
	if peer.Publisher != nil {
		deps.MQTT = func() (destination.Publisher, error) { return peer.Publisher, nil }
	}
	if problems, err := fx.Definition.Check(fx.decoder(peer.Address), deps); err != nil || len(problems) > 0 {
		t.Fatalf("the sample configuration has problems: %v, %v", problems, err)
	}
	built, err := fx.Definition.Build(fx.decoder(peer.Address), deps)
	if err != nil {
		t.Fatalf("build the sample configuration: %v", err)
	}
	b.built = built
	t.Cleanup(func() { b.checkLog(t) })
	return b
}

func (fx Fixture) decoder(address string) destination.Decode {
	return Decoder(fx.Config(address), fx.Definition.Schema)
}

// attempt delivers one notice and checks that its error shows no secret.
func (b *bench) attempt(t *testing.T, built destination.Built, n messages.Notice) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), b.fixture.limit())
	defer cancel()
	_, err := built.Destination.Deliver(ctx, n)
	b.checkText(t, err)
	return err
}

func (b *bench) checkText(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range b.fixture.Secrets {
		if text := fmt.Sprintf("%+v", err); strings.Contains(text, secret) {
			t.Errorf("the error shows the secret %q: %s", secret, text)
		}
	}
}

func (b *bench) checkLog(t *testing.T) {
	t.Helper()
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range b.log.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		if err != nil {
			t.Errorf("encode a log line: %v", err)
			continue
		}
		for _, secret := range b.fixture.Secrets {
			if strings.Contains(line.String(), secret) {
				t.Errorf("the log shows the secret %q: %s", secret, line)
			}
		}
		line.Free()
	}
}

// notice returns what the instance would get of an alert; ok is false where it tells nobody.
func notice(built destination.Built, a messages.Alert) (n messages.Notice, ok bool) {
	recipient := ""
	if built.Instance.Select != nil {
		selected := built.Instance.Select(&a)
		if len(selected.Recipients) == 0 {
			return messages.Notice{}, false
		}
		recipient = selected.Recipients[0]
	}
	n = NoticeOf(a, built.Instance.Name, recipient)
	if built.Instance.Needs.FullScriptLog && a.ScriptLog.Available {
		n.Attached, n.Attachment = true, strings.Join(a.ScriptLog.Tail, "\n")
	}
	return n, true
}

// plain returns the first instance with a complete alert for it.
func (b *bench) plain(t *testing.T) (destination.Built, messages.Notice) {
	t.Helper()
	for _, built := range b.built {
		for _, kind := range built.Instance.Kinds {
			if n, ok := notice(built, Complete(kind)); ok {
				return built, n
			}
		}
	}
	t.Fatal("the sample configuration has no instance that tells anybody of a complete alert")
	return destination.Built{}, messages.Notice{}
}
