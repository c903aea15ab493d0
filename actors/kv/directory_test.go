package kv

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

func (w *world) askEnd(ns string) string {
	return w.ask(func(to messages.Ref) any { return messages.DeleteNamespace{Namespace: ns, ReplyTo: to} })
}

func (w *world) askPut(ns, key, value string) string {
	return w.ask(func(to messages.Ref) any {
		return messages.PutValue{Namespace: ns, Key: key, Value: value, ReplyTo: to}
	})
}

func TestDirectory_whatComesDuringADeletionFollowsIt(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "old", "1")
	end, put, again := w.askEnd("etl"), w.askPut("etl", "new", "2"), w.askEnd("other")
	if w.got[end] != nil || w.got[put] != nil {
		t.Errorf("want both to wait for the disk, got %v and %v", w.got[end], w.got[put])
	}
	if diff := cmp.Diff(messages.DeleteNamespaceReply{Failure: errNoNamespace}, w.got[again]); diff != "" {
		t.Error(diff)
	}
	w.settle()
	if diff := cmp.Diff([]string{"new"}, w.list("etl").Keys); diff != "" {
		t.Errorf("want a new namespace: %s", diff)
	}
	if reply, ok := w.got[put].(messages.PutValueReply); !ok || !reply.Created {
		t.Errorf("want the put answered, got %v", w.got[put])
	}
	if used := w.pendingBytes.used.Load(); used != 0 {
		t.Errorf("want nothing held any more, got %d bytes", used)
	}
}

func TestDirectory_boundsWhatWaitsForADeletion(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "old", "1")
	w.askEnd("etl")
	for range maxWaiting {
		if got := w.got[w.askPut("etl", "new", "2")]; got != nil {
			t.Fatalf("want the put to wait, got %v", got)
		}
	}
	if diff := cmp.Diff(messages.PutValueReply{Failure: errBusy}, w.got[w.askPut("etl", "new", "2")]); diff != "" {
		t.Error(diff)
	}
}

func TestDirectory_aDeletionIsAllOrNothing(t *testing.T) {
	const keys = 3*removeAtOnce/(1<<10) + 1
	w := newWorld(t, Limits{})
	for i := range keys {
		w.askPut("etl", strings.Repeat(string(rune('a'+i)), 500), "1") // mostly two bytes per rune
	}
	w.settle()
	w.askEnd("etl")
	w.crash()
	if got := len(w.list("etl").Keys); got != keys {
		t.Errorf("want everything there when the deletion was not durable, got %d keys", got)
	}
	w.askEnd("etl")
	w.release(1)
	w.crash()
	if got := w.list("etl").Failure; got != errNoNamespace {
		t.Errorf("want nothing there when it was, got %v", got)
	}
	w.put("etl", "b", "2")
	if diff := cmp.Diff([]string{"b"}, w.list("etl").Keys); diff != "" {
		t.Errorf("want nothing of the old namespace in the new one: %s", diff)
	}
	if got := w.ledger.Len(bucketValue); got != 1 {
		t.Errorf("want the rest removed from the disk, got %d values", got)
	}
}

func TestDirectory_aDeletionThatACrashTookIsTold(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1")
	id := w.dir.byName["etl"].id
	w.dir.handle(w.now, messages.DeleteNamespace{Namespace: "etl", ReplyTo: messages.Ref{ID: "deleter"}}) // the command is lost
	put := w.askPut("etl", "b", "2")
	w.direct(messages.NamespaceStarted{ID: id, Life: 2})
	if diff := cmp.Diff(messages.DeleteNamespaceReply{Failure: errRestarted}, w.got["deleter"]); diff != "" {
		t.Error(diff)
	}
	w.settle()
	if reply, ok := w.got[put].(messages.PutValueReply); !ok || reply.Failure.Failed() {
		t.Errorf("want the put carried out, got %v", w.got[put])
	}
	if diff := cmp.Diff([]string{"a", "b"}, w.list("etl").Keys); diff != "" {
		t.Error(diff)
	}
}

func TestDirectory_tellsOfANamespaceWhenItIsOnDisk(t *testing.T) {
	w := newWorld(t, Limits{})
	w.askPut("etl", "a", "1")
	if got := w.dir.names(); len(got) != 0 {
		t.Errorf("want it untold, got %v", got)
	}
	w.settle()
	if diff := cmp.Diff([]string{"etl"}, w.dir.names()); diff != "" {
		t.Error(diff)
	}
}
