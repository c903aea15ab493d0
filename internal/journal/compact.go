package journal

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// Compaction: once the log is larger than compactFrom and compactFactor times
// what is live, the oldest live entries are written again at the end, a step
// between two packs, and the log is trimmed before the oldest entry that is
// still live. Because entries leave only from the front, a delete is older than
// nothing it has to hide by the time it goes, and because every step is an
// ordinary record followed by a Trim, a crash between any two of them leaves a
// log that replays to the same state.
const (
	compactFrom   = 16 << 20
	compactFactor = 4
	// compactRest is the part of that size, in percent, at which it rests again.
	compactRest = 75
	// A step writes and reads these parts of compactFrom, about.
	compactWrites, compactReads = 32, 2
	// compactPause is how long a compaction that failed rests.
	compactPause = 5 * time.Second
)

// ledgerCounters are what Stats reports beyond the index.
type ledgerCounters struct {
	commits, records, moved, missing, upkeepFailures atomic.Int64
}

// compact does one step if one is due. It runs on the packer's goroutine, the
// only one that changes the index, so what it finds live stays so until its own
// record is written.
func (l *Ledger) compact(ctx context.Context) time.Duration {
	if !l.crowded() {
		return never
	}
	if l.dropDead(ctx) {
		return 0
	}
	if len(l.index.records) == 0 {
		return never
	}
	entries, err := l.oldestLive(ctx)
	if err == nil && len(entries) > 0 {
		_, err = l.pack.write(ctx, entries)
	}
	if err != nil {
		l.stats.upkeepFailures.Add(1)
		return compactPause
	}
	l.stats.moved.Add(int64(len(entries)))
	if len(entries) == 0 {
		return compactPause // nothing to gain: the size is an estimate
	}
	return 0
}

// crowded reports whether the log is worth compacting, from when it grows too
// large until it is well below.
func (l *Ledger) crowded() bool {
	limit := max(l.compactFrom, compactFactor*l.index.liveBytes)
	if l.compacting {
		limit = limit * compactRest / 100
	}
	l.compacting = l.log.Bytes() > limit
	return l.compacting
}

// dropDead trims the records at the front that hold nothing live.
func (l *Ledger) dropDead(ctx context.Context) bool {
	n := l.index.dead()
	if n == 0 {
		return false
	}
	before := l.index.records[n-1].seq + 1
	if err := l.log.Trim(ctx, before); err != nil {
		l.stats.upkeepFailures.Add(1)
		return false
	}
	l.mu.Lock()
	l.index.forget(n)
	l.mu.Unlock()
	return true
}

// oldestLive returns copies of the oldest live entries, as many as one step writes.
func (l *Ledger) oldestLive(ctx context.Context) ([][]byte, error) {
	var entries [][]byte
	var size, scanned int64
	from := l.index.records[l.index.dead()].seq
	err := l.log.Read(ctx, from, func(seq Seq, record []byte) error {
		content, err := decodeRecord(kindLedger, record)
		if err != nil {
			return err
		}
		for i, entry := range content.entries {
			op, err := decodeOp(entry)
			if err != nil {
				return err
			}
			if !l.index.live(op, place{seq: seq, entry: uint32(i)}) {
				continue
			}
			size += int64(len(entry))
			if len(entries) > 0 && (size > l.compactFrom/compactWrites || len(entries) == packEntries) {
				return errStop
			}
			entries = append(entries, slices.Clone(entry))
		}
		scanned += int64(len(record))
		if len(entries) > 0 && scanned > l.compactFrom/compactReads {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return entries, err
}
