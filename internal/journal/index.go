package journal

import (
	"slices"

	"butler/internal/keyed"
)

// place is the position of an entry in a log.
type place struct {
	seq   Seq
	entry uint32
}

// recordInfo counts the live entries of a record.
type recordInfo struct {
	seq  Seq
	live int
}

// index is the live state of a ledger. It is filled by applying records in the
// order of the log, both when opening and when writing. It is not safe for concurrent use.
type index struct {
	buckets map[Bucket]*keyed.Packed
	// records are the records of the log, in order. Those at the front without live
	// entries can be trimmed.
	records   []recordInfo
	keys      int
	liveBytes int64
	// ops are the entries of the current record. ops and scratch are reused.
	ops     []entryOp
	scratch [slotHead + inlineValue]byte
}

func newIndex() index { return index{buckets: map[Bucket]*keyed.Packed{}} }

// find returns the slot of a live key, and whether there is one. It is valid until the
// index changes.
func (x *index) find(b Bucket, key []byte) (slot, bool) {
	bucket, ok := x.buckets[b]
	if !ok {
		return slot{}, false
	}
	raw, ok := bucket.Find(key)
	if !ok {
		return slot{}, false
	}
	return readSlot(raw), true
}

// size returns the number of live keys in a bucket.
func (x *index) size(b Bucket) int {
	bucket, ok := x.buckets[b]
	if !ok {
		return 0
	}
	return bucket.Len()
}

// each calls visit for every live key of a bucket.
func (x *index) each(b Bucket, visit func(key string, at place)) {
	if bucket, ok := x.buckets[b]; ok {
		for key, raw := range bucket.All() {
			s := readSlot(raw)
			visit(string(key), s.at())
		}
	}
}

// apply applies the entries of the record at seq, the newest in the log. It changes
// nothing if one of them cannot be decoded.
func (x *index) apply(seq Seq, entries [][]byte) error {
	defer func() {
		clear(x.ops)
		x.ops = x.ops[:0]
	}()
	for _, entry := range entries {
		op, err := decodeOp(entry)
		if err != nil {
			return err
		}
		x.ops = append(x.ops, op)
	}
	x.records = append(x.records, recordInfo{seq: seq})
	for i := range x.ops {
		op := &x.ops[i]
		if op.put {
			x.put(op, place{seq: seq, entry: uint32(i)})
		} else {
			x.remove(op)
		}
	}
	return nil
}

func (x *index) put(op *entryOp, at place) {
	bucket, ok := x.buckets[Bucket(op.bucket)]
	if !ok {
		bucket = &keyed.Packed{}
		x.buckets[Bucket(op.bucket)] = bucket
	}
	bucket.Put(op.key, appendSlot(x.scratch[:0], at, op.value), func(old []byte) { x.release(op, readSlot(old)) })
	x.records[len(x.records)-1].live++
	x.keys++
	x.liveBytes += liveSize(op, len(op.value))
}

func (x *index) remove(op *entryOp) {
	bucket, ok := x.buckets[Bucket(op.bucket)]
	if !ok {
		return
	}
	raw, ok := bucket.Remove(op.key)
	if !ok {
		return
	}
	x.release(op, readSlot(raw))
	if bucket.Len() == 0 {
		delete(x.buckets, Bucket(op.bucket))
	}
}

// release subtracts a slot that is replaced or removed from the counts.
func (x *index) release(op *entryOp, old slot) {
	if i, ok := x.record(old.seq); ok {
		x.records[i].live--
	}
	x.keys--
	x.liveBytes -= liveSize(op, int(old.size))
}

// record returns the index in records of a record, and whether it is still in the log.
func (x *index) record(seq Seq) (int, bool) {
	return slices.BinarySearchFunc(x.records, seq, func(r recordInfo, want Seq) int {
		return place{seq: r.seq}.compare(place{seq: want})
	})
}

// live reports whether the entry at that place is the current one of its key.
func (x *index) live(op entryOp, at place) bool {
	if !op.put {
		return false
	}
	s, ok := x.find(Bucket(op.bucket), op.key)
	return ok && s.at() == at
}

// dead returns the number of records at the front of the log without live entries.
func (x *index) dead() int {
	for i, r := range x.records {
		if r.live > 0 {
			return i
		}
	}
	return len(x.records)
}

// forget removes the first n records, which were trimmed.
func (x *index) forget(n int) { x.records = x.records[n:] }

// liveSize estimates the size in the log of a live key with a value of that many bytes.
func liveSize(op *entryOp, value int) int64 {
	return int64(1 + len(op.bucket) + len(op.key) + value + 4)
}
