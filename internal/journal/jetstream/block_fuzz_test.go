package jetstream

import (
	"encoding/binary"
	"hash"
	"slices"
	"testing"
	"time"

	"butler/internal/journal"
)

const (
	fuzzedStream  = "BUTLER_events"
	fuzzedSubject = "BUTLER.events"
)

// recordOf returns a record as the server writes it into a block.
func recordOf(tb testing.TB, seq uint64, headers, message []byte) []byte {
	tb.Helper()
	h, err := newHash(fuzzedStream + "-1")
	if err != nil {
		tb.Fatal(err)
	}
	out := make([]byte, blockHeader, blockHeader+len(fuzzedSubject)+4+len(headers)+len(message)+blockChecksum)
	binary.LittleEndian.PutUint64(out[4:], seq)
	binary.LittleEndian.PutUint64(out[12:], 1_774_000_000_000_000_000+seq)
	binary.LittleEndian.PutUint16(out[20:], uint16(len(fuzzedSubject)))
	out = append(out, fuzzedSubject...)
	length := uint32(0)
	head := len(out)
	if len(headers) > 0 {
		length = bitHeaders
		out = binary.LittleEndian.AppendUint32(out, uint32(len(headers)))
		head = len(out)
		out = append(out, headers...)
	}
	out = append(out, message...)
	for _, part := range [][]byte{out[4:20], []byte(fuzzedSubject), out[head:]} {
		h.Write(part)
	}
	out = binary.LittleEndian.AppendUint64(out, h.Sum64())
	binary.LittleEndian.PutUint32(out, length|uint32(len(out)))
	return out
}

// partsOf inspects a block, and checks that the result is consistent.
func partsOf(t *testing.T, body []byte) blockParts {
	t.Helper()
	b, err := newBlock(fuzzedStream, fuzzedSubject, 1, body)
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	p := b.parts()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("%d bytes take %v", len(body), took)
	}
	whole, end := 0, 0
	for i, e := range p.whole {
		if e.from < end || i > 0 && e.from == end || e.to <= e.from || e.to > len(body) {
			t.Fatalf("want ranges in order that do not touch, got %v of %d bytes", p.whole, len(body))
		}
		whole, end = whole+e.to-e.from, e.to
	}
	if whole+p.damaged+p.torn != len(body) {
		t.Errorf("%d whole, %d damaged and %d torn bytes are not %d", whole, p.damaged, p.torn, len(body))
	}
	return p
}

// FuzzBlock checks that whole records in a block are kept whatever else is in it, and
// that they are found again in the repaired block.
func FuzzBlock(f *testing.F) {
	f.Add([]byte("one two three"), []byte{}, uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, text, junk []byte, at, instead uint16) {
		partsOf(t, junk)
		var records [][]byte
		var body []byte
		for i := range uint64(4) {
			piece := text[int(i)*len(text)/4 : int(i+1)*len(text)/4]
			records = append(records, recordOf(t, i+7, piece[:len(piece)/3], piece))
			body = append(body, records[i]...)
		}
		// The junk replaces some of the bytes, anywhere.
		from := int(at) % (len(body) + 1)
		to := min(from+int(instead), len(body))
		changed := slices.Concat(body[:from], junk, body[to:])
		p := partsOf(t, changed)
		begin := 0
		var kept []byte
		for i, record := range records {
			end := begin + len(record)
			if intact := end <= from || begin >= to; intact && mayBeFound(from, to, len(junk)) {
				wantsRecord(t, p, changed, record, journal.Seq(i+7))
			}
			begin = end
		}
		for _, e := range p.whole {
			kept = append(kept, changed[e.from:e.to]...)
		}
		if again := partsOf(t, kept); again.damaged+again.torn > 0 || !slices.Equal(again.seqs, p.seqs) {
			t.Errorf("want all of what was kept whole, with %v, got %+v", p.seqs, again)
		}
	})
}

// counted counts the bytes that are hashed.
type counted struct {
	hash.Hash64
	bytes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return c.Hash64.Write(p)
}

// A sender of datagrams does not know the sequence numbers: what looks like long records
// in a damaged one must not be read completely again and again.
func TestBlock_doesNotReadWhatCannotBeTheNextRecord(t *testing.T) {
	body := recordOf(t, 7, nil, []byte("one"))
	const size = 256 << 10
	for len(body) < size {
		fake := recordOf(t, 1_000_000, nil, nil)
		binary.LittleEndian.PutUint32(fake, uint32(size-len(body)))
		body = append(body, fake...)
	}
	body = append(body, recordOf(t, 9, nil, []byte("three"))...)
	b, err := newBlock(fuzzedStream, fuzzedSubject, 1, body)
	if err != nil {
		t.Fatal(err)
	}
	read := &counted{Hash64: b.hash}
	b.hash = read
	if p := b.parts(); !slices.Equal(p.seqs, spans{{7, 7}, {9, 9}}) || read.bytes > 2*len(body) {
		t.Errorf("want records 7 and 9 found and %d bytes read twice at the most, got %v and %d bytes", len(body), p.seqs, read.bytes)
	}
}

// An attacker who knows the sequence numbers can make every beginning of a record look
// like the next one, or use the first record: if it is damaged, no number is expected.
func TestBlock_readsForgedBeginningsNoMoreThanSoOften(t *testing.T) {
	const size = 8 << 20
	for name, first := range map[string][]byte{
		"behind a whole record":       recordOf(t, 7, nil, []byte("one")),
		"in a first one that is torn": recordOf(t, 7, nil, []byte("one"))[:40],
	} {
		t.Run(name, func(t *testing.T) {
			body := slices.Clone(first)
			for len(body) < size {
				fake := recordOf(t, 8, nil, nil)
				binary.LittleEndian.PutUint32(fake, uint32(size-len(body)))
				body = append(body, fake...)
			}
			for seq := range uint64(100) {
				body = append(body, recordOf(t, 1000+seq, nil, make([]byte, 32<<10))...)
			}
			b, err := newBlock(fuzzedStream, fuzzedSubject, 1, body)
			if err != nil {
				t.Fatal(err)
			}
			read := &counted{Hash64: b.hash}
			b.hash = read
			p := b.parts()
			if most := blockMost + (readingsOfAByte+1)*len(body); read.bytes > most {
				t.Errorf("%d bytes are read for a block of %d, want %d at the most", read.bytes, len(body), most)
			}
			if last := p.seqs[len(p.seqs)-1]; last.Last != 1099 || last.First > 1002 {
				t.Errorf("want the records behind it kept, but for one or two, got %v", p.seqs)
			}
		})
	}
}

// mayBeFound reports whether the bytes in place of lost records are at least as many as
// those: damage changes bytes, but does not remove them.
func mayBeFound(from, to, junk int) bool { return junk >= to-from || junk == 0 && from == to }

func wantsRecord(t *testing.T, p blockParts, body, record []byte, seq journal.Seq) {
	t.Helper()
	isIn := func(s span) bool { return s.First <= seq && seq <= s.Last }
	if !slices.ContainsFunc(p.seqs, isIn) {
		t.Errorf("want record %d kept, got %v of %q", seq, p.seqs, body)
	}
	for _, e := range p.whole {
		for from := e.from; from+len(record) <= e.to; from++ {
			if slices.Equal(body[from:from+len(record)], record) {
				return
			}
		}
	}
	t.Errorf("want all bytes of record %d kept, got %v of %q", seq, p.whole, body)
}
