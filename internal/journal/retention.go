package journal

import (
	"context"
	"errors"
	"sort"
	"sync/atomic"
	"time"
)

// Retention: handled records stay readable until keepFor has passed or the log has
// grown beyond keepBytes. The place to trim at is found by bisection in the log, so
// a long history costs no memory.
const (
	// trimDepth is the percentage of keepBytes to which a trim reduces the log, so
	// that a log at its limit is not trimmed for every record.
	trimDepth = 90
	// trimEvery is the minimum time between two trims by age, trimSlices the maximum
	// number of them within keepFor.
	trimEvery  = time.Second
	trimSlices = 64
	// trimPause is the pause after a failed trim.
	trimPause = 5 * time.Second
)

// retention removes the oldest records of a log. Only one goroutine at a time may use it.
type retention struct {
	log       Log
	kind      kind
	keepFor   time.Duration // 0 removes at once
	keepBytes int64         // 0 means no such size
	nextTrim  time.Time
	// failures counts failed trims.
	failures atomic.Int64
}

// trim removes the records before end that need not be kept, and returns how long to
// wait before the next call.
func (r *retention) trim(ctx context.Context, end Seq) time.Duration {
	first, next := r.log.Bounds()
	if end <= first {
		return never
	}
	now := time.Now()
	cut, wait, err := r.expired(ctx, now, first, end)
	cut = max(cut, r.oversize(first, end, next))
	if err == nil && cut > first {
		err = r.log.Trim(ctx, cut)
	}
	if err != nil {
		r.failures.Add(1)
		r.nextTrim = now.Add(trimPause)
		return trimPause
	}
	return wait
}

// expired returns the first record up to end that is not older than keepFor, and how
// long to wait before the next check.
func (r *retention) expired(ctx context.Context, now time.Time, first, end Seq) (Seq, time.Duration, error) {
	if r.keepFor <= 0 {
		return end, never, nil
	}
	if wait := r.nextTrim.Sub(now); wait > 0 {
		return first, wait, nil
	}
	var failed error
	kept := sort.Search(int(end-first), func(i int) bool {
		at, err := r.packedAt(ctx, first+Seq(i))
		failed = errors.Join(failed, err)
		return err == nil && now.Sub(at) < r.keepFor
	})
	if failed != nil {
		return first, trimPause, failed
	}
	cut, wait := first+Seq(kept), r.keepFor
	if cut < end {
		at, err := r.packedAt(ctx, cut)
		if err != nil {
			return first, trimPause, err
		}
		wait = at.Add(r.keepFor).Sub(now)
	}
	wait = max(wait, trimEvery, r.keepFor/trimSlices)
	r.nextTrim = now.Add(wait)
	return cut, wait, nil
}

// packedAt returns when the first record from seq on was packed. A record that cannot
// be decoded has the zero time, so it counts as very old.
func (r *retention) packedAt(ctx context.Context, seq Seq) (time.Time, error) {
	var at time.Time
	err := r.log.Read(ctx, seq, func(_ Seq, record []byte) error {
		if content, err := decodeRecord(r.kind, record); err == nil {
			at = content.at
		}
		return errStop
	})
	return at, ignoreStop(err)
}

// oversize returns the record, at most end, before which to trim to bring the log
// below keepBytes. It assumes records of equal size.
func (r *retention) oversize(first, end, next Seq) Seq {
	size := r.log.Bytes()
	if r.keepBytes <= 0 || size <= r.keepBytes {
		return first
	}
	excess := size - r.keepBytes*trimDepth/100
	each := max(size/int64(next-first), 1)
	return min(end, first+Seq(excess/each)+1)
}

// makeRoom removes a quarter of the records before end from a full log, whatever their
// age, and reports whether there were any.
func (r *retention) makeRoom(ctx context.Context, end Seq) bool {
	first, _ := r.log.Bounds()
	if end <= first {
		return false
	}
	if err := r.log.Trim(ctx, first+(end-first+3)/4); err != nil {
		r.failures.Add(1)
		return false
	}
	return true
}
