package journal

import (
	"slices"

	"butler/internal/keyed"
)

// place is where an entry lies in a log.
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
	buckets map[Bucket]*keyed.Table[slot]
	// records are those in the log, in order, to know which can go.
	records   []recordInfo
	keys      int
	liveBytes int64
	// ops are those of the record in hand, text a key and its value; reused.
	ops  []entryOp
	text []byte
}

func newIndex() index { return index{buckets: map[Bucket]*keyed.Table[slot]{}} }

// find returns what is known of a live key. It is valid until the index changes.
func (x *index) find(b Bucket, key string) *slot {
	bucket, ok := x.buckets[b]
	if !ok {
		return nil
	}
	return bucket.Find(key)
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
		for s := range bucket.All() {
			visit(s.Name(), s.at())
		}
	}
}

// apply takes in the entries of the record at seq, the newest of the log. It
// changes nothing when one of them cannot be read.
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
		bucket = &keyed.Table[slot]{}
		x.buckets[Bucket(op.bucket)] = bucket
	}
	x.text = append(x.text[:0], op.key...)
	if len(op.value) <= inlineValue {
		x.text = append(x.text, op.value...)
	}
	text := string(x.text)
	s, fresh := bucket.Place(text[:len(op.key)])
	if !fresh {
		x.release(op, s)
	}
	*s = slot{text: text, seq: at.seq, entry: at.entry, size: uint32(len(op.value)), key: uint32(len(op.key))}
	x.records[len(x.records)-1].live++
	x.keys++
	x.liveBytes += liveSize(op, s)
}

func (x *index) remove(op *entryOp) {
	bucket, ok := x.buckets[Bucket(op.bucket)]
	if !ok {
		return
	}
	old, ok := bucket.Remove(string(op.key))
	if !ok {
		return
	}
	x.release(op, &old)
	if bucket.Len() == 0 {
		delete(x.buckets, Bucket(op.bucket)) // tables do not shrink: let it go
	}
}

// release takes a slot that is about to go out of the counts.
func (x *index) release(op *entryOp, old *slot) {
	if i, ok := x.record(old.seq); ok {
		x.records[i].live--
	}
	x.keys--
	x.liveBytes -= liveSize(op, old)
}

// record finds a record that is still in the log.
func (x *index) record(seq Seq) (int, bool) {
	return slices.BinarySearchFunc(x.records, seq, func(r recordInfo, want Seq) int {
		return place{seq: r.seq}.compare(place{seq: want})
	})
}

// live reports whether the entry at is what the ledger holds for its key.
func (x *index) live(op entryOp, at place) bool {
	if !op.put {
		return false
	}
	s := x.find(Bucket(op.bucket), string(op.key))
	return s != nil && s.at() == at
}

// dead returns how many records at the front of the log hold nothing live.
func (x *index) dead() int {
	for i, r := range x.records {
		if r.live > 0 {
			return i
		}
	}
	return len(x.records)
}

// forget removes the first n records from the books.
func (x *index) forget(n int) { x.records = x.records[n:] }

// liveSize is what a live key takes in the log.
func liveSize(op *entryOp, s *slot) int64 {
	return int64(1 + len(op.bucket) + len(op.key) + int(s.size) + 4)
}
