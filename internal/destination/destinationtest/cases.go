package destinationtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"butler/internal/destination"
	"butler/messages"
)

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
	t.Helper()
	n, ok := notice(built, sample.Alert)
	if !ok {
		return
	}
	before := len(b.Received())
	if err := b.attempt(t, built, n); err != nil {
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
			wantOutcome(t, want, b.attempt(t, built, n))
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
	case <-time.After(b.fixture.limit()):
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
	case <-time.After(b.fixture.limit()):
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
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(fx.Attempt, 100*time.Millisecond))
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
			wantOutcome(t, Outcome{Kind: destination.Transient}, b.attempt(t, built, n))
		})
	}
	t.Run("whole again", func(t *testing.T) {
		if b.Accept != nil {
			b.Accept()
		}
		wantOutcome(t, Outcome{Delivered: true}, b.attempt(t, built, n))
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
		err := b.attempt(t, built, n)
		wantOutcome(t, Outcome{Kind: destination.MisconfiguredKind}, err)
	}
	if got := elsewhere.Requests(); len(got) > 0 {
		t.Errorf("the message went to another host: %s", got[0].Golden())
	}
}

func (fx Fixture) testUnreachable(t *testing.T) {
	b := fx.start(t)
	if b.Answer == nil && b.Stall == nil && b.Reset == nil {
		return
	}
	nobody, err := unusedAddress(t.Context())
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
	wantOutcome(t, Outcome{Kind: destination.Transient}, b.attempt(t, one, n))
}

// unusedAddress returns a loopback address on which nobody listens.
func unusedAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
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
			ctx, cancel := context.WithTimeout(t.Context(), fx.limit())
			defer cancel()
			mine := n
			mine.ID = messages.NewNoticeID(n.Alert.ID, n.Instance, strconv.Itoa(i))
			_, errs[i] = built.Destination.Deliver(ctx, mine)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (fx Fixture) testClosed(t *testing.T) {
	b := fx.start(t)
	built, n := b.plain(t)
	keeper, ok := built.Destination.(destination.Closer)
	if !ok {
		return
	}
	for range 3 {
		wantOutcome(t, Outcome{Delivered: true}, b.attempt(t, built, n))
		keeper.Close()
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
		notices[i].ID = messages.NewNoticeID(n.Alert.ID, n.Instance, strconv.Itoa(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), fx.limit())
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
