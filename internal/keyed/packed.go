package keyed

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math/bits"
)

// Packed maps keys to values that are bytes. Both are stored in pages of bytes, so the
// garbage collector has nothing to scan, however many there are. The zero value is
// empty.
type Packed struct {
	seed maphash.Seed
	// cells are as in Table; at refers to the place of a record.
	cells cells
	pages []page
	// open lists the pages with free places, by the size of their places; spare lists
	// the pages without memory.
	open  map[int][]uint32
	spare []uint32
	used  int
}

// page is an array of places of one size for records. A record consists of the lengths of
// key and value (uvarint), followed by both.
type page struct {
	bytes []byte
	size  int // of a place; 0 of a page without memory
	used  int
	// free is the head of the free list, plus one; 0 means that it is empty. A free
	// place begins with the next element of the list.
	free uint16
}

const (
	// pageBits is the binary logarithm of the number of places in a full page.
	pageBits   = 8
	pagePlaces = 1 << pageBits
	// minPlaces is the initial number of places of a page.
	minPlaces = 8
)

// Len returns the number of keys.
func (t *Packed) Len() int { return t.used }

// Find returns the value of a key, or false. It is valid until the table changes.
func (t *Packed) Find(key []byte) (value []byte, ok bool) {
	if t.used == 0 {
		return nil, false
	}
	at, ok := t.locate(t.hash(key), key)
	if !ok {
		return nil, false
	}
	_, value = split(t.record(t.cells[at].at - 1))
	return value, true
}

// Put sets the value of a key. If the key had a value, it calls replaced with that one,
// which is valid until replaced returns; replaced may be nil. Key and value are copied,
// and must not point into the table.
func (t *Packed) Put(key, value []byte, replaced func(old []byte)) {
	if t.cells.full(t.used) {
		t.grow()
	}
	hash, size := t.hash(key), placeFor(recordSize(key, value))
	at, ok := t.locate(hash, key)
	if ok && replaced != nil {
		_, old := split(t.record(t.cells[at].at - 1))
		replaced(old)
	}
	if place := t.cells[at].at - 1; ok && t.pages[place>>pageBits].size == size {
		write(t.record(place), key, value)
		return
	}
	if ok {
		t.release(t.cells[at].at - 1)
	} else {
		t.used++
	}
	place := t.take(size)
	write(t.record(place), key, value)
	t.cells[at] = cell{hash, place + 1}
}

// Remove removes a key and returns its value, or false if it did not exist. The value is
// valid as long as that of Find.
func (t *Packed) Remove(key []byte) (old []byte, ok bool) {
	if t.used == 0 {
		return nil, false
	}
	at, ok := t.locate(t.hash(key), key)
	if !ok {
		return nil, false
	}
	place := t.cells[at].at - 1
	_, old = split(t.record(place))
	t.release(place)
	t.cells.vacate(at)
	t.used--
	if t.used == 0 {
		*t = Packed{} // gives the memory of a large table back
	}
	return old, true
}

// All yields every key with its value, in no order; both are valid for one iteration.
// The table must not change meanwhile.
func (t *Packed) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, c := range t.cells {
			if c.at != 0 && !yield(split(t.record(c.at-1))) {
				return
			}
		}
	}
}

func (t *Packed) hash(key []byte) uint32 { return uint32(maphash.Bytes(t.seed, key)) }

// record returns the bytes of a place.
func (t *Packed) record(place uint32) []byte {
	p := &t.pages[place>>pageBits]
	at := int(place%pagePlaces) * p.size
	return p.bytes[at : at+p.size]
}

// locate is as in Table.
func (t *Packed) locate(hash uint32, key []byte) (at uint32, ok bool) {
	mask := uint32(len(t.cells) - 1)
	for at = hash & mask; ; at = (at + 1) & mask {
		c := t.cells[at]
		if c.at == 0 {
			return at, false
		}
		if c.hash == hash {
			if have, _ := split(t.record(c.at - 1)); string(have) == string(key) {
				return at, true
			}
		}
	}
}

func (t *Packed) grow() {
	if t.cells == nil {
		t.seed = maphash.MakeSeed()
		t.open = map[int][]uint32{}
	}
	t.cells = t.cells.doubled()
}

// take returns a free place of a size.
func (t *Packed) take(size int) uint32 {
	open, used := t.open[size]
	if len(open) == 0 {
		number := t.addPage(size)
		if used { // there are many records of this size: allocate the whole page at once
			t.pages[number].bytes = make([]byte, 0, pagePlaces*size)
		}
		open = append(open, number)
		t.open[size] = open
	}
	number := open[len(open)-1]
	p := &t.pages[number]
	at := p.take()
	if p.full() {
		t.open[size] = open[:len(open)-1]
	}
	return number<<pageBits | at
}

// addPage returns the number of an empty page for places of a size.
func (t *Packed) addPage(size int) uint32 {
	if last := len(t.spare) - 1; last >= 0 {
		number := t.spare[last]
		t.spare = t.spare[:last]
		t.pages[number].size = size
		return number
	}
	t.pages = append(t.pages, page{size: size})
	return uint32(len(t.pages) - 1)
}

// release frees a place, and the memory of its page when that is empty.
func (t *Packed) release(place uint32) {
	number := place >> pageBits
	p := &t.pages[number]
	wasFull := p.full()
	p.release(uint16(place % pagePlaces))
	switch {
	case p.used == 0:
		open := t.open[p.size]
		for i, one := range open {
			if one == number {
				open[i] = open[len(open)-1]
				t.open[p.size] = open[:len(open)-1]
				break
			}
		}
		*p = page{}
		t.spare = append(t.spare, number)
	case wasFull:
		t.open[p.size] = append(t.open[p.size], number)
	}
}

func (p *page) full() bool { return p.used == pagePlaces }

// take returns a free place of a page that has one.
func (p *page) take() uint32 {
	p.used++
	if p.free > 0 {
		at := int(p.free - 1)
		p.free = binary.LittleEndian.Uint16(p.bytes[at*p.size:])
		return uint32(at)
	}
	end := len(p.bytes)
	if end == cap(p.bytes) {
		bytes := make([]byte, end, min(max(minPlaces*p.size, 2*end), pagePlaces*p.size))
		copy(bytes, p.bytes)
		p.bytes = bytes
	}
	p.bytes = p.bytes[:end+p.size]
	return uint32(end / p.size)
}

// release frees a place. It overwrites only the beginning of the record, so that key
// and value slices stay valid until the place is used again.
func (p *page) release(at uint16) {
	binary.LittleEndian.PutUint16(p.bytes[int(at)*p.size:], p.free)
	p.free = at + 1
	p.used--
}

// recordSize is the size of a record in bytes.
func recordSize(key, value []byte) int {
	return uvarintSize(len(key)) + uvarintSize(len(value)) + len(key) + len(value)
}

func uvarintSize(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }

// placeFor rounds the size of a record up by at most an eighth, so that there are few
// sizes of places.
func placeFor(size int) int {
	step := max(8, 1<<bits.Len(uint(size))>>4)
	return (size + step - 1) / step * step
}

func write(record, key, value []byte) {
	at := binary.PutUvarint(record, uint64(len(key)))
	at += binary.PutUvarint(record[at:], uint64(len(value)))
	at += copy(record[at:], key)
	copy(record[at:], value)
}

func split(record []byte) (key, value []byte) {
	keyLen, at := binary.Uvarint(record)
	valueLen, n := binary.Uvarint(record[at:])
	middle := at + n + int(keyLen)
	return record[at+n : middle : middle], record[middle : middle+int(valueLen) : middle+int(valueLen)]
}
