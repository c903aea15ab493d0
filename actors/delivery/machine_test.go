package delivery

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"butler/internal/backoff"
	"butler/internal/ratelimit"
	"butler/messages"
)

var update = flag.Bool("update", false, "write what the machine does into testdata")

// TestMachine_followsTheScripts runs testdata/machine: every block is inputs,
// a line of dashes, and the effects they must have.
//
// Inputs: policy, load, queue, finish, settled, at (moves the clock; sends due
// when the timer is armed for that moment or before), drain.
func TestMachine_followsTheScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/machine/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newScript(t).run(string(raw))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := gocmp.Diff(string(raw), got); diff != "" {
				t.Errorf("effects differ (-want +got):\n%s", diff)
			}
		})
	}
}

// A commit that is too large for the journal is never durable.
func TestMachine_forgetsManyWindowsInSeveralCommits(t *testing.T) {
	m := newMachine(testPolicy(), rand.New(rand.NewPCG(1, 2))) // without windows
	many := map[string]ratelimit.Window{}
	for i := range 5 * settleAtOnce / 2 {
		many[strconv.Itoa(i)] = ratelimit.Window{Until: noon}
	}
	torn := []queued{{id: "n1", queuedAt: noon, unreadable: "torn"}}
	var serials []uint64
	forgotten := map[string]bool{}
	for _, e := range m.step(noon, loaded{notices: torn, windows: many}) {
		if do, ok := e.(settle); ok {
			serials = append(serials, do.serial)
			if n := len(do.settlement.Forgotten); n > settleAtOnce {
				t.Errorf("%d windows are forgotten in one commit, at most %d are to be", n, settleAtOnce)
			}
			for _, key := range do.settlement.Forgotten {
				forgotten[key] = true
			}
		}
	}
	if len(forgotten) != len(many) {
		t.Errorf("%d of %d windows are forgotten", len(forgotten), len(many))
	}
	m.step(noon, drain{})
	for _, serial := range serials {
		m.step(noon, settled{serial: serial})
	}
	if m.queued() != 0 || !m.drained {
		t.Errorf("%d notices are left when all of it is durable, drained is %t", m.queued(), m.drained)
	}
}

// script runs a machine by text. Serials are told as #1, #2, ... in the order of
// their effects, times as the time since the start.
type script struct {
	t       *testing.T
	machine *machine
	start   time.Time
	now     time.Time
	armed   time.Time
	serials []uint64
	sent    map[int][]sending
}

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func testPolicy() policy {
	return policy{
		maxInFlight: 8, batch: 1, parkAfter: 24 * time.Hour, breakerFailures: 3,
		retry:        backoff.Policy{Base: 10 * time.Second, Min: 10 * time.Second},
		breakerPause: backoff.Policy{Base: 30 * time.Second, Max: 2 * time.Minute},
	}
}

func newScript(t *testing.T) *script {
	t.Helper()
	return &script{t: t, start: noon, now: noon, sent: map[int][]sending{}}
}

func (s *script) run(text string) string {
	var out strings.Builder
	var block []string
	skipping := false
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "----":
			out.WriteString("----\n")
			for _, input := range block {
				out.WriteString(s.input(input))
			}
			block, skipping = nil, true
		case line == "":
			out.WriteString("\n")
			skipping = false
		case skipping: // the effects of the file
		case strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			out.WriteString(line + "\n")
			block = append(block, line)
		}
	}
	return out.String()
}

// input runs one line and returns its effects as text.
func (s *script) input(line string) string {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "policy":
		p := testPolicy()
		for name, value := range pairs(rest) {
			switch name {
			case "window":
				p.window = s.duration(value)
			case "inflight":
				p.maxInFlight = s.number(value)
			case "batch":
				p.batch = s.number(value)
			case "rate":
				p.rate = float64(s.number(value))
			case "park":
				p.parkAfter = s.duration(value)
			case "failures":
				p.breakerFailures = s.number(value)
			}
		}
		s.machine = newMachine(p, rand.New(rand.NewPCG(1, 1)))
		return ""
	case "load":
		return s.load(rest)
	case "queue":
		return s.step(arrived{notices: []queued{s.notice(rest)}})
	case "finish":
		return s.finish(rest)
	case "settled":
		return s.step(settled{serial: s.serials[s.number(strings.TrimPrefix(rest, "#"))-1]})
	case "at":
		s.now = s.start.Add(s.duration(rest))
		if s.armed.IsZero() || s.now.Before(s.armed) {
			return ""
		}
		s.armed = time.Time{}
		return s.step(due{})
	case "drain":
		return s.step(drain{})
	}
	s.t.Fatalf("unknown input %q", line)
	return ""
}

// load takes notices separated by commas, windows as key:openedBy:until:count.
func (s *script) load(rest string) string {
	in := loaded{windows: map[string]ratelimit.Window{}}
	for part := range strings.SplitSeq(rest, ", ") {
		if window, ok := strings.CutPrefix(part, "window "); ok {
			f := strings.Split(window, ":")
			in.windows[f[0]] = ratelimit.Window{
				OpenedBy: messages.NoticeID(f[1]), Until: s.start.Add(s.duration(f[2])), Suppressed: s.number(f[3]),
			}
		} else if part != "" {
			in.notices = append(in.notices, s.notice(part))
		}
	}
	return s.step(in)
}

// notice reads "id key=k age=1h left=15m attempts=3 unreadable=why".
func (s *script) notice(text string) queued {
	id, rest, _ := strings.Cut(text, " ")
	q := queued{id: messages.NoticeID(id), queuedAt: s.now}
	for name, value := range pairs(rest) {
		switch name {
		case "key":
			q.key = value
		case "age":
			q.queuedAt = s.now.Add(-s.duration(value))
		case "left":
			q.expires = s.now.Add(s.duration(value))
		case "attempts":
			q.attempts = s.number(value)
		case "panics":
			q.panics = s.number(value)
		case "unreadable":
			q.unreadable = value
		}
	}
	return q
}

// finish reads "#1 accepted throttled:30s transient".
func (s *script) finish(rest string) string {
	f := strings.Fields(rest)
	number := s.number(strings.TrimPrefix(f[0], "#"))
	in := sendFinished{serial: s.serials[number-1]}
	for _, word := range f[1:] {
		kind, after, _ := strings.Cut(word, ":")
		r := result{kind: resultKind(slices.Index(kindNames, kind)), err: kind + " error"}
		if r.kind == resultAccepted {
			r.err = ""
		}
		if after != "" {
			r.after = s.duration(after)
		}
		in.results = append(in.results, r)
	}
	return s.step(in)
}

var kindNames = []string{
	"accepted", "transient", "deferred", "throttled", "permanent", "misconfigured", "panicked", "unasked", "unreadable",
}

func (s *script) step(in input) string {
	var out strings.Builder
	for _, e := range s.machine.step(s.now, in) {
		fmt.Fprintln(&out, s.describe(e))
	}
	return out.String()
}

func (s *script) serial(n uint64) string {
	s.serials = append(s.serials, n)
	return fmt.Sprintf("#%d", len(s.serials))
}

func (s *script) describe(e effect) string {
	switch e := e.(type) {
	case send:
		text := "send " + s.serial(e.serial)
		for _, n := range e.notices {
			text += fmt.Sprintf(" %s/%d", n.id, n.attempt)
			if n.suppressedBefore > 0 {
				text += fmt.Sprintf("(+%d)", n.suppressedBefore)
			}
		}
		return text
	case settle:
		text := "settle " + s.serial(e.serial)
		for _, o := range e.settlement.Outcomes {
			switch o.Ended {
			case 0:
				text += fmt.Sprintf(" %s=waiting/%d/%d", o.ID, o.Attempts, o.Panics)
			case messages.NoticeParked:
				text += fmt.Sprintf(" %s=parked/%s(%s)", o.ID, o.Cause, o.Reason)
			default:
				text += fmt.Sprintf(" %s=%s", o.ID, o.Ended)
				if o.Outdated {
					text += "(" + o.Reason + ")"
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(e.settlement.Windows)) {
			w := e.settlement.Windows[key]
			text += fmt.Sprintf(" window(%s by %s until %s, %d held back)", key, w.OpenedBy, s.since(w.Until), w.Suppressed)
		}
		for _, key := range e.settlement.Forgotten {
			text += fmt.Sprintf(" forget(%s)", key)
		}
		return text
	case arm:
		s.armed = e.at
		return "arm " + s.since(e.at)
	case disarm:
		s.armed = time.Time{}
		return "disarm"
	case retry:
		return fmt.Sprintf("retry %s after attempt %d in %s", e.id, e.attempt, e.delay)
	case breakerMoved:
		if e.open {
			return fmt.Sprintf("breaker opens until %s: %s", s.since(e.until), e.err)
		}
		return "breaker closes"
	case paused:
		return "paused until " + s.since(e.until)
	case drained:
		return "drained"
	}
	return fmt.Sprintf("%#v", e)
}

func (s *script) since(t time.Time) string {
	return cmp.Or(t.Sub(s.start), 0).Round(time.Millisecond).String()
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *script) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// pairs yields the name=value words of a text.
func pairs(text string) map[string]string {
	found := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		found[name] = value
	}
	return found
}
