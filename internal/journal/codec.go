package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"
)

// A record of version 1, integers big endian:
//
//	byte 0       version, 1
//	byte 1       kind: 1 queue, 2 ledger, 3 notes
//	bytes 2-9    when it was packed, Unix nanoseconds
//	uvarint      number of entries
//	per entry    uvarint length, then its bytes
//	last 4 bytes CRC-32C of everything before them
//
// A record of version 2 is the same, but everything between the header and the
// checksum is compressed (S2 block format). It is written where that saves space:
// entries of one record are often similar, and every byte saved need not be copied
// and synced.
//
// A release that changes the layout uses the next version number and still reads
// the older ones: testdata holds a record of every version ever written.
const (
	recordPlain      = 1
	recordCompressed = 2
	headerSize       = 10
	checksumSize     = 4
	// worthCompressing is the body size in bytes from which compression is tried.
	worthCompressing = 1 << 10
	// maxUnpacked bounds the decompressed body of a record.
	maxUnpacked = 64 << 20
	// minRecord is the size of a record without entries.
	minRecord = headerSize + 1 + checksumSize
)

// kind is the structure that a record belongs to. A record of another kind than
// expected is refused, so a log is not opened as the wrong structure.
type kind byte

const (
	kindQueue  kind = 1
	kindLedger kind = 2
	kindNotes  kind = 3
)

// recordContent is a decoded record.
type recordContent struct {
	at      time.Time
	entries [][]byte
}

// size is the approximate size of the entries in memory.
func (p recordContent) size() int {
	sum := 0
	for _, e := range p.entries {
		sum += len(e) + sliceHeader
	}
	return sum
}

// sliceHeader is the size of a slice header in bytes.
const sliceHeader = 24

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordSize bounds the encoded size of a record of n entries with size bytes in total.
func recordSize(n, size int) int {
	return minRecord + binary.MaxVarintLen32 + n*binary.MaxVarintLen32 + size
}

// encoder encodes records into memory that it reuses.
type encoder struct{ plain, folded []byte }

// keptScratch bounds each buffer that an encoder keeps for the next record.
const keptScratch = 4 << 20

// encode encodes a record of entries. The result is valid until the next call.
func (e *encoder) encode(k kind, at time.Time, entries [][]byte) []byte {
	size := 0
	for _, entry := range entries {
		size += len(entry)
	}
	buf := slices.Grow(e.plain[:0], recordSize(len(entries), size))
	buf = append(buf, recordPlain, byte(k))
	buf = binary.BigEndian.AppendUint64(buf, uint64(at.UnixNano()))
	buf = binary.AppendUvarint(buf, uint64(len(entries)))
	for _, entry := range entries {
		buf = binary.AppendUvarint(buf, uint64(len(entry)))
		buf = append(buf, entry...)
	}
	e.plain = kept(buf)
	return seal(e.compressed(buf))
}

func kept(scratch []byte) []byte {
	if cap(scratch) > keptScratch {
		return nil
	}
	return scratch
}

// compressed returns a record without its checksum: as version 2 if that is at least
// an eighth smaller, otherwise unchanged.
func (e *encoder) compressed(plain []byte) []byte {
	body := plain[headerSize:]
	if len(body) < worthCompressing {
		return plain
	}
	out := slices.Grow(e.folded[:0], headerSize+s2.MaxEncodedLen(len(body))+checksumSize)
	e.folded = kept(out)
	out = append(out, plain[:headerSize]...)
	out[0] = recordCompressed
	folded := s2.Encode(out[headerSize:cap(out)], body)
	if len(folded) > len(body)*7/8 {
		return plain
	}
	return out[:headerSize+len(folded)]
}

// unfolded returns the decompressed body of a record, in scratch if it fits there.
func unfolded(scratch []byte, version byte, body []byte) ([]byte, error) {
	if version == recordPlain {
		return body, nil
	}
	size, err := s2.DecodedLen(body)
	if err != nil {
		return nil, fmt.Errorf("%w: compressed entries: %w", ErrCorrupt, err)
	}
	if size > maxUnpacked {
		return nil, fmt.Errorf("%w: compressed entries unfold to %d bytes", ErrCorrupt, size)
	}
	out, err := s2.Decode(scratch[:cap(scratch)], body)
	if err != nil {
		return nil, fmt.Errorf("%w: compressed entries: %w", ErrCorrupt, err)
	}
	return out, nil
}

// seal appends the checksum.
func seal(body []byte) []byte {
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

// decodeRecord decodes a record; the entries may alias it. Every error wraps
// ErrCorrupt and says what is wrong.
func decodeRecord(k kind, record []byte) (recordContent, error) {
	var d decoder
	return d.decode(k, record)
}

// decoder decodes records into memory that it reuses. The zero value is ready.
type decoder struct {
	plain   []byte
	entries [][]byte
}

// decode is decodeRecord; its result is valid until the next call.
func (d *decoder) decode(k kind, record []byte) (recordContent, error) {
	if len(record) < minRecord {
		return recordContent{}, fmt.Errorf("%w: %d bytes are too short", ErrCorrupt, len(record))
	}
	if record[0] != recordPlain && record[0] != recordCompressed {
		return recordContent{}, fmt.Errorf("%w: version %d is unknown to this release", ErrCorrupt, record[0])
	}
	body, sum := record[:len(record)-checksumSize], binary.BigEndian.Uint32(record[len(record)-checksumSize:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return recordContent{}, fmt.Errorf("%w: checksum is %08x, want %08x", ErrCorrupt, got, sum)
	}
	if got := kind(body[1]); got != k {
		return recordContent{}, fmt.Errorf("%w: kind is %d, want %d", ErrCorrupt, got, k)
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(body[2:headerSize])))
	rest, err := unfolded(d.plain, record[0], body[headerSize:])
	if err != nil {
		return recordContent{}, err
	}
	if record[0] == recordCompressed {
		d.plain = rest
	}
	d.entries, err = decodeEntries(d.entries, rest)
	return recordContent{at: at, entries: d.entries}, err
}

// decodeEntries splits rest into entries. It reuses the memory of entries if they fit.
func decodeEntries(entries [][]byte, rest []byte) ([][]byte, error) {
	count, n := binary.Uvarint(rest)
	if n <= 0 {
		return nil, fmt.Errorf("%w: entry count is cut off", ErrCorrupt)
	}
	rest = rest[n:]
	if count > uint64(len(rest)) { // every entry takes at least one byte
		return nil, fmt.Errorf("%w: %d entries in %d bytes", ErrCorrupt, count, len(rest))
	}
	entries = slices.Grow(entries[:0], int(count))
	for i := range count {
		entry, after, ok := cutBytes(rest)
		if !ok {
			return nil, fmt.Errorf("%w: entry %d is cut off", ErrCorrupt, i)
		}
		entries, rest = append(entries, entry), after
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last entry", ErrCorrupt, len(rest))
	}
	return entries, nil
}

// cutBytes cuts a length-prefixed piece off the front of b.
func cutBytes(b []byte) (piece, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end:end], b[end:], true
}

// A ledger entry is one Op: a byte for put or delete, the bucket and the key, each
// with its length, and for a put the value, up to the end.
const (
	opPut    byte = 1
	opDelete byte = 2
)

func appendOp(buf []byte, op Op) []byte {
	what := opPut
	if op.Value == nil {
		what = opDelete
	}
	buf = append(buf, what)
	buf = binary.AppendUvarint(buf, uint64(len(op.Bucket)))
	buf = append(buf, op.Bucket...)
	buf = binary.AppendUvarint(buf, uint64(len(op.Key)))
	buf = append(buf, op.Key...)
	return append(buf, op.Value...)
}

// opSize bounds the encoded size of op.
func opSize(op Op) int {
	return 1 + 2*binary.MaxVarintLen32 + len(op.Bucket) + len(op.Key) + len(op.Value)
}

// entryOp is a decoded ledger entry. Its slices alias the record.
type entryOp struct {
	put                bool
	bucket, key, value []byte
}

func decodeOp(entry []byte) (entryOp, error) {
	if len(entry) == 0 || (entry[0] != opPut && entry[0] != opDelete) {
		return entryOp{}, fmt.Errorf("%w: ledger entry is neither put nor delete", ErrCorrupt)
	}
	op := entryOp{put: entry[0] == opPut}
	var ok bool
	rest := entry[1:]
	if op.bucket, rest, ok = cutBytes(rest); !ok {
		return entryOp{}, fmt.Errorf("%w: bucket of a ledger entry is cut off", ErrCorrupt)
	}
	if op.key, rest, ok = cutBytes(rest); !ok {
		return entryOp{}, fmt.Errorf("%w: key of a ledger entry is cut off", ErrCorrupt)
	}
	if !op.put && len(rest) > 0 {
		return entryOp{}, fmt.Errorf("%w: delete of a ledger entry carries a value", ErrCorrupt)
	}
	op.value = rest
	return op, nil
}
