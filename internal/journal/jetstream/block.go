package jetstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/minio/highwayhash"

	"butler/internal/journal"
)

// The server keeps a stream in block files, one record after the other, little endian:
//
//	4 bytes   length of the whole record; the highest bit: it has headers
//	8 bytes   sequence; the highest bit: it was erased, the next: a tombstone
//	8 bytes   when it was stored, Unix nanoseconds
//	2 bytes   length of the subject, then the subject
//	4 bytes   length of the headers, then the headers, if it has any
//	          the message
//	8 bytes   HighwayHash-64 of sequence, time, subject, headers and message,
//	          keyed with the SHA-256 of the name of the stream and the number of the block
//
// When the server finds an invalid record, it truncates the block there, whatever
// follows. That is right for the torn end of a write and wrong for a flipped bit in
// the middle, so the blocks are inspected before the server opens them.
const (
	blockHeader   = 22
	blockChecksum = 8
	blockMost     = 32 << 20 // maximum size of a record

	bitHeaders   = 1 << 31
	bitErased    = 1 << 63
	bitTombstone = 1 << 62
)

// block is the content of one block file, with the means to check it.
type block struct {
	hash    hash.Hash64
	subject []byte
	body    []byte
}

func newBlock(stream, subject string, number int, body []byte) (*block, error) {
	h, err := newHash(fmt.Sprintf("%s-%d", stream, number))
	if err != nil {
		return nil, err
	}
	return &block{hash: h, subject: []byte(subject), body: body}, nil
}

// newHash returns HighwayHash-64 keyed with the SHA-256 of a name.
func newHash(name string) (hash.Hash64, error) {
	key := sha256.Sum256([]byte(name))
	h, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("make the checksum of %s: %w", name, err)
	}
	return h, nil
}

// stored is a record as stored in a block.
type stored struct {
	seq journal.Seq
	// tombstone marks a record that says that another one was removed.
	tombstone bool
	size      int
	// subject is where the subject ends, content where headers and message begin.
	subject, content int
}

// at decodes the lengths of a possible record at offset, or returns false.
func (b *block) at(offset int) (stored, bool) {
	rest := b.body[offset:]
	if len(rest) < blockHeader+blockChecksum {
		return stored{}, false
	}
	length := binary.LittleEndian.Uint32(rest)
	head := blockHeader + int(binary.LittleEndian.Uint16(rest[20:]))
	subject, headers := head, 0
	if length&bitHeaders != 0 && head+4 <= len(rest) {
		headers = int(binary.LittleEndian.Uint32(rest[head:]))
		head += 4
	}
	size := int(length &^ bitHeaders)
	if size > blockMost || size > len(rest) || head > size-blockChecksum || headers > size-blockChecksum-head {
		return stored{}, false
	}
	// The lengths are not part of the checksum.
	if got := rest[blockHeader:subject]; len(got) > 0 && !bytes.Equal(got, b.subject) {
		return stored{}, false
	}
	seq := binary.LittleEndian.Uint64(rest[4:])
	return stored{
		seq: journal.Seq(seq &^ (bitErased | bitTombstone)), tombstone: seq&bitTombstone != 0,
		size: size, subject: subject, content: head,
	}, true
}

// isWhole reports whether the possible record at offset has the right checksum. It
// reads the whole record, so callers rule out impossible ones first.
func (b *block) isWhole(offset int, record stored) bool {
	body := b.body[offset : offset+record.size]
	end := record.size - blockChecksum
	b.hash.Reset()
	for _, part := range [][]byte{body[4:20], body[blockHeader:record.subject], body[record.content:end]} {
		b.hash.Write(part)
	}
	return b.hash.Sum64() == binary.LittleEndian.Uint64(body[end:])
}

// after returns the next offset at which a record with the subject may begin, or the end.
func (b *block) after(offset int) int {
	from := offset + 1 + blockHeader
	if from >= len(b.body) {
		return len(b.body)
	}
	at := bytes.Index(b.body[from:], b.subject)
	if at < 0 {
		return len(b.body)
	}
	return offset + 1 + at
}

// blockParts is the result of inspecting a block.
type blockParts struct {
	// whole are the extents of the whole records; adjacent ones are joined.
	whole []extent
	// seqs are the sequence numbers of the whole records, without tombstones.
	seqs spans
	// damaged counts the unreadable bytes before and between whole records, torn
	// those after the last.
	damaged, torn int
}

// extent is a range of bytes, from inclusive to exclusive.
type extent struct{ from, to int }

// mayFollow reports whether next can be the first record after skipped unreadable bytes.
func (p *blockParts) mayFollow(next stored, skipped int) bool {
	if next.tombstone {
		return false
	}
	if len(p.seqs) == 0 {
		return true
	}
	last := p.seqs[len(p.seqs)-1].Last
	return next.seq > last && next.seq-last-1 <= journal.Seq(skipped/(blockHeader+blockChecksum))
}

// readingsOfAByte bounds how often a byte is read in vain, on average.
const readingsOfAByte = 64

// worthReading reports whether the checksum of a possible record after an unreadable
// part may be computed, when inVain bytes were read in vain already. An attacker who
// knows the sequence numbers may fill datagrams with the beginnings of long records.
// The limit bounds the time for that; the only records it may cost are those within
// and close behind such a datagram.
func worthReading(offset int, record stored, inVain int) bool {
	return inVain+record.size <= blockMost+readingsOfAByte*offset
}

// parts inspects the block. After an unreadable part it continues at the next whole
// record whose sequence number is possible there, because a datagram may contain bytes
// that look like a record.
func (b *block) parts() blockParts {
	var p blockParts
	end := 0 // of the last whole record
	inVain := 0
	for offset := 0; offset < len(b.body); {
		record, ok := b.at(offset)
		if !ok || offset > end && (!p.mayFollow(record, offset-end) || !worthReading(offset, record, inVain)) {
			offset = b.after(offset)
			continue
		}
		if !b.isWhole(offset, record) {
			inVain += record.size
			offset = b.after(offset)
			continue
		}
		p.damaged += offset - end
		end = offset + record.size
		if last := len(p.whole) - 1; last >= 0 && p.whole[last].to == offset {
			p.whole[last].to = end
		} else {
			p.whole = append(p.whole, extent{offset, end})
		}
		if !record.tombstone {
			p.seqs = p.seqs.with(record.seq)
		}
		offset = end
	}
	p.torn = len(b.body) - end
	return p
}

// span is the range of records from First to Last, both included.
type span struct {
	First journal.Seq `json:"first"`
	Last  journal.Seq `json:"last"`
}

func (s span) size() int64 { return int64(s.Last-s.First) + 1 }

// spans are ordered, and neither overlap nor touch.
type spans []span

// with adds a record. It ignores one that is not behind the last span.
func (s spans) with(seq journal.Seq) spans {
	switch last := len(s) - 1; {
	case last < 0 || seq > s[last].Last+1:
		return append(s, span{seq, seq})
	case seq == s[last].Last+1:
		s[last].Last = seq
	}
	return s
}

// through extends the last span up to last.
func (s spans) through(last journal.Seq) spans {
	s[len(s)-1].Last = max(s[len(s)-1].Last, last)
	return s
}

// gaps returns the records that are missing between the spans.
func (s spans) gaps() spans {
	var out spans
	for i := 1; i < len(s); i++ {
		out = append(out, span{s[i-1].Last + 1, s[i].First - 1})
	}
	return out
}

// and appends the records from first to before end, if there are any.
func (s spans) and(first, end journal.Seq) spans {
	if first < end {
		s = append(s, span{first, end - 1})
	}
	return s
}

// without returns the records of s that are not in known.
func (s spans) without(known spans) spans {
	for _, k := range known {
		var rest spans
		for _, one := range s {
			rest = rest.and(one.First, min(one.Last+1, k.First)).and(max(one.First, k.Last+1), one.Last+1)
		}
		s = rest
	}
	return s
}

func (s spans) size() (records int64) {
	for _, one := range s {
		records += one.size()
	}
	return records
}
