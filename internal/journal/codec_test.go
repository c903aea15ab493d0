package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// when is a fixed time for records.
var when = time.Unix(1700000000, 123456789)

var sampleEntries = [][]byte{[]byte("Qlik Sense task failed"), {}, {0, 0xff, '\n'}, bytes.Repeat([]byte("x"), 300)}

func TestRecord_comesBackAsItWas(t *testing.T) {
	rows := []struct {
		name    string
		entries [][]byte
	}{
		{"no entries", nil},
		{"one empty entry", [][]byte{{}}},
		{"several", sampleEntries},
		{"many", slicesOf(5000)},
		{"alike, so compressed", similarEntries()},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			record := encodeRecord(kindQueue, when, row.entries)
			got, err := decodeRecord(kindQueue, record)
			if err != nil {
				t.Fatal(err)
			}
			if !got.at.Equal(when) || len(got.entries) != len(row.entries) {
				t.Fatalf("want %d entries of %v, got %d of %v", len(row.entries), when, len(got.entries), got.at)
			}
			for i, want := range row.entries {
				if !bytes.Equal(got.entries[i], want) {
					t.Errorf("entry %d: want %q, got %q", i, want, got.entries[i])
				}
			}
			if limit := recordSize(len(row.entries), sum(row.entries)); len(record) > limit {
				t.Errorf("size: %d bytes are more than the predicted %d", len(record), limit)
			}
		})
	}
}

func encodeRecord(k kind, at time.Time, entries [][]byte) []byte {
	return new(encoder).encode(k, at, entries)
}

func TestEncoder_usesItsMemoryAgain(t *testing.T) {
	var e encoder
	for round := range 3 {
		for _, entries := range [][][]byte{similarEntries(), nil, slicesOf(5000), sampleEntries} {
			got, err := decodeRecord(kindQueue, e.encode(kindQueue, when, entries))
			if err != nil || len(got.entries) != len(entries) {
				t.Fatalf("round %d: want %d entries, got %d, %v", round, len(entries), len(got.entries), err)
			}
			for i, want := range entries {
				if !bytes.Equal(got.entries[i], want) {
					t.Errorf("round %d, entry %d: want %q, got %q", round, i, want, got.entries[i])
				}
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { e.encode(kindQueue, when, sampleEntries) }); n != 0 {
		t.Errorf("a record allocates %v times, want never", n)
	}
	e.encode(kindQueue, when, [][]byte{make([]byte, 2*keptScratch)})
	if cap(e.plain)+cap(e.folded) > 2*keptScratch {
		t.Errorf("after a large record %d bytes are kept", cap(e.plain)+cap(e.folded))
	}
}

func slicesOf(n int) [][]byte {
	entries := make([][]byte, n)
	for i := range entries {
		entries[i] = bytes.Repeat([]byte{byte(i)}, i%40)
	}
	return entries
}

// similarEntries are what a burst of events looks like.
func similarEntries() [][]byte {
	entries := make([][]byte, 64)
	for i := range entries {
		entries[i] = fmt.Appendf(nil, "/scheduler-task-failed/;node1;Daily sales;Sales;LAB\\joe;%08x-b5a6-7890-1234-567890abcdef;WARN;Max retries reached", i)
	}
	return entries
}

func TestRecord_isCompressedWhereThatPays(t *testing.T) {
	small := encodeRecord(kindQueue, when, sampleEntries)
	if small[0] != recordPlain {
		t.Errorf("want a small record left as it is, got version %d", small[0])
	}
	similar := similarEntries()
	record := encodeRecord(kindQueue, when, similar)
	if record[0] != recordCompressed || len(record) > sum(similar)/3 {
		t.Errorf("want entries that are alike in a third of their size, got version %d, %d of %d bytes", record[0], len(record), sum(similar))
	}
	noise := make([]byte, 4<<10)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	random := encodeRecord(kindQueue, when, [][]byte{noise})
	if random[0] != recordPlain {
		t.Errorf("want what does not shrink left as it is, got version %d", random[0])
	}
}

func sum(entries [][]byte) int {
	return recordContent{entries: entries}.size() - len(entries)*sliceHeader
}

func TestRecord_refusesDamage(t *testing.T) {
	good := encodeRecord(kindQueue, when, sampleEntries)
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	resealed := func(body []byte) []byte { // damage that the checksum covers
		record := encodeRecord(kindQueue, when, nil)
		return seal(append(record[:headerSize:headerSize], body...))
	}
	recompressed := func(body []byte) []byte {
		record := encodeRecord(kindQueue, when, nil)
		record[0] = recordCompressed
		return seal(append(record[:headerSize:headerSize], body...))
	}
	rows := []struct {
		name, says string
		record     []byte
	}{
		{"empty", "too short", nil},
		{"shorter than a header", "too short", good[:9]},
		{"version of a later release", "version 3", changed(0, 3)},
		{"version zero", "version 0", changed(0, 0)},
		{"flipped bit", "checksum", changed(40, good[40]^1)},
		{"cut off", "checksum", good[:len(good)-1]},
		{"more behind", "checksum", append(bytes.Clone(good), 0)},
		{"kind of another structure", "kind is 2", seal(changed(1, 2)[:len(good)-checksumSize])},
		{"count without an end", "entry count", resealed([]byte{0x80})},
		{"count larger than the record", "entries in", resealed([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})},
		{"entry larger than the record", "entry 0", resealed([]byte{1, 9, 'a'})},
		{"entry length that overflows", "entry 0", resealed(append([]byte{1}, bytes.Repeat([]byte{0xff}, 11)...))},
		{"bytes after the last entry", "after the last", resealed([]byte{1, 1, 'a', 'b'})},
		{"compressed, and an end is missing", "compressed entries", recompressed([]byte{0x80})},
		{"compressed, not by us", "compressed entries", recompressed([]byte{9, 0xff, 0xff, 1})},
		{"compressed to more than fits", "compressed entries", recompressed([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0})},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := decodeRecord(kindQueue, row.record)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("want %v that says %q, got %v", ErrCorrupt, row.says, err)
			}
		})
	}
}

func TestOp_comesBackAsItWas(t *testing.T) {
	rows := []struct {
		name string
		op   Op
	}{
		{"put", Op{Bucket: "notice", Key: "7f3a", Value: []byte("body")}},
		{"put of nothing", Op{Bucket: "notice", Key: "7f3a", Value: []byte{}}},
		{"delete", Op{Bucket: "notice", Key: "7f3a"}},
		{"empty names", Op{Value: []byte("v")}},
		{"names with any bytes", Op{Bucket: "\x00", Key: "\xff/\n", Value: []byte("v")}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			entry := appendOp(nil, row.op)
			got, err := decodeOp(entry)
			if err != nil {
				t.Fatal(err)
			}
			back := Op{Bucket: Bucket(got.bucket), Key: string(got.key)}
			if got.put {
				back.Value = append([]byte{}, got.value...)
			}
			if diff := cmp.Diff(row.op, back); diff != "" {
				t.Errorf("operation (-want +got):\n%s", diff)
			}
			if len(entry) > opSize(row.op) {
				t.Errorf("size: %d bytes are more than the predicted %d", len(entry), opSize(row.op))
			}
		})
	}
}

func TestOp_refusesDamage(t *testing.T) {
	for name, entry := range map[string][]byte{
		"empty":               {},
		"neither":             {3, 0, 0},
		"no bucket":           {opPut},
		"bucket cut off":      {opPut, 5, 'a'},
		"no key":              {opPut, 1, 'a'},
		"delete with a value": {opDelete, 1, 'a', 1, 'b', 'v'},
	} {
		if _, err := decodeOp(entry); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: want %v, got %v", name, ErrCorrupt, err)
		}
	}
}

// goldenRecords are what a release wrote once. Every later one has to read
// them, so the files are never written again: a new version adds its own.
var goldenRecords = []struct {
	file    string
	kind    kind
	entries [][]byte
}{
	{"queue.v1.hex", kindQueue, [][]byte{[]byte("/engine-reload-failed/;node1;task"), {}, {0xff, 0}}},
	{"queue.v2.hex", kindQueue, similarEntries()},
	{"ledger.v1.hex", kindLedger, [][]byte{
		appendOp(nil, Op{Bucket: "notice", Key: "a1b2", Value: []byte(`{"v":1}`)}),
		appendOp(nil, Op{Bucket: "cursor", Key: "events"}),
	}},
}

func TestRecord_readsEveryVersionEverWritten(t *testing.T) {
	for _, golden := range goldenRecords {
		t.Run(golden.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", golden.file))
			if err != nil {
				t.Fatal(err)
			}
			record, err := hex.DecodeString(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeRecord(golden.kind, record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(golden.entries, got.entries); diff != "" || !got.at.Equal(when) {
				t.Errorf("packed at %v, entries (-want +got):\n%s", got.at, diff)
			}
		})
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, entries := range [][][]byte{nil, sampleEntries, {appendOp(nil, Op{Bucket: "b", Key: "k", Value: []byte("v")}), appendOp(nil, Op{})}} {
		record := encodeRecord(kindLedger, when, entries)
		f.Add(record[headerSize : len(record)-checksumSize])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		record := encodeRecord(kindLedger, when, nil)
		record = seal(append(record[:headerSize:headerSize], body...))
		got, err := decodeRecord(kindLedger, record)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("want only %v, got %v", ErrCorrupt, err)
			}
			return
		}
		again := encodeRecord(kindLedger, got.at, got.entries)
		back, err := decodeRecord(kindLedger, again)
		if err != nil || len(back.entries) != len(got.entries) {
			t.Fatalf("written again: got %d entries, %v, want %d", len(back.entries), err, len(got.entries))
		}
		x := newIndex()
		if err := x.apply(1, got.entries); err != nil && (!errors.Is(err, ErrCorrupt) || x.keys != 0) {
			t.Fatalf("a record that cannot be applied leaves %d keys: %v", x.keys, err)
		}
		if x.liveBytes < 0 || x.keys < 0 {
			t.Fatalf("index counts below zero: %d keys, %d bytes", x.keys, x.liveBytes)
		}
	})
}

// FuzzDecodeRaw gives the decoder bytes that nobody sealed.
func FuzzDecodeRaw(f *testing.F) {
	record := encodeRecord(kindQueue, when, sampleEntries)
	f.Add(record)
	f.Add([]byte{recordPlain})
	similar := encodeRecord(kindQueue, when, similarEntries())
	f.Add(similar)
	f.Fuzz(func(t *testing.T, record []byte) {
		if _, err := decodeRecord(kindQueue, record); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("want only %v, got %v", ErrCorrupt, err)
		}
	})
}
