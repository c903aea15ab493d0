package journal

import (
	"context"
	"errors"
	"sort"
	"time"
)

// Retention: handled records stay readable until KeepFor has passed or the log
// has grown beyond KeepBytes. Their times are found by bisection in the log, so
// that a long history costs no memory.
const (
	// trimDepth is the part of KeepBytes, in percent, to which a trim goes down,
	// so that a log at its limit is not trimmed for every record.
	trimDepth = 90
	// trimEvery is the least time between two trims by age, trimSlices how many
	// there are at most within KeepFor.
	trimEvery  = time.Second
	trimSlices = 64
	// trimPause is how long trimming rests after it failed.
	trimPause = 5 * time.Second
)

// trimHandled drops the handled records that need not be kept any longer. It
// runs on the packer's goroutine and returns when it has to run again.
func (q *Queue) trimHandled(ctx context.Context) time.Duration {
	first, next := q.log.Bounds()
	floor := q.cursor.durable()
	if floor <= first {
		return never
	}
	now := time.Now()
	cut, wait, err := q.expired(ctx, now, first, floor)
	cut = max(cut, q.oversize(first, floor, next))
	if err == nil && cut > first {
		err = q.log.Trim(ctx, cut)
	}
	if err != nil {
		q.upkeepFailures.Add(1)
		q.nextTrim = now.Add(trimPause)
		return trimPause
	}
	return wait
}

// expired returns before which record everything handled is older than KeepFor,
// and when to look again.
func (q *Queue) expired(ctx context.Context, now time.Time, first, floor Seq) (Seq, time.Duration, error) {
	if q.opts.KeepFor <= 0 {
		return floor, never, nil
	}
	if wait := q.nextTrim.Sub(now); wait > 0 {
		return first, wait, nil
	}
	var failed error
	kept := sort.Search(int(floor-first), func(i int) bool {
		at, err := q.packedAt(ctx, first+Seq(i))
		failed = errors.Join(failed, err)
		return err == nil && now.Sub(at) < q.opts.KeepFor
	})
	if failed != nil {
		return first, trimPause, failed
	}
	cut, wait := first+Seq(kept), q.opts.KeepFor
	if cut < floor {
		at, err := q.packedAt(ctx, cut)
		if err != nil {
			return first, trimPause, err
		}
		wait = at.Add(q.opts.KeepFor).Sub(now)
	}
	wait = max(wait, trimEvery, q.opts.KeepFor/trimSlices)
	q.nextTrim = now.Add(wait)
	return cut, wait, nil
}

// packedAt returns when the first record from seq on was packed. One that
// cannot be read counts as very old.
func (q *Queue) packedAt(ctx context.Context, seq Seq) (time.Time, error) {
	var at time.Time
	err := q.log.Read(ctx, seq, func(_ Seq, record []byte) error {
		if content, err := decodeRecord(kindQueue, record); err == nil {
			at = content.at
		}
		return errStop
	})
	return at, ignoreStop(err)
}

// oversize returns before which record everything handled has to go to bring
// the log below KeepBytes, supposing that records are of one size.
func (q *Queue) oversize(first, floor, next Seq) Seq {
	size := q.log.Bytes()
	if q.opts.KeepBytes <= 0 || size <= q.opts.KeepBytes {
		return first
	}
	excess := size - q.opts.KeepBytes*trimDepth/100
	each := max(size/int64(next-first), 1)
	return min(floor, first+Seq(excess/each)+1)
}

// makeRoom drops a quarter of the handled records of a full log, whatever their
// age, and reports whether there were any.
func (q *Queue) makeRoom(ctx context.Context) bool {
	first, _ := q.log.Bounds()
	floor := q.handledBelow()
	if floor <= first {
		return false
	}
	if err := q.log.Trim(ctx, first+(floor-first+3)/4); err != nil {
		q.upkeepFailures.Add(1)
		return false
	}
	return true
}
