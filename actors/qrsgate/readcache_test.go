package qrsgate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/messages"
)

func TestReadCache_answersAsTheGateDidAMomentAgo(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	metrics := NewMetrics(nil, "qrs")
	c := NewReadCache(Rules{}, metrics)
	known := messages.LookupTaskReply{
		TaskID: guid(1), Attempt: 7, Task: messages.Task{Known: true, ID: guid(1), Name: "Daily"},
		App: messages.App{Known: true, ID: guid(2)}, At: now,
	}
	c.put(known)
	for _, row := range []struct {
		name  string
		query messages.LookupTask
		after time.Duration
		want  bool
	}{
		{"at once", messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Attempt: 3}, 0, true},
		{"when it is to be asked for anew", messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Attempt: 3}, renewAfter + 1, false},
		{"when somebody else has just asked", messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Attempt: 3}, renewAfter + 2, true},
		{"when nobody has asked for a while", messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Attempt: 3}, renewAfter + renewEvery + 2, false},
		{"after its life", messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Attempt: 3}, renewAfter + renewEvery + 3, true},
		{"later", messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Attempt: 3}, readCacheMaxAge + 1, false},
		{"to one who wants it younger", messages.LookupTask{TaskID: guid(1), MaxAge: time.Millisecond, Attempt: 3}, 2 * time.Millisecond, false},
		{"to one who wants it fresh", messages.LookupTask{TaskID: guid(1), Attempt: 3}, 0, false},
		{"about another task", messages.LookupTask{TaskID: guid(4), MaxAge: time.Minute, Attempt: 3}, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := testutil.ToFloat64(metrics.caches.WithLabelValues("task", cacheHit))
			got, ok := c.Task(row.query, now.Add(row.after))
			counted := testutil.ToFloat64(metrics.caches.WithLabelValues("task", cacheHit)) - before
			if ok != row.want || (counted == 1) != row.want {
				t.Fatalf("want answered and counted as a hit: %v, got %v and %v", row.want, ok, counted)
			}
			if diff := cmp.Diff(&known, got); row.want && diff != "" {
				t.Errorf("answer differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadCache_asksSoonForAnOwnerThatIsNotKnownYet(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	c := NewReadCache(Rules{}, NewMetrics(nil, "qrs"))
	known := messages.LookupTaskReply{
		TaskID: guid(1), Task: messages.Task{Known: true, ID: guid(1)},
		App: messages.App{Known: true, ID: guid(2), OwnerID: guid(3)}, At: now,
	}
	answers := func(after time.Duration) bool {
		_, ok := c.Task(messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute}, now.Add(after))
		return ok
	}
	c.put(known)
	if !answers(renewEvery) || answers(renewEvery+1) || !answers(renewEvery+2) {
		t.Error("want one sent to the gate for an answer without the owner, and nobody else")
	}
	known.Owner, known.At = messages.Owner{Known: true, ID: guid(3)}, now.Add(1)
	c.put(known)
	if !answers(renewAfter) {
		t.Error("want nobody sent to the gate when the owner came along")
	}
}

func TestMachine_addsToTheReadCacheWhatItKnowsWhole(t *testing.T) {
	b := pinged(t, Rules{})
	task := messages.Task{Known: true, ID: guid(1), AppID: guid(2)}
	lookup := messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute}
	b.ask(lookup)
	b.answer(opTask, found(task))
	b.ask(lookup)
	if len(b.readCached) != 0 {
		t.Errorf("want nothing cached before the app is known, got %v", b.readCached)
	}
	b.ask(messages.LookupApp{AppID: guid(2), MaxAge: time.Minute})
	b.answer(opApp, found(messages.App{Known: true, ID: guid(2)}))
	b.ask(lookup)
	if len(b.readCached) != 1 || b.readCached[0].Task.ID != guid(1) || b.readCached[0].App.ID != guid(2) {
		t.Errorf("want the task cached with its app, got %v", b.readCached)
	}
	b.ask(messages.LookupTask{TaskID: guid(3), MaxAge: time.Minute})
	b.answer(opTask, outcome{})
	b.ask(messages.LookupTask{TaskID: guid(3), MaxAge: time.Minute})
	if len(b.readCached) != 1 {
		t.Errorf("want a task that does not exist not cached, got %v", b.readCached)
	}
}
