package delivery

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/messages"
)

// world is a machine with a real outbox over a ledger that the test holds back,
// releases and crashes, and with a provider that answers what chance says.
type world struct {
	t      *rapid.T
	ledger *outboxtest.Ledger
	outbox *outbox.Outbox
	opts   Options

	machine *machine
	now     time.Time
	armed   time.Time
	running map[uint64]send
	order   []uint64 // the keys of running
	inbox   []input  // what callbacks have posted
	seed    uint64

	alerts   int
	notices  map[messages.NoticeID]messages.NoticeHead
	accepted map[messages.NoticeID]int // by the provider
	repeats  map[messages.NoticeID]int // excused by a crash
	told     map[messages.NoticeID]int // suppressed ones, told with the accepted notice
	outdated map[messages.NoticeID]bool
	ends     map[messages.NoticeID]messages.NoticeOutcome
	// opened is the last acceptance of each key, as far as the ledger has or will have it.
	opened   map[string]acceptance
	held     int // suppressed, durably
	reported int // told with a durably delivered notice
}

type acceptance struct {
	id messages.NoticeID
	at time.Time
}

func newWorld(t *rapid.T) *world {
	instance := destination.Instance{
		Name:        "test/one",
		Integration: "test",
		MaxInFlight: rapid.IntRange(1, 4).Draw(t, "max in flight"),
		Batch:       rapid.IntRange(1, 3).Draw(t, "batch"),
		Window:      rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "window"),
	}
	w := &world{
		t: t, ledger: &outboxtest.Ledger{}, now: noon,
		opts: Options{
			Built: destination.Built{Instance: instance}, ParkAfter: 6 * time.Hour, BreakerFailures: 3,
			Retry:        backoff.Policy{Base: time.Second, Max: 10 * time.Minute},
			BreakerPause: backoff.Policy{Base: 30 * time.Second, Max: 5 * time.Minute},
		},
		notices: map[messages.NoticeID]messages.NoticeHead{}, accepted: map[messages.NoticeID]int{},
		repeats: map[messages.NoticeID]int{}, told: map[messages.NoticeID]int{},
		ends: map[messages.NoticeID]messages.NoticeOutcome{}, outdated: map[messages.NoticeID]bool{},
		opened: map[string]acceptance{},
	}
	w.begin()
	return w
}

// begin is the start of a process: everything comes from the ledger.
func (w *world) begin() {
	var err error
	if w.outbox, err = outbox.Open(w.ledger, outbox.Options{}); err != nil {
		w.t.Fatal(err)
	}
	w.opts.Outbox = w.outbox
	w.ledger.Hold()
	w.revive()
}

// revive is the start of the actor.
func (w *world) revive() {
	w.seed++
	w.machine = newMachine(w.opts.policy(), rand.New(rand.NewPCG(w.seed, 7)))
	w.armed, w.inbox = time.Time{}, nil
	for _, send := range w.running {
		for _, n := range send.notices {
			w.repeats[n.id]++ // the attempt may have got through, nobody knows
		}
	}
	w.running, w.order = map[uint64]send{}, nil
	maps.DeleteFunc(w.opened, func(_ string, a acceptance) bool { return w.ends[a.id] == 0 })
	loaded, err := backlog(w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(loaded)
}

func (w *world) step(in input) {
	for _, effect := range w.machine.step(w.now, in) {
		switch do := effect.(type) {
		case send:
			w.checkSend(do)
			w.running[do.serial] = do
			w.order = append(w.order, do.serial)
		case settle:
			w.settle(do)
		case arm:
			if do.at.Before(w.now) {
				w.t.Fatalf("armed for %s, which is past", do.at)
			}
			w.armed = do.at
		case disarm:
			w.armed = time.Time{}
		case retry, breakerMoved, paused, drained:
		}
	}
}

func (w *world) settle(do settle) {
	machine := w.machine
	for _, o := range do.settlement.Outcomes {
		if o.Outdated && w.now.Before(w.notices[o.ID].Expires) {
			w.t.Fatalf("notice %s is called outdated before its time", o.ID)
		}
		w.outdated[o.ID] = o.Outdated
	}
	w.outbox.Settle(outbox.Place{Integration: "test", Instance: "test/one"}, do.settlement,
		func(ended []messages.NoticeSettled, err error) {
			for _, e := range ended {
				if was, twice := w.ends[e.ID]; twice {
					w.t.Fatalf("notice %s ended twice: %s, then %s", e.ID, was, e.Outcome)
				}
				w.ends[e.ID] = e.Outcome
				switch e.Outcome {
				case messages.NoticeDelivered:
					w.reported += w.told[e.ID]
				case messages.NoticeSuppressed:
					if !w.outdated[e.ID] {
						w.held++
					}
				case messages.NoticeParked:
				}
			}
			if machine == w.machine {
				w.inbox = append(w.inbox, settled{serial: do.serial})
			}
		})
}

// checkSend checks what must hold at the start of every attempt.
func (w *world) checkSend(do send) {
	if got, most := len(w.running)+1, w.opts.Built.Instance.MaxInFlight; got > most {
		w.t.Fatalf("%d attempts run, at most %d may", got, most)
	}
	if got, most := len(do.notices), w.opts.Built.Instance.Batch; got == 0 || got > most {
		w.t.Fatalf("attempt with %d notices, want 1 to %d", got, most)
	}
	busy := map[string]bool{}
	for _, send := range w.running {
		for _, n := range send.notices {
			busy[w.notices[n.id].SuppressBy] = true
		}
	}
	for _, n := range do.notices {
		if _, over := w.ends[n.id]; over {
			w.t.Fatalf("notice %s is sent after its end", n.id)
		}
		key := w.notices[n.id].SuppressBy
		if w.opts.Built.Instance.Window > 0 && busy[key] {
			w.t.Fatalf("two notices of key %s run at once", key)
		}
		busy[key] = true
	}
}

// checkLimit checks, for a notice that is accepted now, that the one before it is long enough ago.
func (w *world) checkLimit(id messages.NoticeID) {
	key, window := w.notices[id].SuppressBy, w.opts.Built.Instance.Window
	if last, ok := w.opened[key]; ok && w.now.Sub(last.at) < window {
		w.t.Fatalf("notice %s of key %s is accepted %s after %s, the limit is one in %s", id, key, w.now.Sub(last.at), last.id, window)
	}
	w.opened[key] = acceptance{id, w.now}
}

// The actions.

func (w *world) record() {
	w.alerts++
	n := w.alerts
	alert := &messages.Alert{
		ID: messages.AlertID(fmt.Sprintf("alert%04d", n)), Kind: messages.ReloadTaskFailed,
		Event: messages.TaskEvent{TaskID: rapid.SampledFrom([]string{"t1", "t2", "t3"}).Draw(w.t, "task")},
	}
	var notices []messages.NoticeHead
	for i := range rapid.IntRange(1, 3).Draw(w.t, "recipients") {
		notice := messages.NoticeHead{
			ID: messages.NoticeID(fmt.Sprintf("n%04d-%d", n, i)), Instance: "test/one",
			Recipient: fmt.Sprint(i), SuppressBy: alert.Event.TaskID, QueuedAt: w.now,
		}
		if lasts := rapid.SampledFrom([]time.Duration{0, 0, 15 * time.Minute}).Draw(w.t, "lasts"); lasts > 0 {
			notice.Expires = w.now.Add(lasts)
		}
		notices = append(notices, notice)
	}
	w.outbox.Record(outbox.Decision{Alert: alert, Notices: notices}, nil, func(error) {
		for _, notice := range notices {
			w.notices[notice.ID] = notice
		}
		for _, notice := range notices {
			w.inbox = append(w.inbox, arrived{notices: []queued{queuedOf(&w.opts.Built.Instance, &notice)}})
		}
	})
}

func (w *world) finish(index int, kinds func() resultKind) {
	serial := w.order[index]
	send := w.running[serial]
	w.order = slices.Delete(w.order, index, index+1)
	delete(w.running, serial)
	in := sendFinished{serial: serial}
	for _, n := range send.notices {
		r := result{kind: kinds(), err: "no"}
		if r.kind == resultAccepted {
			w.accepted[n.id]++
			w.checkLimit(n.id)
			w.told[n.id] = n.suppressedBefore
		}
		in.results = append(in.results, r)
	}
	w.step(in)
}

// deliver hands the machine what callbacks have posted, as the mailbox would.
func (w *world) deliver() {
	for len(w.inbox) > 0 {
		in := w.inbox[0]
		w.inbox = w.inbox[1:]
		if a, ok := in.(arrived); ok && !w.outbox.Pending("test/one", a.notices[0].id) {
			continue
		}
		w.step(in)
	}
}

func (w *world) sleep(d time.Duration) {
	w.now = w.now.Add(d)
	if !w.armed.IsZero() && !w.now.Before(w.armed) {
		w.armed = time.Time{}
		w.step(due{})
	}
}

// lost notes what a crash makes possible: what the provider accepted and the
// ledger has not recorded is sent again.
func (w *world) lost() {
	for id, n := range w.accepted {
		if _, over := w.ends[id]; !over && n > w.repeats[id] {
			w.repeats[id] = n
		}
	}
}

// finishEverything lets the provider accept everything until nothing waits.
func (w *world) finishEverything() {
	for round := 0; ; round++ {
		if round > 10_000 {
			w.t.Fatalf("machine does not come to an end: %+v", w.machine.state(w.now))
		}
		w.ledger.Release(w.ledger.Held())
		w.deliver()
		switch {
		case len(w.order) > 0:
			w.finish(0, func() resultKind { return resultAccepted })
		case !w.armed.IsZero():
			w.sleep(w.armed.Sub(w.now))
		case w.ledger.Held() == 0 && len(w.inbox) == 0:
			return
		}
	}
}

func TestMachine_everyNoticeEndsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"record": func(*rapid.T) { w.record() },
			"durable": func(t *rapid.T) {
				w.ledger.Release(rapid.IntRange(1, 3).Draw(t, "commits"))
				w.deliver()
			},
			"finish": func(t *rapid.T) {
				if len(w.order) == 0 {
					t.Skip("nothing runs")
				}
				w.finish(rapid.IntRange(0, len(w.order)-1).Draw(t, "attempt"), func() resultKind {
					return resultKind(rapid.IntRange(int(resultAccepted), int(resultNotCalled)).Draw(t, "result"))
				})
			},
			"wait": func(t *rapid.T) {
				w.sleep(time.Duration(rapid.IntRange(1, 4000).Draw(t, "seconds")) * time.Second)
			},
			"actor restarts": func(*rapid.T) {
				w.ledger.Release(w.ledger.Held()) // the barrier
				w.lost()
				w.revive()
			},
			"process dies": func(*rapid.T) {
				w.ledger = w.ledger.Crash()
				w.lost()
				w.begin()
			},
		})
		w.finishEverything()
		w.check(t)
	})
}

// check holds what happened against the promises.
func (w *world) check(t *rapid.T) {
	parked := 0
	for id := range w.notices {
		end, ended := w.ends[id]
		if !ended {
			t.Fatalf("notice %s is gone without an end", id)
		}
		if end == messages.NoticeParked {
			parked++
		}
		if end == messages.NoticeDelivered && w.accepted[id] == 0 {
			t.Fatalf("notice %s is called delivered, the provider never had it", id)
		}
		if n := w.accepted[id]; n > 1+w.repeats[id] {
			t.Fatalf("notice %s was accepted %d times, crashes excuse %d", id, n, w.repeats[id])
		}
	}
	waiting := 0
	backlog, err := w.outbox.Load("test/one")
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range backlog.Windows {
		waiting += window.Suppressed
	}
	if w.held != w.reported+waiting {
		t.Fatalf("%d notices were suppressed, %d told and %d wait to be told", w.held, w.reported, waiting)
	}
	listed, err := w.outbox.Parked(outbox.ParkedFilter{})
	if err != nil || len(listed) != parked || len(backlog.Waiting) != 0 {
		t.Fatalf("%d notices are parked, the list has %d (%v), %d still wait", parked, len(listed), err, len(backlog.Waiting))
	}
	needed, shared := map[messages.AlertID]bool{}, map[messages.AlertID]bool{}
	for _, p := range listed {
		needed[p.Alert] = true
		if _, several := w.notices[messages.NoticeID("n"+strings.TrimPrefix(string(p.Alert), "alert")+"-1")]; several {
			shared[p.Alert] = true
		}
	}
	for bucket, want := range map[journal.Bucket]int{"alert": len(needed), "told": len(shared)} {
		if got := w.ledger.Len(bucket); got != want {
			t.Fatalf("bucket %s holds %d entries, the parked notices need %d", bucket, got, want)
		}
	}
}
