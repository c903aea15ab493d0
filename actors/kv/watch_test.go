package kv

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

var theWatcher = messages.Ref{ID: "watcher"}

func (w *world) watch(ns string, window int) messages.WatchNamespaceReply {
	w.direct(messages.WatchNamespace{Namespace: ns, Window: window, ReplyTo: theWatcher})
	reply, _ := w.got[theWatcher.ID].(messages.WatchNamespaceReply)
	return reply
}

// heard returns what the watcher received, one word per message.
func (w *world) heard() []string {
	var out []string
	for _, one := range w.told {
		switch told := one.(type) {
		case messages.ValueChanged:
			out = append(out, fmt.Sprintf("%s %s=%s", told.Change, told.Key, told.Value))
		case messages.WatchEnded:
			out = append(out, "ended: "+string(told.Reason))
		}
	}
	return out
}

func TestWatch_tellsEveryChangeInOrder(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1")
	w.put("other", "a", "1")
	w.askPut("etl", "a", "on its way when the watch began")
	if got := w.watch("etl", 0); got.Revision != w.spaces[w.dir.byName["etl"].id].last {
		t.Errorf("want the latest revision, got %d", got.Revision)
	}
	w.put("etl", "a", "2", ttl(time.Second))
	w.put("other", "a", "2")
	w.put("etl", "b", "3")
	w.remove("etl", "b", messages.Condition{})
	w.pass(2 * time.Second)
	w.settle()
	w.end("etl")
	want := []string{"put a=2", "put b=3", "deleted b=", "expired a=", "ended: deleted"}
	if diff := cmp.Diff(want, w.heard()); diff != "" {
		t.Error(diff)
	}
	last := uint64(0)
	for _, one := range w.told[:4] {
		if change := one.(messages.ValueChanged); change.Revision <= last || change.Namespace != "etl" {
			t.Errorf("want growing revisions of one namespace, got %+v after %d", change, last)
		}
		last = one.(messages.ValueChanged).Revision
	}
}

func TestWatch_tellsNothingThatACrashCouldTakeBack(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1")
	w.watch("etl", 0)
	w.askPut("etl", "a", "2")
	if got := w.heard(); len(got) != 0 {
		t.Errorf("want nothing told before it is durable, got %v", got)
	}
}

func TestWatch_endsForOneThatFallsBehind(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "0")
	w.watch("etl", 2)
	w.put("etl", "a", "1")
	through := w.put("etl", "a", "2").Revision
	w.direct(messages.ConfirmChanges{Namespace: "etl", Watcher: theWatcher, Through: through})
	for i := 3; i < 7; i++ {
		w.put("etl", "a", fmt.Sprint(i))
	}
	if diff := cmp.Diff([]string{"put a=1", "put a=2", "put a=3", "put a=4", "ended: missed"}, w.heard()); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_boundsTheBytesAWatcherHolds(t *testing.T) {
	w := newWorld(t, Limits{ValueBytes: 4 << 20})
	w.put("etl", "a", "0")
	w.watch("etl", 0)
	w.put("etl", "a", strings.Repeat("v", 4<<20)) // more than all the credit, but alone
	w.put("etl", "a", "")
	if got := w.told; len(got) != 2 || got[1] != (messages.WatchEnded{Namespace: "etl", Reason: messages.WatchMissed}) {
		t.Errorf("want one change and the end, got %d", len(got))
	}
}

func TestWatch_isOncePerWatcherAndCanEnd(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "0")
	w.watch("etl", 0)
	w.watch("etl", 0)
	w.put("etl", "a", "1")
	w.direct(messages.EndWatch{Namespace: "etl", Watcher: theWatcher})
	w.put("etl", "a", "2")
	if diff := cmp.Diff([]string{"put a=1"}, w.heard()); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_isForSoManyAndForNamespacesThatExist(t *testing.T) {
	w := newWorld(t, Limits{})
	if got := w.watch("etl", 0).Failure; got != errNoNamespace {
		t.Errorf("want the namespace unknown, got %v", got)
	}
	w.put("etl", "a", "0")
	for i := range maxWatchers {
		w.direct(messages.WatchNamespace{Namespace: "etl", ReplyTo: messages.Ref{ID: fmt.Sprint(i)}})
	}
	if got := w.watch("etl", 0).Failure; got != errWatchers {
		t.Errorf("want no more watchers, got %v", got)
	}
}
