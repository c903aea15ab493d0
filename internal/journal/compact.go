package journal

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Compaction: once the log is larger than compactFrom and compactFactor times the
// size of the live entries, the oldest live entries are rewritten at the end, in
// small steps between two packs, and the log is trimmed before the oldest entry that
// is still live. Entries are only removed from the front, so when a delete is removed,
// every put that it overrides has been removed before. Each step is an ordinary
// record followed by a Trim, so a crash at any point leaves a log that replays to the
// same state.
const (
	compactFrom   = 16 << 20
	compactFactor = 4
	// compactRest is the percentage of that size at which compaction stops.
	compactRest = 75
	// A step writes about 1/compactWrites of compactFrom, or it reads at most
	// 1/compactReads and collects at most 1/compactFinds of it. A read collects entries
	// for several writing steps, because a Log fetches megabytes at a time anyway.
	compactWrites, compactReads, compactFinds = 32, 2, 4
	// compactPause is the pause after a failure.
	compactPause = 5 * time.Second
)

// compaction is the state between two steps. It is zero while there is nothing to compact.
type compaction struct {
	running bool
	// found are the entries to rewrite, oldest first. Some may be dead by the time
	// they are written.
	found   []movable
	decoder decoder
}

// movable is a copy of an entry and its place in the log.
type movable struct {
	entry []byte
	at    place
}

// ledgerCounters are the values of Stats that the index does not have.
type ledgerCounters struct {
	commits, records, moved, missing, upkeepFailures atomic.Int64
}

// compact does one step if one is due, and returns when to call it again. It runs on
// the packer's goroutine, the only one that changes the index, so an entry that is
// live when a step checks it is still live when the step writes it.
func (l *Ledger) compact(ctx context.Context) time.Duration {
	if !l.shouldCompact() {
		l.compaction = compaction{}
		return never
	}
	if entries := l.nextMoves(); len(entries) > 0 {
		return l.move(ctx, entries)
	}
	dropped, err := l.dropDead(ctx)
	switch {
	case err != nil:
		return compactPause // moving entries frees nothing while the log cannot be trimmed
	case dropped:
		return 0
	case len(l.index.records) == 0:
		return never
	}
	if err := l.findMovable(ctx); err != nil {
		l.compaction.found = nil
		l.stats.upkeepFailures.Add(1)
		return compactPause
	}
	if len(l.compaction.found) == 0 {
		return compactPause // nothing to gain: log and live sizes are estimates
	}
	return 0
}

// shouldCompact reports whether the log is worth compacting. Once started, compaction
// goes on until the log is well below the limit.
func (l *Ledger) shouldCompact() bool {
	limit := max(l.compactFrom, compactFactor*l.index.liveBytes)
	if l.compaction.running {
		limit = limit * compactRest / 100
	}
	l.compaction.running = l.log.Bytes() > limit
	return l.compaction.running
}

// dropDead trims the records at the front that have no live entries, and reports
// whether there were any.
func (l *Ledger) dropDead(ctx context.Context) (bool, error) {
	n := l.index.dead()
	if n == 0 {
		return false, nil
	}
	before := l.index.records[n-1].seq + 1
	if err := l.log.Trim(ctx, before); err != nil {
		l.stats.upkeepFailures.Add(1)
		return false, err
	}
	l.mu.Lock()
	l.index.forget(n)
	l.mu.Unlock()
	return true, nil
}

// makeRoom is called when the log is full. It reports whether it removed something.
func (l *Ledger) makeRoom(ctx context.Context) bool {
	dropped, err := l.dropDead(ctx)
	return err == nil && dropped
}

// nextMoves takes the found entries that one step writes. It skips those that were
// changed or deleted meanwhile.
func (l *Ledger) nextMoves() [][]byte {
	var entries [][]byte
	var size int64
	found := l.compaction.found
	for len(found) > 0 && len(entries) < packEntries && (size == 0 || size+int64(len(found[0].entry)) <= l.compactFrom/compactWrites) {
		if op, err := decodeOp(found[0].entry); err == nil && l.index.live(op, found[0].at) {
			entries = append(entries, found[0].entry)
			size += int64(len(found[0].entry))
		}
		found = found[1:]
	}
	l.compaction.found = found
	return entries
}

// move rewrites entries at the end of the log.
func (l *Ledger) move(ctx context.Context, entries [][]byte) time.Duration {
	if _, err := l.pack.write(ctx, entries); err != nil {
		l.compaction.found = nil
		l.stats.upkeepFailures.Add(1)
		return compactPause
	}
	l.stats.moved.Add(int64(len(entries)))
	return 0
}

// findMovable reads the oldest live entries from the log into found.
func (l *Ledger) findMovable(ctx context.Context) error {
	var found []movable
	var size, scanned int64
	from := l.index.records[l.index.dead()].seq
	err := l.log.Read(ctx, from, func(seq Seq, record []byte) error {
		content, err := l.compaction.decoder.decode(kindLedger, record)
		if err != nil {
			return err
		}
		for i, entry := range content.entries {
			op, err := decodeOp(entry)
			if err != nil {
				return err
			}
			if at := (place{seq: seq, entry: uint32(i)}); l.index.live(op, at) {
				found = append(found, movable{slices.Clone(entry), at})
				size += int64(len(entry))
			}
		}
		scanned += int64(len(record))
		if len(found) > 0 && (size >= l.compactFrom/compactFinds || scanned > l.compactFrom/compactReads) {
			return errStop
		}
		return nil
	})
	l.compaction.found = found
	return ignoreStop(err)
}
