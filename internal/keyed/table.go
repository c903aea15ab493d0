// Package keyed owns hash tables with text keys for millions of entries: Table, whose
// values know their own key, and Packed, which stores keys and values as bytes in
// pages, so that the garbage collector has no pointers to follow.
//
// They behave like a map, but grow without reading a key, because their cells hold the
// hashes. A map hashes all its keys again whenever it grows, wherever they are in
// memory. They must never interpret a value. Neither is safe for concurrent use.
package keyed

import (
	"hash/maphash"
	"iter"
)

// Named is a value that knows its key. The key must not change while a table holds it.
type Named interface{ Name() string }

// Table holds values by their keys. The zero value is empty.
type Table[V Named] struct {
	seed maphash.Seed
	// cells are a hash table with linear probing; their number is a power of two.
	cells cells
	// chunks hold the values; free lists the places of removed ones.
	chunks [][]V
	free   []uint32
	used   int
}

// cells is the index of a table.
type cells []cell

// cell says where the value of a key with this hash is.
type cell struct {
	hash uint32
	// at is the place of the value plus one; 0 means that the cell is empty.
	at uint32
}

const (
	// minCells is the initial number of cells; at most three quarters of them are used.
	minCells = 8
	// chunkSize is the number of values in a chunk of a large table.
	chunkSize = 1 << 10
)

// Len returns the number of values.
func (t *Table[V]) Len() int { return t.used }

// Find returns the value of a key, nil if there is none. It is valid until a value is
// placed or removed.
func (t *Table[V]) Find(key string) *V {
	if t.used == 0 {
		return nil
	}
	at, ok := t.locate(t.hash(key), key)
	if !ok {
		return nil
	}
	return t.value(t.cells[at].at - 1)
}

// Place returns the value of a key, or adds one. A fresh value is zero: the caller must
// set it to a value with this key before any other call. It is valid as long as that of
// Find.
func (t *Table[V]) Place(key string) (value *V, fresh bool) {
	if t.cells.full(t.used) {
		t.grow()
	}
	hash := t.hash(key)
	at, ok := t.locate(hash, key)
	if ok {
		return t.value(t.cells[at].at - 1), false
	}
	place := t.take()
	t.cells[at] = cell{hash, place + 1}
	t.used++
	return t.value(place), true
}

// Remove removes a key and returns its value, or false if it did not exist.
func (t *Table[V]) Remove(key string) (old V, ok bool) {
	if t.used == 0 {
		return old, false
	}
	at, ok := t.locate(t.hash(key), key)
	if !ok {
		return old, false
	}
	place := t.cells[at].at - 1
	value := t.value(place)
	var none V
	old, *value = *value, none
	t.free = append(t.free, place)
	t.used--
	t.cells.vacate(at)
	if t.used == 0 && len(t.chunks) > 1 {
		*t = Table[V]{} // gives the memory of a large table back
	}
	return old, true
}

// All yields every value, in no order. The table must not change meanwhile.
func (t *Table[V]) All() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for _, c := range t.cells {
			if c.at != 0 && !yield(t.value(c.at-1)) {
				return
			}
		}
	}
}

func (t *Table[V]) hash(key string) uint32 { return uint32(maphash.String(t.seed, key)) }

func (t *Table[V]) value(place uint32) *V { return &t.chunks[place/chunkSize][place%chunkSize] }

// locate returns the cell of a key, or the empty one where it belongs.
func (t *Table[V]) locate(hash uint32, key string) (at uint32, ok bool) {
	mask := uint32(len(t.cells) - 1)
	for at = hash & mask; ; at = (at + 1) & mask {
		switch c := t.cells[at]; {
		case c.at == 0:
			return at, false
		case c.hash == hash && (*t.value(c.at - 1)).Name() == key:
			return at, true
		}
	}
}

// grow doubles the cells.
func (t *Table[V]) grow() {
	if t.cells == nil {
		t.seed = maphash.MakeSeed()
	}
	t.cells = t.cells.doubled()
}

// take returns a place that is free.
func (t *Table[V]) take() uint32 {
	if last := len(t.free) - 1; last >= 0 {
		place := t.free[last]
		t.free = t.free[:last]
		return place
	}
	last := len(t.chunks) - 1
	if last < 0 || len(t.chunks[last]) == chunkSize {
		var chunk []V // the first one grows: most tables are small
		if last >= 0 {
			chunk = make([]V, 0, chunkSize)
		}
		t.chunks = append(t.chunks, chunk)
		last++
	}
	var none V
	t.chunks[last] = append(t.chunks[last], none)
	return uint32(last*chunkSize + len(t.chunks[last]) - 1)
}

// full reports whether the cells have to be doubled before another value is added.
func (c cells) full(used int) bool { return used >= len(c)/4*3 }

// doubled returns twice as many cells with the same content.
func (c cells) doubled() cells {
	out := make(cells, max(minCells, 2*len(c)))
	mask := uint32(len(out) - 1)
	for _, one := range c {
		if one.at == 0 {
			continue
		}
		at := one.hash & mask
		for out[at].at != 0 {
			at = (at + 1) & mask
		}
		out[at] = one
	}
	return out
}

// vacate empties a cell, and moves later cells of the same probe sequences up.
func (c cells) vacate(at uint32) {
	mask := uint32(len(c) - 1)
	for next := (at + 1) & mask; c[next].at != 0; next = (next + 1) & mask {
		if home := c[next].hash & mask; (next-home)&mask >= (next-at)&mask {
			c[at], at = c[next], next
		}
	}
	c[at] = cell{}
}
