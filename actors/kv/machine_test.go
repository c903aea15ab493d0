package kv

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/messages"
)

func TestPut_refusesANewKeyInAFullNamespace(t *testing.T) {
	w := newWorld(t, Limits{Keys: 2})
	w.put("etl", "a", "1", ttl(time.Second))
	w.put("etl", "b", "2")
	if got := w.put("etl", "c", "3").Failure; got != errNamespaceFull || got.Kind != messages.FailureFull || !strings.Contains(got.Text, "maxKeysPerNamespace") {
		t.Errorf("want the third key refused as full, got %v", got)
	}
	if got := w.put("etl", "b", "4").Failure; got.Failed() {
		t.Errorf("want an overwrite accepted, got %v", got)
	}
	w.now = w.now.Add(2 * time.Second) // the timer has not fired
	if got := w.put("etl", "c", "3"); got.Failure.Failed() || !got.Created {
		t.Errorf("want the place of an expired key given away, got %v", got)
	}
	if diff := cmp.Diff([]string{"b", "c"}, w.list("etl").Keys); diff != "" {
		t.Error(diff)
	}
}

func TestPut_refusesWhatItsLimitsForbid(t *testing.T) {
	limits := Limits{NamespaceBytes: 4, KeyBytes: 4, ValueBytes: 4}
	tests := []struct {
		name           string
		ns, key, value string
		want           string // the text of the refusal
	}{
		{"all as long as they may be", "nsns", "keyk", "valu", ""},
		{"an empty value", "ns", "k", "", ""},
		{"names of many kinds", "a :", "%/:", "", ""},
		{"an empty namespace", "", "k", "v", "the namespace is empty"},
		{"an empty key", "ns", "", "v", "the key is empty"},
		{"a long namespace", "nsnsn", "k", "v", "the name of the namespace is longer than 4 bytes"},
		{"a long key", "ns", "keyke", "v", "the key is longer than 4 bytes"},
		{"a long value", "ns", "k", "value", "the value is longer than 4 bytes"},
		{"a namespace that is no text", "\xff", "k", "v", "namespace, key and value have to be text in UTF-8"},
		{"a key that is no text", "ns", "\xff", "v", "namespace, key and value have to be text in UTF-8"},
		{"a value that is no text", "ns", "k", "\xff", "namespace, key and value have to be text in UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, limits)
			got := w.put(tt.ns, tt.key, tt.value).Failure
			if rejected := got.Kind == messages.FailureRejected; rejected != (tt.want != "") || got.Failed() != rejected || got.Text != tt.want {
				t.Errorf("want it refused with %q, got %v", tt.want, got)
			}
			if exists := len(w.namespaces()) == 1; exists == got.Failed() {
				t.Errorf("want a namespace %v, got %v", !exists, exists)
			}
		})
	}
}

func TestPut_boundsAllNamespacesTogether(t *testing.T) {
	value := strings.Repeat("v", 1000)
	w := newWorld(t, Limits{TotalBytes: 2*namespaceCost("a") + 2*pairCost("k", value) + 10})
	w.put("a", "k", value, ttl(time.Second))
	w.put("b", "k", value)
	full := func(ns, key, value string) {
		t.Helper()
		if got := w.put(ns, key, value).Failure; got != errStoreFull {
			t.Errorf("want the store full, got %v", got)
		}
	}
	full("b", "l", "")
	full("c", "k", "")
	full("b", "k", value+strings.Repeat("v", 11))
	if got := w.namespaces(); len(got) != 2 {
		t.Errorf("want no namespace left by a refused put, got %v", got)
	}
	if got := w.put("b", "k", "short").Failure; got.Failed() {
		t.Errorf("want less always accepted, got %v", got)
	}
	if got := w.put("b", "k", value).Failure; got.Failed() {
		t.Errorf("want room that was given back, got %v", got)
	}
	w.now = w.now.Add(2 * time.Second)
	if got := w.put("a", "l", value).Failure; got.Failed() {
		t.Errorf("want the room of an expired value, got %v", got)
	}
	if got := w.pendingBytes.used.Load(); got != 0 {
		t.Errorf("want nothing pending, got %d bytes", got)
	}
	w.end("a")
	w.end("b")
	if got := w.room.used.Load(); got != 0 {
		t.Errorf("want everything given back, got %d bytes", got)
	}
}

func TestPut_boundsTheNumberOfNamespaces(t *testing.T) {
	w := newWorld(t, Limits{Namespaces: 1})
	w.put("a", "k", "v")
	if got := w.put("b", "k", "v").Failure; got != errNamespacesFull {
		t.Errorf("want the store full, got %v", got)
	}
	w.end("a")
	if got := w.put("b", "k", "v").Failure; got.Failed() {
		t.Errorf("want room for another namespace, got %v", got)
	}
}

func TestPut_boundsWhatWaitsForTheDisk(t *testing.T) {
	w := newWorld(t, Limits{})
	large := strings.Repeat("v", 1<<20)
	put := func() string {
		return w.ask(func(to messages.Ref) any {
			return messages.PutValue{Namespace: "etl", Key: "a", Value: large, ReplyTo: to}
		})
	}
	accepted := 0
	for ; accepted <= maxPendingBytes>>20; accepted++ {
		if refused := w.got[put()]; refused != nil {
			if diff := cmp.Diff(messages.PutValueReply{Failure: errBusy}, refused); diff != "" {
				t.Error(diff)
			}
			break
		}
	}
	if accepted == 0 || accepted > maxPendingBytes>>20 {
		t.Errorf("want some accepted and then no more, got %d", accepted)
	}
	w.settle()
	if got := w.put("etl", "a", "v").Failure; got.Failed() {
		t.Errorf("want room when the disk has caught up, got %v", got)
	}
}

func TestGet_boundsTheAnswersThatWaitForTheDisk(t *testing.T) {
	w := newWorld(t, Limits{})
	get := func(key string) any {
		return w.got[w.ask(func(to messages.Ref) any { return messages.GetValue{Namespace: "etl", Key: key, ReplyTo: to} })]
	}
	w.put("etl", "durable", "v")
	w.ask(func(messages.Ref) any { return messages.PutValue{Namespace: "etl", Key: "pending", Value: "v"} })
	for range maxWaitingAnswers - 1 {
		if got := get("pending"); got != nil {
			t.Fatalf("want no answer before the value is durable, got %v", got)
		}
	}
	if diff := cmp.Diff(messages.GetValueReply{Failure: errBusy}, get("pending")); diff != "" {
		t.Error(diff)
	}
	if got, ok := get("durable").(messages.GetValueReply); !ok || got.Value != "v" {
		t.Errorf("want other keys answered while the disk is slow, got %v", got)
	}
	w.settle()
	if got := w.get("etl", "pending"); got.Value != "v" {
		t.Errorf("want the value when it is durable, got %v", got)
	}
}

func TestConditions_ofTwoWritersOneWins(t *testing.T) {
	w := newWorld(t, Limits{})
	first := w.put("etl", "a", "1", onlyIf(messages.Condition{Kind: messages.IfAbsent}))
	same := messages.Condition{Kind: messages.IfRevision, Revision: first.Revision}
	winner := w.put("etl", "a", "2", onlyIf(same))
	loser := w.put("etl", "a", "3", onlyIf(same))
	if winner.Failure.Failed() || loser.Failure.Kind != messages.FailureConflict {
		t.Errorf("want one of two writers refused, got %v and %v", winner.Failure, loser.Failure)
	}
	if got := w.remove("etl", "a", same); got.Kind != messages.FailureConflict {
		t.Errorf("want the deletion of an old revision refused, got %v", got)
	}
	if got := w.remove("etl", "a", messages.Condition{Kind: messages.IfRevision, Revision: winner.Revision}); got.Failed() {
		t.Errorf("want the deletion of the present revision, got %v", got)
	}
	if got := w.put("new", "a", "1", onlyIf(same)); got.Failure.Kind != messages.FailureConflict || len(w.namespaces()) != 1 {
		t.Errorf("want no namespace for a revision that cannot be there, got %v", got)
	}
}

func TestRevisions_doNotComeAgain(t *testing.T) {
	w := newWorld(t, Limits{})
	before := w.put("etl", "a", "1").Revision
	w.remove("etl", "a", messages.Condition{})
	w.pass(time.Millisecond)
	w.crash()
	if after := w.put("etl", "a", "2").Revision; after <= before {
		t.Errorf("want a revision above %d of the deleted value, got %d", before, after)
	}
	last := w.put("etl", "a", "3").Revision
	w.now = w.now.Add(-time.Hour) // the clock was set back
	w.crash()
	if after := w.put("etl", "a", "4").Revision; after <= last {
		t.Errorf("want a revision above %d, got %d", last, after)
	}
}

func TestLists_keepTheirOrder(t *testing.T) {
	w := newWorld(t, Limits{})
	for _, ns := range []string{"p:q", "b", "a/c"} {
		for _, key := range []string{"z", "a:b", "m"} {
			w.put(ns, key, "1")
		}
	}
	w.put("b", "z", "again")
	w.remove("b", "a:b", messages.Condition{})
	w.put("b", "a:b", "anew")
	check := func(when string) {
		t.Helper()
		if diff := cmp.Diff([]string{"p:q", "b", "a/c"}, w.namespaces()); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		if diff := cmp.Diff([]string{"z", "m", "a:b"}, w.list("b").Keys); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	check("at first")
	w.crash()
	check("after a restart")
}

func TestExpiry_leavesTheNamespaceAndCountsOnce(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1", ttl(time.Second))
	w.put("etl", "b", "2", ttl(1700*time.Microsecond))
	w.pass(time.Second)
	if got := w.get("etl", "a"); !got.Found || got.TTL != time.Microsecond {
		t.Errorf("want the value there in its last moment, got %+v", got)
	}
	w.pass(time.Second)
	w.settle()
	if got := w.remove("etl", "a", messages.Condition{}); got != errNoKey {
		t.Errorf("want an expired key unknown, got %v", got)
	}
	if diff := cmp.Diff([]string{"etl"}, w.namespaces()); diff != "" {
		t.Errorf("want the namespace to stay: %s", diff)
	}
	if w.expired != 2 || w.ledger.Len(bucketValue) != 0 {
		t.Errorf("want 2 values expired and none on disk, got %d and %d", w.expired, w.ledger.Len(bucketValue))
	}
}

func TestExpiry_comesBeforeItsTimer(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1", ttl(time.Second))
	w.put("etl", "b", "2")
	w.now = w.now.Add(2 * time.Second) // the timer has not fired
	if got := w.get("etl", "a"); got.Found {
		t.Errorf("want nothing read, got %+v", got)
	}
	if got := w.list("etl").Keys; len(got) != 1 || got[0] != "b" {
		t.Errorf("want the other key listed alone, got %q", got)
	}
	if got := w.remove("etl", "a", messages.Condition{}); got != errNoKey {
		t.Errorf("want nothing to delete, got %v", got)
	}
	if w.expired != 1 {
		t.Errorf("want 1 value expired, got %d", w.expired)
	}
}

func TestExpiry_goesInStepsWhenMuchExpiresAtOnce(t *testing.T) {
	w := newWorld(t, Limits{Keys: 3 * purgeAtOnce})
	for i := range 2*purgeAtOnce + 1 {
		w.put("etl", fmt.Sprint("key ", i), "", ttl(time.Minute))
	}
	for _, m := range w.spaces {
		w.now = w.now.Add(time.Hour)
		for i, want := range []int{purgeAtOnce, 2 * purgeAtOnce, 2*purgeAtOnce + 1} {
			at := w.timers[m.id]
			if at.After(w.now) {
				t.Fatalf("want step %d at once, got %v later", i, at.Sub(w.now))
			}
			delete(w.timers, m.id)
			w.step(m, messages.ExpiryDue{At: at})
			if w.expired != want {
				t.Fatalf("want %d values gone after step %d, got %d", want, i, w.expired)
			}
		}
		if len(w.timers) != 0 {
			t.Errorf("want no timer for nothing, got %v", w.timers)
		}
	}
}

// Journal records are bounded; an external NATS server has a limit of 1 MiB.
func TestCommits_fitARecord(t *testing.T) {
	const record = 1 << 20
	w := newWorld(t, Limits{Keys: 2000, KeyBytes: 1 << 30, ValueBytes: 1 << 30})
	w.limits = Limits{Keys: 600, KeyBytes: 1 << 30, NamespaceBytes: 1 << 30, ValueBytes: 1 << 30}.withDefaults(record)
	w.boot()
	largest := 0
	w.onCommit = func(ops []journal.Op) {
		size := 0
		for _, op := range ops {
			size += len(op.Bucket) + len(op.Key) + len(op.Value) + 8
		}
		largest = max(largest, size)
	}
	key := func(i int) string { return fmt.Sprintf("%0*d", largestName, i) }
	ns, value := strings.Repeat("n", largestName), strings.Repeat("v", w.limits.ValueBytes)
	for i := range 600 {
		w.put(ns, key(i), "", ttl(time.Second))
	}
	w.now = w.now.Add(time.Minute)
	if got := w.put(ns, key(599), value).Failure; got.Failed() {
		t.Fatalf("want a value of %d bytes accepted, got %v", len(value), got)
	}
	w.pass(time.Minute)
	w.settle()
	w.end(ns)
	if largest > record || largest < len(value) {
		t.Errorf("want every commit to fit a record of %d bytes, got %d", record, largest)
	}
	if got := w.ledger.Len(bucketValue); got != 0 {
		t.Errorf("want everything removed, got %d values", got)
	}
}

func TestTTL_isAsLongAsItIsMeant(t *testing.T) {
	tests := []struct {
		name      string
		ttl, want time.Duration // 0 is forever
	}{
		{"none", 0, 0},
		{"negative", -1, 0},
		{"the least there is", math.MinInt64, 0},
		{"a minute", time.Minute, time.Minute},
		{"more than anybody lives to see", math.MaxInt64, messages.LongestTTL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Limits{})
			w.put("etl", "a", "1", ttl(tt.ttl))
			if got := w.get("etl", "a"); !got.Found || got.TTL != tt.want {
				t.Errorf("want a value for %v, got %+v", tt.want, got)
			}
		})
	}
}

func TestRestart_keepsTheRemainingTime(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "short", "1", ttl(time.Minute))
	w.put("etl", "long", "2", ttl(time.Hour))
	w.put("etl", "ever", "3", ttl(time.Minute))
	w.put("etl", "ever", "4")
	w.now = w.now.Add(10 * time.Minute) // the process is down
	w.crash()
	if got := w.get("etl", "long"); got.TTL != 50*time.Minute {
		t.Errorf("want 50 minutes left, got %v", got.TTL)
	}
	if diff := cmp.Diff([]string{"long", "ever"}, w.list("etl").Keys); diff != "" {
		t.Errorf("want what expired meanwhile gone: %s", diff)
	}
	w.pass(time.Hour)
	w.settle()
	if diff := cmp.Diff([]string{"ever"}, w.list("etl").Keys); diff != "" {
		t.Error(diff)
	}
	if w.ledger.Len(bucketValue) != 1 {
		t.Errorf("want the expired ones gone from the disk, got %d", w.ledger.Len(bucketValue))
	}
}
