package journal

import "slices"

// place is where an entry lies in a log.
type place struct {
	seq   Seq
	entry uint32
}

// slot is what the index knows of a live key.
type slot struct {
	at     place
	size   uint32 // of the value
	inline string // the value, when size <= inlineValue
}

// recordInfo counts the live entries of a record.
type recordInfo struct {
	seq  Seq
	live int
}

// index is the live state of a ledger. It is filled by applying records in the
// order of the log, both when opening and when writing. It is not safe for concurrent use.
type index struct {
	buckets map[Bucket]map[string]slot
	// records are those in the log, in order, to know which can go.
	records   []recordInfo
	keys      int
	liveBytes int64
}

func newIndex() index { return index{buckets: map[Bucket]map[string]slot{}} }

func (x *index) find(b Bucket, key string) (slot, bool) {
	s, ok := x.buckets[b][key]
	return s, ok
}

// apply takes in the entries of the record at seq, the newest of the log. It
// changes nothing when one of them cannot be read.
func (x *index) apply(seq Seq, entries [][]byte) error {
	ops := make([]entryOp, len(entries))
	for i, entry := range entries {
		op, err := decodeOp(entry)
		if err != nil {
			return err
		}
		ops[i] = op
	}
	x.records = append(x.records, recordInfo{seq: seq})
	for i, op := range ops {
		if op.put {
			x.put(op, place{seq: seq, entry: uint32(i)})
		} else {
			x.remove(op)
		}
	}
	return nil
}

func (x *index) put(op entryOp, at place) {
	bucket, ok := x.buckets[Bucket(op.bucket)]
	if !ok {
		bucket = map[string]slot{}
		x.buckets[Bucket(op.bucket)] = bucket
	}
	if old, ok := bucket[string(op.key)]; ok {
		x.release(op, old)
	}
	s := slot{at: at, size: uint32(len(op.value))}
	if s.size <= inlineValue {
		s.inline = string(op.value)
	}
	bucket[string(op.key)] = s
	x.records[len(x.records)-1].live++
	x.keys++
	x.liveBytes += liveSize(op, s)
}

func (x *index) remove(op entryOp) {
	bucket := x.buckets[Bucket(op.bucket)]
	old, ok := bucket[string(op.key)]
	if !ok {
		return
	}
	x.release(op, old)
	if delete(bucket, string(op.key)); len(bucket) == 0 {
		delete(x.buckets, Bucket(op.bucket)) // maps do not shrink: let it go
	}
}

// release takes a slot that is about to go out of the counts.
func (x *index) release(op entryOp, old slot) {
	if i, ok := x.record(old.at.seq); ok {
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
	s, ok := x.buckets[Bucket(op.bucket)][string(op.key)]
	return ok && s.at == at
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
func liveSize(op entryOp, s slot) int64 {
	return int64(1 + len(op.bucket) + len(op.key) + int(s.size) + 4)
}
