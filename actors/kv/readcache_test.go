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

// cached returns the answer from the read cache, without the store.
func (f *fixture) cached(ns, key string) (messages.GetValueReply, bool) {
	return f.cache.Get(messages.GetValue{Namespace: ns, Key: key}, time.Now())
}

func TestReadCache_holdsWhatWasAskedForUntilItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", time.Minute)
		f.put("etl", "b", "2", 0)
		if got, ok := f.cached("etl", "a"); ok {
			t.Errorf("want nothing that nobody has asked for, got %v", got)
		}
		asked := f.get("etl", "a")
		f.get("etl", "b")
		f.get("etl", "nothing")
		if got, ok := f.cached("etl", "a"); !ok || got != asked {
			t.Errorf("want %v, got %v, %v", asked, got, ok)
		}
		if got := testutil.ToFloat64(f.metrics.operations[opGet][messages.FailureNone]); got != 3 {
			t.Errorf("want 3 gets counted, got %v", got)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if got, ok := f.cached("etl", "a"); ok {
			t.Errorf("want nothing whose time is over, got %v", got)
		}
		f.send(messages.DeleteValue{Namespace: "etl", Key: "b", ReplyTo: f.ref()})
		synctest.Wait()
		if got, ok := f.cached("etl", "b"); ok {
			t.Errorf("want nothing that is deleted, got %v", got)
		}
		if len(f.cache.spaces) != 0 {
			t.Errorf("want nothing left, got %v", f.cache.spaces)
		}
		f.stop()
	})
}

func TestReadCache_isEmptiedByACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", 0)
		f.put("other", "a", "1", 0)
		f.get("etl", "a")
		f.get("other", "a")
		f.hooked.fail(once(), nil)
		f.send(messages.PutValue{Namespace: "etl", Key: "b", Value: "never durable", ReplyTo: f.ref()})
		time.Sleep(time.Second) // until the namespace has restarted
		if got, ok := f.cached("etl", "a"); ok {
			t.Errorf("want nothing of a namespace that begins anew, got %v", got)
		}
		if _, ok := f.cached("other", "a"); !ok {
			t.Error("want what was read of the other namespace")
		}
		f.stop()
		if len(f.cache.spaces) != 0 {
			t.Errorf("want nothing of a store that has stopped, got %v", f.cache.spaces)
		}
	})
}

// After the answer to a put, the replaced value must not be read any more.
func TestReadCache_neverHoldsWhatAnAcknowledgedPutHasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		for n := range 100 {
			want := strconv.Itoa(n)
			f.put("etl", "a", want, 0)
			for range 2 { // the first one caches it
				if got, ok := f.cached("etl", "a"); ok && got.Value != want {
					t.Fatalf("want %s or nothing, got %s", want, got.Value)
				}
				if got := f.get("etl", "a"); got.Value != want {
					t.Fatalf("want %s, got %s", want, got.Value)
				}
			}
			if _, ok := f.cached("etl", "a"); !ok {
				t.Fatal("want it in the cache")
			}
		}
		f.stop()
	})
}

func TestReadCache_holdsNothingOfANamespaceThatIsBeingDeleted(t *testing.T) {
	w := newWorld(t, Limits{})
	for _, key := range []string{"a", "b"} {
		w.put("etl", key, "1")
		w.get("etl", key)
	}
	if len(w.cache.spaces["etl"]) != 2 {
		t.Fatalf("want what was asked for, got %v", w.cache.spaces)
	}
	w.askEnd("etl") // it is not durable yet
	if len(w.cache.spaces) != 0 {
		t.Errorf("want nothing, got %v", w.cache.spaces)
	}
}

// An expired value may stay in the cache until its namespace removes it.
func TestReadCache_tellsOfNothingWhoseTimeIsOver(t *testing.T) {
	w := newWorld(t, Limits{})
	w.put("etl", "a", "1", func(in *messages.PutValue) { in.TTL = time.Second })
	w.get("etl", "a")
	in := messages.GetValue{Namespace: "etl", Key: "a"}
	if got, ok := w.cache.Get(in, w.now.Add(time.Second)); !ok || got.TTL != time.Microsecond {
		t.Errorf("want it in its last moment, got %v, %v", got, ok)
	}
	if got, ok := w.cache.Get(in, w.now.Add(time.Second+time.Microsecond)); ok {
		t.Errorf("want nothing, got %v", got)
	}
}
