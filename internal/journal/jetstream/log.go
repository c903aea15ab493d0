package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"butler/internal/journal"
)

// log is one stream. Its copy of the stream's bounds is exact, because only this
// process writes to the stream.
type log struct {
	store           *Store
	stream, subject string
	maxRecord       int
	// expected is the least sequence number of the next record according to the diary;
	// 0 when the diary does not have it.
	expected journal.Seq

	mu          sync.Mutex
	first, next journal.Seq
	bytes       int64
	outage      outage
}

// MaxRecord implements journal.Bounded.
func (l *log) MaxRecord() int { return l.maxRecord }

// Expected implements journal.Remembered.
func (l *log) Expected() journal.Seq { return l.expected }

// Bounds implements journal.Log.
func (l *log) Bounds() (first, next journal.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.next
}

// Bytes implements journal.Log.
func (l *log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// note updates the bounds from the state that the server reports. An empty stream that
// was never written to has first 0.
func (l *log) note(state jetstream.StreamState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := journal.Seq(state.LastSeq)
	l.next = max(l.next, last+1)
	l.first = max(l.first, journal.Seq(state.FirstSeq), 1)
	if state.Msgs == 0 {
		l.first = max(l.first, last+1)
	}
	l.bytes = int64(state.Bytes)
}

// recordOverhead is what the server stores in addition to the record, subject and id.
const recordOverhead = 60

// Append implements journal.Log.
func (l *log) Append(ctx context.Context, id string, record []byte) (journal.Seq, error) {
	eng, err := l.store.running(toAppend)
	if err != nil {
		return 0, err
	}
	call, cancel := eng.call(ctx)
	defer cancel()
	ack, err := eng.js.PublishMsg(call, &nats.Msg{Subject: l.subject, Data: record},
		jetstream.WithMsgID(id), jetstream.WithExpectStream(l.stream), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", l.stream, l.store.explain(ctx, eng, err))
	}
	seq := journal.Seq(ack.Sequence)
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq >= l.next { // otherwise a duplicate, or another append overtook this one
		l.next = seq + 1
	}
	if !ack.Duplicate {
		l.bytes += int64(len(record) + len(l.subject) + len(id) + recordOverhead)
	}
	return seq, nil
}

// Trim implements journal.Log.
func (l *log) Trim(ctx context.Context, before journal.Seq) error {
	first, next := l.Bounds()
	if before <= first {
		return nil
	}
	eng, err := l.store.running(toTrim)
	if err != nil {
		return err
	}
	l.store.noteBounds(l.stream, before, next)
	call, cancel := eng.call(ctx)
	defer cancel()
	stream, err := eng.js.Stream(call, l.stream)
	if err == nil {
		err = stream.Purge(call, jetstream.WithPurgeSequence(uint64(before)))
	}
	if err == nil {
		_, err = stream.Info(call)
	}
	if err != nil {
		return fmt.Errorf("trim %s: %w", l.stream, l.store.explain(ctx, eng, err))
	}
	l.note(stream.CachedInfo().State)
	l.store.keepReserve()
	return nil
}

// Number of records per request for a range: few at first, because many readers want
// only one record, then more. fetchBytes bounds the size of a reply.
const (
	fetchFirst  = 1
	fetchFactor = 16
	fetchMost   = 1024
	fetchBytes  = 4 << 20
)

// Read implements journal.Log.
func (l *log) Read(ctx context.Context, from journal.Seq, visit func(journal.Seq, []byte) error) error {
	first, end := l.Bounds()
	from = max(from, first)
	for size := fetchFirst; from < end; size = min(size*fetchFactor, fetchMost) {
		records, err := l.fetch(ctx, from, min(size, int(end-from)))
		if err != nil {
			return fmt.Errorf("read %s from %d: %w", l.stream, from, err)
		}
		if len(records) == 0 {
			return nil // trimmed meanwhile, or a loss that readers notice by the gap
		}
		for _, r := range records {
			if r.seq >= end {
				return nil
			}
			if err := visit(r.seq, r.body); err != nil {
				return err
			}
			from = r.seq + 1
		}
	}
	return nil
}

// fetched is one record received from the server.
type fetched struct {
	seq  journal.Seq
	body []byte
}

// batchRequest requests several messages of a stream, without a consumer.
type batchRequest struct {
	Seq      uint64 `json:"seq"`
	Batch    int    `json:"batch"`
	MaxBytes int    `json:"max_bytes"`
}

// Headers of the replies to a batch request, and the status codes in them.
const (
	statusEnd      = "204"
	statusNotFound = "404"
	headerStatus   = "Status"
	headerSequence = "Nats-Sequence"
)

// fetch returns up to n records, beginning with the first kept one from seq on.
func (l *log) fetch(ctx context.Context, seq journal.Seq, n int) ([]fetched, error) {
	eng, err := l.store.running(toRead)
	if err != nil {
		return nil, err
	}
	call, cancel := eng.call(ctx)
	defer cancel()
	unread := eng.unread()
	records, err := request(call, eng.conn, "$JS.API.DIRECT.GET."+l.stream, batchRequest{Seq: uint64(seq), Batch: n, MaxBytes: fetchBytes})
	if err != nil {
		return nil, l.store.explain(ctx, eng, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(records) > 0:
		l.outage.read(seq, records[len(records)-1].seq)
	case eng.unread() != unread && l.outage.goesOn(time.Now(), seq):
		return nil, fmt.Errorf("%w: %s", journal.ErrUnavailable, *eng.lines.why.Load())
	}
	return records, nil
}

func request(ctx context.Context, conn *nats.Conn, subject string, req batchRequest) ([]fetched, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only when the connection is closed, which ends it too
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	if err := conn.PublishRequest(subject, inbox, body); err != nil {
		return nil, err
	}
	var records []fetched
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		if status := msg.Header.Get(headerStatus); status == statusEnd || status == statusNotFound {
			return records, nil
		} else if status != "" {
			return nil, fmt.Errorf("server answers %s %s", status, msg.Header.Get("Description"))
		}
		seq, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
		if err != nil {
			return nil, errors.New("server sends a message without its sequence")
		}
		records = append(records, fetched{seq: journal.Seq(seq), body: msg.Data})
	}
}

var _ journal.Log = (*log)(nil)
