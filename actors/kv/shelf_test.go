package kv

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/internal/journal/memory"
	"butler/messages"
)

// onShelf returns the answer from the shelf, without the store.
func (f *fixture) onShelf(ns, key string) (messages.GetValueReply, bool) {
	return f.shelf.Get(messages.GetValue{Namespace: ns, Key: key}, time.Now())
}

func TestShelf_holdsWhatWasAskedForUntilItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", time.Minute)
		f.put("etl", "b", "2", 0)
		if got, ok := f.onShelf("etl", "a"); ok {
			t.Errorf("want nothing that nobody has asked for, got %v", got)
		}
		asked := f.get("etl", "a")
		f.get("etl", "b")
		f.get("etl", "nothing")
		if got, ok := f.onShelf("etl", "a"); !ok || got != asked {
			t.Errorf("want %v, got %v, %v", asked, got, ok)
		}
		if got := testutil.ToFloat64(f.metrics.operations[opGet][messages.FailureNone]); got != 3 {
			t.Errorf("want 3 gets counted, got %v", got)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if got, ok := f.onShelf("etl", "a"); ok {
			t.Errorf("want nothing whose time is over, got %v", got)
		}
		f.send(messages.DeleteValue{Namespace: "etl", Key: "b", ReplyTo: f.ref()})
		synctest.Wait()
		if got, ok := f.onShelf("etl", "b"); ok {
			t.Errorf("want nothing that is deleted, got %v", got)
		}
		if len(f.shelf.spaces) != 0 {
			t.Errorf("want nothing left, got %v", f.shelf.spaces)
		}
		f.stop()
	})
}

func TestShelf_isEmptiedByACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", 0)
		f.put("other", "a", "1", 0)
		f.get("etl", "a")
		f.get("other", "a")
		f.hooked.fail(once(), nil)
		f.send(messages.PutValue{Namespace: "etl", Key: "b", Value: "never durable", ReplyTo: f.ref()})
		time.Sleep(time.Second) // until the namespace has restarted
		if got, ok := f.onShelf("etl", "a"); ok {
			t.Errorf("want nothing of a namespace that begins anew, got %v", got)
		}
		if _, ok := f.onShelf("other", "a"); !ok {
			t.Error("want what the other namespace has laid there")
		}
		f.stop()
		if len(f.shelf.spaces) != 0 {
			t.Errorf("want nothing of a store that has stopped, got %v", f.shelf.spaces)
		}
	})
}

// After the answer to a put, the replaced value must not be read any more.
func TestShelf_neverHoldsWhatAnAcknowledgedPutHasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		for n := range 100 {
			want := strconv.Itoa(n)
			f.put("etl", "a", want, 0)
			for range 2 { // the first one puts it on the shelf
				if got, ok := f.onShelf("etl", "a"); ok && got.Value != want {
					t.Fatalf("want %s or nothing, got %s", want, got.Value)
				}
				if got := f.get("etl", "a"); got.Value != want {
					t.Fatalf("want %s, got %s", want, got.Value)
				}
			}
			if _, ok := f.onShelf("etl", "a"); !ok {
				t.Fatal("want it on the shelf")
			}
		}
		f.stop()
	})
}

func TestShelf_holdsNothingOfANamespaceThatIsBeingDeleted(t *testing.T) {
	w := newWorld(t, Limits{})
	for _, key := range []string{"a", "b"} {
		w.put("etl", key, "1")
		w.get("etl", key)
	}
	if len(w.shelf.spaces["etl"]) != 2 {
		t.Fatalf("want what was asked for, got %v", w.shelf.spaces)
	}
	w.askEnd("etl") // it is not durable yet
	if len(w.shelf.spaces) != 0 {
		t.Errorf("want nothing, got %v", w.shelf.spaces)
	}
}

// An expired value may stay on the shelf until its namespace removes it.
func TestShelf_tellsOfNothingWhoseTimeIsOver(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1", func(in *messages.PutValue) { in.TTL = time.Second })
	w.get("etl", "a")
	in := messages.GetValue{Namespace: "etl", Key: "a"}
	if got, ok := w.shelf.Get(in, w.now.Add(time.Second)); !ok || got.TTL != time.Microsecond {
		t.Errorf("want it in its last moment, got %v, %v", got, ok)
	}
	if got, ok := w.shelf.Get(in, w.now.Add(time.Second+time.Microsecond)); ok {
		t.Errorf("want nothing, got %v", got)
	}
}
