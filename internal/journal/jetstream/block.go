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

// The server keeps a stream in block files, one record behind the other, little endian:
//
//	4 bytes   length of the whole record; the highest bit: it has headers
//	8 bytes   sequence; the highest bit: it was erased, the next: a tombstone
//	8 bytes   when it was stored, Unix nanoseconds
//	2 bytes   length of the subject, then the subject
//	4 bytes   length of the headers, then the headers, if it has some
//	          the message
//	8 bytes   HighwayHash-64 of sequence, time, subject, headers and message,
//	          keyed with the SHA-256 of the name of the stream and the number of the block
//
// When the server finds a record that is not like that, it cuts the block off
// there, whatever follows. That is right for the torn end of a write and wrong
// for a flipped bit in the middle, so we look first.
const (
	blockHeader   = 22
	blockChecksum = 8
	blockMost     = 32 << 20 // of a record

	bitHeaders   = 1 << 31
	bitErased    = 1 << 63
	bitTombstone = 1 << 62
)

// block reads one block file.
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

// stored is a record as it lies in a block.
type stored struct {
	seq journal.Seq
	// tombstone marks a note that another record was removed.
	tombstone bool
	size      int
	// subject is where the subject ends, content where headers and message begin.
	subject, content int
}

// at returns what may be a record, if one can begin at offset.
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

// isWhole reports whether what may be a record at offset has its checksum. It
// reads all of it: what cannot be there anyway is to be left out before.
func (b *block) isWhole(offset int, record stored) bool {
	body := b.body[offset : offset+record.size]
	end := record.size - blockChecksum
	b.hash.Reset()
	for _, part := range [][]byte{body[4:20], body[blockHeader:record.subject], body[record.content:end]} {
		b.hash.Write(part)
	}
	return b.hash.Sum64() == binary.LittleEndian.Uint64(body[end:])
}

// after returns where the next record with a subject may begin, or the end.
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

// blockParts is what was found in a block.
type blockParts struct {
	// whole are where the whole records lie, neighbours joined.
	whole []extent
	// seqs are the sequences of the records.
	seqs spans
	// damaged counts the bytes between whole records, and torn those after the last.
	damaged, torn int
}

// extent is a range of bytes.
type extent struct{ from, to int }

// mayFollow reports whether a record can be the next behind so many unreadable bytes.
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

// readingsOfAByte is how often a byte may be read in vain, on average.
const readingsOfAByte = 64

// worthReading reports whether a record behind something unreadable may be read for
// its checksum, after so many bytes were read in vain. Somebody who knows the
// sequences may fill datagrams with beginnings of long records. Reading them costs a bounded time,
// and no records but perhaps those within and close behind.
func worthReading(offset int, record stored, inVain int) bool {
	return inVain+record.size <= blockMost+readingsOfAByte*offset
}

// parts walks through the block. Behind something unreadable it goes on where
// the next whole record begins: one that may be next, because bytes that look
// like a record may be what a datagram said.
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

// span is the records from first to last.
type span struct {
	First journal.Seq `json:"first"`
	Last  journal.Seq `json:"last"`
}

func (s span) size() int64 { return int64(s.Last-s.First) + 1 }

// spans are in order and do not touch.
type spans []span

// with returns the spans with one more record, usually behind the last.
func (s spans) with(seq journal.Seq) spans {
	switch last := len(s) - 1; {
	case last < 0 || seq > s[last].Last+1:
		return append(s, span{seq, seq})
	case seq == s[last].Last+1:
		s[last].Last = seq
	}
	return s
}

// through makes the last span reach further.
func (s spans) through(last journal.Seq) spans {
	s[len(s)-1].Last = max(s[len(s)-1].Last, last)
	return s
}

// gaps returns what is missing between the spans.
func (s spans) gaps() spans {
	var out spans
	for i := 1; i < len(s); i++ {
		out = append(out, span{s[i-1].Last + 1, s[i].First - 1})
	}
	return out
}

// and returns the spans with the records from first to before end behind them, if there are any.
func (s spans) and(first, end journal.Seq) spans {
	if first < end {
		s = append(s, span{first, end - 1})
	}
	return s
}

// without returns what is left of the spans beside those in known.
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
