package keyed

import (
	"fmt"
	"maps"
	"testing"
)

// word is a value that consists of its key and a number.
type word struct {
	text   string
	number int
}

func (w word) Name() string { return w.text }

// Among so many keys, a few have the same hash of 32 bits.
func TestTable_behavesLikeAMap(t *testing.T) {
	const keys = 300_000
	var table Table[word]
	names, want := make([]string, keys), map[string]int{}
	for i := range names {
		names[i] = fmt.Sprint("key-", i)
	}
	put := func(key string, number int) {
		w, fresh := table.Place(key)
		if _, there := want[key]; there == fresh {
			t.Fatalf("%s is fresh: %v", key, fresh)
		}
		*w = word{key, number}
		want[key] = number
	}
	remove := func(key string) {
		old, ok := table.Remove(key)
		if number, there := want[key]; ok != there || old.number != number {
			t.Fatalf("remove %s: %+v, %v", key, old, ok)
		}
		delete(want, key)
	}
	compare := func() {
		t.Helper()
		got := map[string]int{}
		for w := range table.All() {
			got[w.text] = w.number
		}
		if !maps.Equal(got, want) || table.Len() != len(want) {
			t.Fatalf("%d keys, %d said, want %d", len(got), table.Len(), len(want))
		}
		for _, key := range names {
			number, there := want[key]
			if w := table.Find(key); (w != nil) != there || there && *w != (word{key, number}) {
				t.Fatalf("%s is %v, want %d, %v", key, w, number, there)
			}
		}
	}
	for i, key := range names {
		put(key, i)
	}
	hashes := map[uint32]bool{}
	for _, c := range table.cells {
		if c.at != 0 {
			hashes[c.hash] = true
		}
	}
	if len(hashes) == keys {
		t.Fatal("no two keys have the same hash: take more of them")
	}
	compare()
	for i := 0; i < keys; i += 3 {
		remove(names[i])
	}
	compare()
	for i := 0; i < keys; i += 4 { // some reuse places of removed keys, others exist
		put(names[i], -i)
	}
	remove("nobody")
	compare()
	for _, key := range names {
		remove(key)
	}
	compare()
}

func TestTable_isEmptyAtFirst(t *testing.T) {
	var table Table[word]
	if _, ok := table.Remove("key"); ok || table.Find("key") != nil || table.Len() != 0 {
		t.Error("there is something in a table that nothing was put into")
	}
}

func TestTable_reusesPlaces(t *testing.T) {
	var table Table[word]
	for i := range 100_000 {
		key := fmt.Sprint("key-", i)
		w, _ := table.Place(key)
		*w = word{text: key}
		if i >= 4 {
			table.Remove(fmt.Sprint("key-", i-4))
		}
	}
	if cells, room := len(table.cells), cap(table.chunks[0]); cells > minCells || len(table.chunks) > 1 || room > minCells {
		t.Errorf("%d cells and room for %d, for no more than five keys at a time", cells, room)
	}
}

func TestTable_freesItsMemoryWhenEmpty(t *testing.T) {
	var table Table[word]
	for i := range 2 * chunkSize {
		key := fmt.Sprint("key-", i)
		w, _ := table.Place(key)
		*w = word{text: key}
	}
	for i := range 2 * chunkSize {
		table.Remove(fmt.Sprint("key-", i))
	}
	if len(table.cells) > 0 || len(table.chunks) > 0 || len(table.free) > 0 {
		t.Error("memory is kept for nothing")
	}
}

// The texts of the keys are at different places in memory, like those of events.
func BenchmarkTable_growing(b *testing.B) {
	keys := make([]string, 1<<18)
	for i := range keys {
		keys[i] = fmt.Sprintf("00000000-0000-4000-8000-%012x", i)
	}
	b.Run("table", func(b *testing.B) {
		for n := 0; n < b.N; n += len(keys) {
			var table Table[*word]
			for _, key := range keys {
				w, _ := table.Place(key)
				*w = &word{text: key}
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		for n := 0; n < b.N; n += len(keys) {
			table := map[string]*word{}
			for _, key := range keys {
				if _, ok := table[key]; !ok {
					table[key] = &word{text: key}
				}
			}
		}
	})
}
