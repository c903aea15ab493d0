package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/udp"
	"butler/messages"
)

const (
	taskID = "f1e2d3c4-b5a6-7890-1234-567890abcdef"
	good   = `/scheduler-task-failed/;sense-01;Daily;App;LAB\jdoe;` + taskID + `;;2026-05-06 14:23:45,123;WARN;exec-1;Max retries reached`
	engine = `/engine-reload-failed/;sense-01;;session;LAB;jdoe;2026-05-06 14:23:45.123;ERROR;Field not found`
)

var (
	epoch = time.Date(2026, 5, 6, 14, 23, 45, 0, time.UTC)
	node  = netip.MustParseAddrPort("10.0.0.1:50000")
	alien = netip.MustParseAddrPort("10.9.9.9:50000")
)

func from(source netip.AddrPort, payload string) messages.Datagram {
	return messages.Datagram{Payload: []byte(payload), Size: len(payload), Source: source, At: epoch}
}

func batchOf(payloads ...string) []messages.Datagram {
	var out []messages.Datagram
	for _, payload := range payloads {
		out = append(out, from(node, payload))
	}
	return out
}

func rules() Rules {
	return Rules{MaxMessageSize: 1000, QueueSize: 200, BackpressureThreshold: 80}
}

func allowOnly(t testing.TB, entries ...string) *udp.Set {
	t.Helper()
	list, err := udp.NewAllowList(entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := list.Resolve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// decision is an admission as a test wants to read it.
type decision struct {
	Stored  int
	Engine  int
	Refused []string
}

func decide(m *machine, now time.Time, journal error, batch ...messages.Datagram) decision {
	admitted := m.admit(now, batch, journal)
	d := decision{Stored: len(admitted.entries), Engine: len(admitted.events) - len(admitted.entries)}
	for _, r := range admitted.refusals {
		d.Refused = append(d.Refused, r.reason.String())
	}
	return d
}

// faulty is a checker with a bug.
type faulty struct{ udp.Checker }

func (f *faulty) Check(payload []byte, opts udp.ParseOptions) (udp.Checked, *udp.Rejection) {
	if string(payload) == "bug" {
		panic("index out of range\x1b[31m")
	}
	return f.Checker.Check(payload, opts)
}

func TestMachine_aPanicOfTheCheckRefusesOneDatagram(t *testing.T) {
	m := newMachine(epoch, rules())
	m.checker = new(faulty)
	got := decide(m, epoch, nil, from(node, good), from(node, "bug"), from(node, good))
	if want := (decision{Stored: 2, Refused: []string{"internal_error"}}); cmp.Diff(want, got) != "" {
		t.Errorf("want %+v, got %+v", want, got)
	}
	if detail := m.decided.refusals[0].detail; detail != "a bug of butler: checking it failed with index out of range[31m" {
		t.Errorf("the quarantine says %q", detail)
	}
}

func TestMachine_makesTheChecksInTheirOrder(t *testing.T) {
	huge := strings.Repeat("x", 1001)
	full := errors.New("disk is full")
	for name, row := range map[string]struct {
		datagram messages.Datagram
		limit    bool
		journal  error
		want     decision
	}{
		"accepted":                           {from(node, good), false, nil, decision{Stored: 1}},
		"engine events are not journalled":   {from(node, engine), false, nil, decision{Engine: 1}},
		"source before everything":           {from(alien, huge), true, full, decision{Refused: []string{"source"}}},
		"size before rate":                   {from(node, huge), true, full, decision{Refused: []string{"oversize"}}},
		"rate before content":                {from(node, "nonsense"), true, full, decision{Refused: []string{"rate_limit"}}},
		"rate before emptiness":              {from(node, ""), true, full, decision{Refused: []string{"rate_limit"}}},
		"empty":                              {from(node, ""), false, full, decision{Refused: []string{"empty"}}},
		"type before count":                  {from(node, "/other/;a"), false, full, decision{Refused: []string{"unknown_type"}}},
		"count before IDs":                   {from(node, "/scheduler-task-failed/;h;t;a;u;x"), false, full, decision{Refused: []string{"field_count"}}},
		"task ID before app ID":              {from(node, strings.Replace(good, taskID+";", "x;y", 1)), false, full, decision{Refused: []string{"bad_task_id"}}},
		"app ID before the journal":          {from(node, strings.Replace(good, taskID+";", taskID+";y", 1)), false, full, decision{Refused: []string{"bad_app_id"}}},
		"journal last":                       {from(node, good), false, full, decision{Refused: []string{"journal_unavailable"}}},
		"engine events do not need the disk": {from(node, engine), false, full, decision{Engine: 1}},
		"mapped IPv4 is the same source":     {from(netip.MustParseAddrPort("[::ffff:10.0.0.1]:1"), good), false, nil, decision{Stored: 1}},
		"largest size":                       {from(node, good+strings.Repeat("x", 1000-len(good))), false, nil, decision{Stored: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rules()
			if row.limit {
				r.RateLimit = 1
			}
			m := newMachine(epoch, r)
			m.sources = allowOnly(t, "10.0.0.0/24")
			if row.limit {
				decide(m, epoch, nil, from(node, engine))
			}
			if diff := cmp.Diff(row.want, decide(m, epoch, row.journal, row.datagram)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMachine_judgesTheSizeThatWasSent(t *testing.T) {
	cut := from(node, good)
	cut.Size = 1001
	if got := decide(newMachine(epoch, rules()), epoch, nil, cut); len(got.Refused) != 1 || got.Refused[0] != "oversize" {
		t.Errorf("got %+v, want oversize", got)
	}
}

func TestMachine_onlyChargesTheRateLimitWhereItIsReached(t *testing.T) {
	r := rules()
	r.RateLimit = 2
	m := newMachine(epoch, r)
	m.sources = allowOnly(t, "10.0.0.1")
	huge := from(node, strings.Repeat("x", 2000))
	for range 5 {
		decide(m, epoch, nil, from(alien, good), huge)
	}
	got := decide(m, epoch, nil, from(node, "nonsense"), from(node, good), from(node, good))
	want := decision{Stored: 1, Refused: []string{"unknown_type", "rate_limit"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

func TestMachine_journalsWhatArrived(t *testing.T) {
	m := newMachine(epoch, rules())
	first := m.admit(epoch, append(batchOf("nonsense", good, engine), from(alien, good+"!")), nil)
	kept := first.entries
	m.admit(epoch.Add(time.Second), batchOf(good, good, good), nil)
	for i, want := range []messages.Datagram{from(node, good), from(alien, good+"!")} {
		got, err := udp.DecodeEntry(kept[i])
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Payload) != string(want.Payload) || got.Source != want.Source || !got.At.Equal(want.At) {
			t.Errorf("entry %d is %+v, want %+v", i, got, want)
		}
		if event, err := udp.ParseEntry(kept[i]); err != nil || event.TaskID != taskID {
			t.Errorf("entry %d reads as %+v, %v", i, event, err)
		}
	}
	if len(kept) != 2 {
		t.Errorf("%d entries, want 2", len(kept))
	}
}

func TestMachine_recoversSemicolonsOnlyWhenAsked(t *testing.T) {
	payload := strings.Replace(good, "Daily", "Daily; twice", 1)
	r := rules()
	if got := decide(newMachine(epoch, r), epoch, nil, from(node, payload)); got.Stored != 0 {
		t.Errorf("accepted by default: %+v", got)
	}
	r.RecoverSemicolons = true
	if got := decide(newMachine(epoch, r), epoch, nil, from(node, payload)); got.Stored != 1 {
		t.Errorf("refused although asked for: %+v", got)
	}
}

func TestMachine_tellsTheFirstOfAReasonAndSender(t *testing.T) {
	m := newMachine(epoch, rules())
	told := func(now time.Time, batch ...messages.Datagram) (told []string) {
		for _, r := range m.admit(now, batch, nil).refusals {
			if r.tell {
				told = append(told, r.reason.String()+" "+r.datagram.Source.Addr().String()+": "+r.detail)
			}
		}
		return told
	}
	want := []string{
		`unknown_type 10.0.0.1: unknown message type "nonsense"`,
		`unknown_type 10.9.9.9: unknown message type "nonsense"`,
		`field_count 10.0.0.1: 2 fields, want at least 11`,
	}
	got := told(epoch, from(node, "nonsense"), from(node, "more"), from(alien, "nonsense"), from(node, "/scheduler-distribute/;x"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first lines (-want +got):\n%s", diff)
	}
	if got := told(epoch.Add(59*time.Second), from(node, "nonsense")); got != nil {
		t.Errorf("told again within a minute: %v", got)
	}
	held := m.lines.Due(epoch.Add(time.Minute))
	if len(held) != 1 || held[0].Key != "unknown_type 10.0.0.1" || held[0].Count != 2 {
		t.Errorf("held back: %+v, want two of unknown_type", held)
	}
	if got := told(epoch.Add(61*time.Second), from(node, "nonsense")); len(got) != 1 {
		t.Errorf("after a minute: %v, want one line", got)
	}
}

func TestMachine_explainsEveryReason(t *testing.T) {
	r := rules()
	r.RateLimit = 1
	m := newMachine(epoch, r)
	m.sources = allowOnly(t, "10.0.0.1")
	want := map[string]string{
		"source":     "the sender is not an allowed source",
		"oversize":   "2000 bytes, at most 1000 are allowed",
		"empty":      "the datagram is empty",
		"rate_limit": "more than 1 datagrams in a minute",
	}
	got := map[string]string{}
	for _, refusal := range m.admit(epoch, []messages.Datagram{
		from(alien, good), from(node, strings.Repeat("x", 2000)), from(node, ""), from(node, good),
	}, nil).refusals {
		got[refusal.reason.String()] = refusal.detail
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

func TestMachine_keepsABoundedNumberPerReason(t *testing.T) {
	m := newMachine(epoch, rules())
	kept := func(now time.Time, n int, payload string) (kept int) {
		for range n {
			for _, r := range m.admit(now, batchOf(payload), nil).refusals {
				if r.keep {
					kept++
				}
			}
		}
		return kept
	}
	if got := kept(epoch, 1000, "nonsense"); got != keepBurst {
		t.Errorf("%d of a flood are kept, want %d", got, keepBurst)
	}
	if got := kept(epoch, 10, "/scheduler-task-failed/;x"); got != 10 {
		t.Errorf("%d of another reason are kept, want 10", got)
	}
	if got := kept(epoch.Add(5*time.Second), 1000, "nonsense"); got != 5*keepRate {
		t.Errorf("%d are kept five seconds later, want %d", got, 5*keepRate)
	}
}

func TestMachine_tellsAndKeepsWhatTheDiskDoesNotTake(t *testing.T) {
	m := newMachine(epoch, rules())
	refusals := m.admit(epoch, batchOf(good), errors.New("disk is full")).refusals
	if len(refusals) != 1 || !refusals[0].keep || !refusals[0].tell || refusals[0].detail != "disk is full" {
		t.Errorf("got %+v, want it told and kept", refusals)
	}
}

func TestMachine_tellsOfChangedTextOnceASender(t *testing.T) {
	m := newMachine(epoch, rules())
	dirty := strings.Replace(good, "Daily", "Da\tily", 1)
	admitted := m.admit(epoch, append(batchOf(dirty, dirty, good), from(alien, dirty)), nil)
	if len(admitted.entries) != 4 || len(admitted.sanitised) != 2 {
		t.Errorf("%d stored, %d told, want 4 and 2", len(admitted.entries), len(admitted.sanitised))
	}
}

// TestMachine_countsAddUp holds for every mixture of datagrams.
func TestMachine_countsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules()
		r.RateLimit = rapid.IntRange(0, 20).Draw(t, "limit")
		m := newMachine(epoch, r)
		set := rapid.Bool().Draw(t, "validate")
		if set {
			list, err := udp.NewAllowList([]string{"10.0.0.1"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.sources, _ = list.Resolve(context.Background(), nil)
		}
		now, total, entries, refusals := epoch, 0, 0, 0
		for range rapid.IntRange(1, 10).Draw(t, "batches") {
			var journal error
			if rapid.Bool().Draw(t, "full") {
				journal = errors.New("disk is full")
			}
			batch := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) messages.Datagram {
				return from(rapid.SampledFrom([]netip.AddrPort{node, alien}).Draw(t, "source"),
					rapid.SampledFrom([]string{good, engine, "", "nonsense", strings.Repeat("x", 2000), "/scheduler-task-failed/;"}).Draw(t, "payload"))
			}), 1, 12).Draw(t, "batch")
			admitted := m.admit(now, batch, journal)
			total, entries, refusals = total+len(batch), entries+len(admitted.entries), refusals+len(admitted.refusals)
			if len(admitted.events)+len(admitted.refusals) != len(batch) {
				t.Fatalf("%d accepted and %d refused of %d", len(admitted.events), len(admitted.refusals), len(batch))
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
		}
		c := m.snapshot(now, 0)
		if c.Received+c.RefusedSource != uint64(total) {
			t.Fatalf("%d received and %d foreign of %d", c.Received, c.RefusedSource, total)
		}
		if c.Received != c.Queued+c.Dropped || c.Dropped != c.DroppedSize+c.DroppedRateLimit+c.DroppedQueueFull {
			t.Fatalf("received is not queued plus dropped: %+v", c)
		}
		if c.Queued != c.Processed+c.Failed+uint64(entries) {
			t.Fatalf("queued is not processed, failed and %d stored: %+v", entries, c)
		}
		if uint64(refusals) != c.Failed+c.Dropped+c.RefusedSource {
			t.Fatalf("%d refusals: %+v", refusals, c)
		}
	})
}

func TestRules_reportEveryProblem(t *testing.T) {
	err := Rules{RateLimit: -1, BackpressureThreshold: 101}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"maxMessageSize", "maxMessagesPerMinute", "messageQueue.maxSize", "backpressureThreshold"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	for _, threshold := range []float64{0, 80, 100} {
		r := rules()
		r.BackpressureThreshold = threshold
		if err := r.Validate(); err != nil {
			t.Errorf("threshold %v: %v", threshold, err)
		}
	}
}

func TestWindow_isFixedAndBeginsAnewWhenItIsOver(t *testing.T) {
	w := window{limit: 2, start: epoch}
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{59 * time.Second, true},
		{59*time.Second + 999*time.Millisecond, false},
		{time.Minute, true}, // the first check at or after a minute opens the next window
		{61 * time.Second, true},
		{119 * time.Second, false},
		{10 * time.Minute, true},
	} {
		if got := w.take(epoch.Add(step.after)); got != step.want {
			t.Errorf("step %d after %v: %v, want %v", i, step.after, got, step.want)
		}
	}
}

func TestWindow_givesTheRateAMinute(t *testing.T) {
	w := window{limit: 100, start: epoch}
	for range 7 {
		w.take(epoch.Add(time.Second))
	}
	for after, want := range map[time.Duration]int{0: 0, 10 * time.Second: 42, 60 * time.Second: 0, 7 * time.Second: 60} {
		if got := w.rate(epoch.Add(after)); got != want {
			t.Errorf("after %v: %d a minute, want %d", after, got, want)
		}
	}
	if got := (&window{start: epoch, count: 5}).rate(epoch.Add(time.Second)); got != 0 {
		t.Errorf("without a limit the rate is %d, want 0", got)
	}
}

func TestPressure_beginsRepeatsAndEnds(t *testing.T) {
	p := pressure{size: 200, threshold: 80}
	for i, step := range []struct {
		after   time.Duration
		waiting int
		want    pressureNews
	}{
		{0, 159, pressureSame},
		{1 * time.Second, 160, pressureBegan},
		{2 * time.Second, 100000, pressureSame},
		{61 * time.Second, 200, pressureSame}, // 60 s after it was told, not more
		{62 * time.Second, 200, pressureGoesOn},
		{63 * time.Second, 128, pressureSame}, // 0.8 of the threshold
		{64 * time.Second, 127, pressureEnded},
		{65 * time.Second, 159, pressureSame},
		{66 * time.Second, 160, pressureBegan},
	} {
		if got := p.observe(epoch.Add(step.after), step.waiting); got != step.want {
			t.Errorf("step %d, %d waiting: %v, want %v", i, step.waiting, got, step.want)
		}
	}
}

func TestLoss_tellsTheFirstAtOnceAndThenSums(t *testing.T) {
	var l loss
	for i, step := range []struct {
		after       time.Duration
		fresh, tell uint64
	}{
		{0, 0, 0},
		{1 * time.Second, 5, 5},
		{2 * time.Second, 3, 0},
		{60 * time.Second, 1, 0},
		{61 * time.Second, 0, 4},
		{200 * time.Second, 0, 0},
		{201 * time.Second, 1, 1},
	} {
		if tell := l.observe(epoch.Add(step.after), step.fresh); tell != step.tell {
			t.Errorf("step %d: %d told, want %d", i, tell, step.tell)
		}
	}
}

func ExampleRules_Validate() {
	fmt.Println(Rules{MaxMessageSize: 65507, BackpressureThreshold: 80}.Validate())
	// Output: messageQueue.maxSize is 0, want at least 1
}
