package destinationtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
	"butler/messages"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// Update reports whether golden files are to be rewritten (go test -update).
func Update() bool { return *update }

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
	// Peer starts the provider; nil starts one that speaks HTTP.
	Peer func(t *testing.T) *Peer
	// Outcomes are what each answer of the provider means; nil means HTTPOutcomes.
	Outcomes []Outcome
	// Attempt bounds how long the suite lets a stalled provider wait; 0 means 100 ms.
	Attempt time.Duration
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

// OutcomesExcept returns HTTPOutcomes with the rows of the given codes replaced,
// for a provider whose codes mean something else.
func OutcomesExcept(rows ...Outcome) []Outcome {
	replaced := map[int]bool{}
	for _, row := range rows {
		replaced[row.Code] = true
	}
	var out []Outcome
	for _, row := range HTTPOutcomes() {
		if !replaced[row.Code] {
			out = append(out, row)
		}
	}
	return append(out, rows...)
}

// limit bounds every attempt of the suite that is expected to end by itself.
const limit = 10 * time.Second

// Run holds a destination against the contract of package destination. Call it
// from the test of the destination's folder: it reads README.md and testdata.
func Run(t *testing.T, fx Fixture) {
	t.Helper()
	t.Run("schema parses and README names every key", fx.testDocumented)
	t.Run("sample configuration builds", fx.testBuilds)
	t.Run("payloads", fx.testPayloads)
	t.Run("outcomes", fx.testOutcomes)
	t.Run("cancelled attempt ends at once", fx.testCancelled)
	t.Run("silent provider ends with the deadline", fx.testStalled)
	t.Run("broken connections are tried again", fx.testBroken)
	t.Run("redirects do not leak the message", fx.testRedirect)
	t.Run("provider out of reach is tried again", fx.testUnreachable)
	t.Run("concurrent attempts", fx.testConcurrent)
	t.Run("batches", fx.testBatch)
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
	built, err := fx.Definition.Build(fx.decoder(peer.Address), deps)
	if err != nil {
		t.Fatalf("build the sample configuration: %v", err)
	}
	b.built = built
	t.Cleanup(func() { b.checkLog(t) })
	return b
}

func (fx Fixture) decoder(address string) func(string, any) error {
	return Decoder(fx.Config(address), fx.Definition.Schema)
}

// attempt delivers one notice and checks that its error shows no secret.
func (b *bench) attempt(t *testing.T, ctx context.Context, built destination.Built, n messages.Notice) error {
	t.Helper()
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
		selected := built.Instance.Select(a)
		if len(selected.Recipients) == 0 {
			return messages.Notice{}, false
		}
		recipient = selected.Recipients[0]
	}
	n = NoticeOf(a, built.Instance.Name, recipient)
	if built.Instance.Needs.FullScriptLog && a.ScriptLog.Available {
		n.Attachment = strings.Join(a.ScriptLog.Tail, "\n")
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

func (fx Fixture) testDocumented(t *testing.T) {
	rows, err := parseSchema(fx.Definition.Schema)
	if err != nil {
		t.Fatalf("parse schema.yaml: %v", err)
	}
	if len(rows) == 0 {
		t.Fatal("schema.yaml has no rows")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Key == "" || row.Type == "" || row.Doc == "" {
			t.Errorf("the schema row %+v lacks key, type or doc", row)
			continue
		}
		named := regexp.MustCompile(`\b` + regexp.QuoteMeta(leafName(row.Key)) + `\b`)
		if !named.Match(readme) {
			t.Errorf("README.md does not name the key %s", row.Key)
		}
	}
	blocks := yamlBlocks(string(readme))
	if len(blocks) == 0 {
		t.Error("README.md shows no configuration (a fenced block of YAML)")
	}
	for _, block := range blocks {
		if _, err := fx.Definition.Build(Decoder(block, fx.Definition.Schema), Deps(t)); err != nil {
			t.Errorf("a configuration in README.md does not load: %v\n%s", err, block)
		}
	}
}

func (fx Fixture) testBuilds(t *testing.T) {
	b := fx.start(t)
	if len(b.built) == 0 {
		t.Fatal("the sample configuration yields no instance")
	}
	seen := map[string]bool{}
	for _, built := range b.built {
		i := built.Instance
		if !strings.HasPrefix(i.Name, fx.Definition.Name+"/") {
			t.Errorf("instance %q: want a name that starts with %q", i.Name, fx.Definition.Name+"/")
		}
		if seen[i.Name] {
			t.Errorf("instance %q exists twice", i.Name)
		}
		seen[i.Name] = true
		if len(i.Kinds) == 0 {
			t.Errorf("instance %q carries no alert kind", i.Name)
		}
		if i.Window < 0 || i.Timeout < 0 {
			t.Errorf("instance %q has a negative window or timeout", i.Name)
		}
	}
	off, err := fx.Definition.Build(Decoder("{}", fx.Definition.Schema), Deps(t))
	if err != nil || len(off) != 0 {
		t.Errorf("an absent section yields %d instances and error %v, want neither", len(off), err)
	}
}

func (fx Fixture) testPayloads(t *testing.T) {
	b := fx.start(t)
	for _, built := range b.built {
		for _, kind := range built.Instance.Kinds {
			for _, sample := range AlertsOf(kind) {
				t.Run(fx.goldenName(built.Instance, sample), func(t *testing.T) {
					b.deliverSample(t, built, sample)
				})
			}
		}
	}
}

func (b *bench) deliverSample(t *testing.T, built destination.Built, sample Sample) {
	n, ok := notice(built, sample.Alert)
	if !ok {
		return
	}
	before := len(b.Received())
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := b.attempt(t, ctx, built, n); err != nil {
		t.Fatalf("deliver: %v", err)
	}
	received := b.Received()[before:]
	text := strings.Join(received, "\n")
	if !utf8.ValidString(text) {
		t.Error("the provider got bytes that are no UTF-8")
	}
	if b.fixture.Inspect != nil {
		b.fixture.Inspect(t, sample, received)
	}
	if sample.Form != FormOverlong {
		if b.fixture.Normalise != nil {
			text = b.fixture.Normalise(text)
		}
		Golden(t, b.fixture.goldenName(built.Instance, sample), text)
	}
}

// goldenName names the golden file of a sample: the instance, its kind where the name does not say it, and the form.
func (fx Fixture) goldenName(i destination.Instance, s Sample) string {
	_, name, _ := strings.Cut(i.Name, "/")
	if !strings.Contains(name, string(s.Alert.Kind)) {
		name += "_" + string(s.Alert.Kind)
	}
	if fx.Variant != "" {
		name = fx.Variant + "_" + name
	}
	return strings.ReplaceAll(name, "/", "_") + "_" + string(s.Form)
}

// Golden compares got with testdata/<name>.golden, or rewrites that file with
// -update. Characters that an editor or git would not keep stand in the file as
// their code, such as <U+000D>, and the file ends with a line break.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	got = visible(got)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func visible(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsGraphic(r) {
			fmt.Fprintf(&out, "<%U>", r)
			continue
		}
		out.WriteRune(r)
	}
	return strings.TrimSuffix(out.String(), "\n") + "\n"
}

func (fx Fixture) testOutcomes(t *testing.T) {
	b := fx.start(t)
	if b.Answer == nil {
		return
	}
	built, n := b.plain(t)
	outcomes := fx.Outcomes
	if outcomes == nil {
		outcomes = HTTPOutcomes()
	}
	for _, want := range outcomes {
		t.Run(fmt.Sprintf("%d%s", want.Code, strings.TrimSuffix(" after "+want.RetryAfter, " after ")), func(t *testing.T) {
			b.Answer(want.Code, want.RetryAfter)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			wantOutcome(t, want, b.attempt(t, ctx, built, n))
		})
	}
}

func wantOutcome(t *testing.T, want Outcome, err error) {
	t.Helper()
	if want.Delivered {
		if err != nil {
			t.Errorf("want it delivered, got %v", err)
		}
		return
	}
	if err == nil {
		t.Error("want an error, got none")
		return
	}
	if kind, after := destination.KindOf(err); kind != want.Kind || after != want.After {
		t.Errorf("want kind %d after %v, got kind %d after %v: %v", want.Kind, want.After, kind, after, err)
	}
}

func (fx Fixture) testCancelled(t *testing.T) {
	b := fx.start(t)
	if b.Stall == nil {
		return
	}
	b.Stall()
	built, n := b.plain(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := built.Destination.Deliver(ctx, n)
		done <- err
	}()
	select {
	case <-b.Arrived:
	case <-time.After(limit):
		t.Fatal("the attempt did not reach the provider")
	}
	cancel()
	b.wantTransientSoon(t, done)
}

func (b *bench) wantTransientSoon(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		b.checkText(t, err)
		wantOutcome(t, Outcome{Kind: destination.Transient}, err)
	case <-time.After(limit):
		t.Fatal("the attempt did not end with its context")
	}
}

func (fx Fixture) testStalled(t *testing.T) {
	b := fx.start(t)
	if b.Stall == nil {
		return
	}
	b.Stall()
	built, n := b.plain(t)
	patience := fx.Attempt
	if patience == 0 {
		patience = 100 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := built.Destination.Deliver(ctx, n)
		done <- err
	}()
	b.wantTransientSoon(t, done)
}

func (fx Fixture) testBroken(t *testing.T) {
	b := fx.start(t)
	built, n := b.plain(t)
	for name, breakIt := range map[string]func(){"reset": b.Reset, "truncated answer": b.Truncate} {
		if breakIt == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			breakIt()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			wantOutcome(t, Outcome{Kind: destination.Transient}, b.attempt(t, ctx, built, n))
		})
	}
	t.Run("whole again", func(t *testing.T) {
		if b.Accept != nil {
			b.Accept()
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		wantOutcome(t, Outcome{Delivered: true}, b.attempt(t, ctx, built, n))
	})
}

func (fx Fixture) testRedirect(t *testing.T) {
	b := fx.start(t)
	if b.Redirect == nil {
		return
	}
	elsewhere := NewHTTPPeer(t, nil)
	built, n := b.plain(t)
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		b.Redirect(code, elsewhere.URL()+"/stolen")
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := b.attempt(t, ctx, built, n)
		cancel()
		wantOutcome(t, Outcome{Kind: destination.MisconfiguredKind}, err)
	}
	if got := elsewhere.Requests(); len(got) > 0 {
		t.Errorf("the message went to another host: %s", got[0].Golden())
	}
}

func (fx Fixture) testUnreachable(t *testing.T) {
	b := fx.start(t)
	if b.Reset == nil {
		return
	}
	nobody, err := unusedAddress()
	if err != nil {
		t.Fatal(err)
	}
	address := nobody
	if scheme, _, found := strings.Cut(b.Address, "://"); found {
		address = scheme + "://" + nobody
	}
	b.built, err = fx.Definition.Build(fx.decoder(address), Deps(t))
	if err != nil {
		t.Fatal(err)
	}
	one, n := b.plain(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	wantOutcome(t, Outcome{Kind: destination.Transient}, b.attempt(t, ctx, one, n))
}

// unusedAddress returns a loopback address on which nobody listens.
func unusedAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (fx Fixture) testConcurrent(t *testing.T) {
	b := fx.start(t)
	built, n := b.plain(t)
	const attempts = 16
	errs := make([]error, attempts)
	var wg sync.WaitGroup
	for i := range attempts {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			mine := n
			mine.ID = messages.NewNoticeID(n.Alert.ID, n.Instance, fmt.Sprint(i))
			_, errs[i] = built.Destination.Deliver(ctx, mine)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (fx Fixture) testBatch(t *testing.T) {
	b := fx.start(t)
	built, n := b.plain(t)
	batch, ok := built.Destination.(destination.BatchDeliverer)
	if !ok {
		if built.Instance.Batch > 1 {
			t.Errorf("instance %q asks for batches, and its destination delivers none", built.Instance.Name)
		}
		return
	}
	notices := []messages.Notice{n, n, n}
	for i := range notices {
		notices[i].ID = messages.NewNoticeID(n.Alert.ID, n.Instance, fmt.Sprint(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	wantBatch(t, Outcome{Delivered: true}, batch.DeliverBatch(ctx, notices), len(notices))
	if b.Reset != nil {
		b.Reset()
		wantBatch(t, Outcome{Kind: destination.Transient}, batch.DeliverBatch(ctx, notices), len(notices))
	}
	cancel()
	if b.Accept != nil {
		b.Accept()
	}
	wantBatch(t, Outcome{Kind: destination.Transient}, batch.DeliverBatch(ctx, notices), len(notices))
	wantBatch(t, Outcome{}, batch.DeliverBatch(t.Context(), nil), 0)
}

func wantBatch(t *testing.T, want Outcome, errs []error, n int) {
	t.Helper()
	if len(errs) != n {
		t.Fatalf("want %d results, one per notice, got %d", n, len(errs))
	}
	for _, err := range errs {
		wantOutcome(t, want, err)
	}
}
