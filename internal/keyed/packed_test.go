package keyed

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// checkPacked compares a table with what is to be in it.
func checkPacked(t interface{ Fatalf(string, ...any) }, table *Packed, want map[string]string) {
	got := map[string]string{}
	for key, value := range table.All() {
		got[string(key)] = string(value)
	}
	if !maps.Equal(got, want) || table.Len() != len(want) {
		t.Fatalf("%d keys, %d said, want %d", len(got), table.Len(), len(want))
	}
	for key, value := range want {
		if have, ok := table.Find([]byte(key)); !ok || string(have) != value {
			t.Fatalf("%s is %q, %v, want %q", key, have, ok, value)
		}
	}
}

// Among so many keys, a few have the same hash of 32 bits.
func TestPacked_behavesLikeAMap(t *testing.T) {
	const keys = 300_000
	var table Packed
	want := map[string]string{}
	put := func(key, value string) {
		old, there := want[key]
		table.Put([]byte(key), []byte(value), func(was []byte) {
			if !there || string(was) != old {
				t.Fatalf("%s replaces %q, want %q, %v", key, was, old, there)
			}
			there = false
		})
		if there {
			t.Fatalf("%s replaces nothing, want %q", key, old)
		}
		want[key] = value
	}
	remove := func(key string) {
		old, ok := table.Remove([]byte(key))
		if value, there := want[key]; ok != there || string(old) != value {
			t.Fatalf("remove %s: %q, %v", key, old, ok)
		}
		delete(want, key)
	}
	name := func(i int) string { return fmt.Sprint("key-", i) }
	for i := range keys {
		put(name(i), strings.Repeat("x", i%70))
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
	checkPacked(t, &table, want)
	for i := 0; i < keys; i += 3 {
		remove(name(i))
	}
	for i := 0; i < keys; i += 4 { // some reuse places of removed keys, others exist and get longer or shorter
		put(name(i), strings.Repeat("y", i%90))
	}
	remove("nobody")
	checkPacked(t, &table, want)
	for i := range keys {
		remove(name(i))
	}
	checkPacked(t, &table, want)
}

func TestPacked_behavesLikeAMapForAllSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table Packed
		want := map[string]string{}
		key := rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat("k", rapid.SampledFrom([]int{0, 1, 36, 127, 128, 20_000}).Draw(t, "length")) + rapid.StringN(0, 2, 2).Draw(t, "end")
		})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), rapid.StringN(0, 200, 600).Draw(t, "value")
				table.Put([]byte(k), []byte(v), nil)
				want[k] = v
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				old, ok := table.Remove([]byte(k))
				if v, there := want[k]; ok != there || string(old) != v {
					t.Fatalf("remove %q: %q, %v, want %q", k, old, ok, v)
				}
				delete(want, k)
			},
			"": func(t *rapid.T) { checkPacked(t, &table, want) },
		})
	})
}

func TestPacked_isEmptyAtFirst(t *testing.T) {
	var table Packed
	_, found := table.Find([]byte("key"))
	if _, removed := table.Remove([]byte("key")); found || removed || table.Len() != 0 {
		t.Error("there is something in a table that nothing was put into")
	}
}

func TestPacked_reusesPlaces(t *testing.T) {
	var table Packed
	for i := range 100_000 {
		table.Put(fmt.Append(nil, "key-", i), []byte("value"), nil)
		if i >= 4 {
			table.Remove(fmt.Append(nil, "key-", i-4))
		}
	}
	if cells, pages := len(table.cells), len(table.pages); cells > minCells || pages > 3 {
		t.Errorf("%d cells and %d pages, for no more than five keys at a time", cells, pages)
	}
}

func TestPacked_freesEmptyPages(t *testing.T) {
	var table Packed
	key := func(i int) []byte { return fmt.Appendf(nil, "%036d", i) }
	const keys = 100 * pagePlaces
	for i := range keys {
		table.Put(key(i), nil, nil)
	}
	for i := 1; i < keys; i++ {
		table.Remove(key(i))
	}
	held := 0
	for _, p := range table.pages {
		held += cap(p.bytes)
	}
	if most := pagePlaces * placeFor(recordSize(key(0), nil)); held > most {
		t.Errorf("%d bytes for one key, want at most %d", held, most)
	}
	if pages := len(table.pages); pages > keys/pagePlaces {
		t.Errorf("%d pages were made", pages)
	}
	table.Remove(key(0))
	if len(table.cells) > 0 || len(table.pages) > 0 || len(table.spare) > 0 {
		t.Error("memory is kept for nothing")
	}
}

// The number of objects matters, because the garbage collector has to scan all of them.
func TestPacked_allocatesFewObjects(t *testing.T) {
	const keys = 200_000
	objects := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	before := objects()
	var table Packed
	for i := range keys {
		table.Put(fmt.Appendf(nil, "%036d", i), []byte("20 bytes of a value."), nil)
	}
	if made := int64(objects() - before); made > 2*keys/pagePlaces {
		t.Errorf("%d objects for %d keys", made, keys)
	}
	runtime.KeepAlive(&table)
}
