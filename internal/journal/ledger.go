package journal

import "context"

// Bucket is a namespace of keys in a Ledger, such as "notice".
type Bucket string

// Op is one change of a Ledger: a put, or a delete when Value is nil.
type Op struct {
	Bucket Bucket
	Key    string
	Value  []byte
}

// LedgerOptions configure OpenLedger. The zero value is usable.
type LedgerOptions struct {
	// OnHealth is called when writing starts to fail (err) and when it works again (nil).
	OnHealth func(err error)
}

// Ledger is a durable map of small values, kept in a Log.
type Ledger struct{}

// OpenLedger reads the log and returns the ledger it holds.
func OpenLedger(ctx context.Context, log Log, opts LedgerOptions) (*Ledger, error) {
	panic("BUG: not written yet")
}

// Commit applies ops as one: after a crash all of them are there or none. done
// runs on the ledger's own goroutine when they are durable and visible to Get;
// its error is ErrClosed or nil. Commit does not block and keeps the order of calls.
func (l *Ledger) Commit(ops []Op, done func(error)) { panic("BUG: not written yet") }

// Get returns a value. The slice must not be changed.
func (l *Ledger) Get(b Bucket, key string) ([]byte, bool, error) { panic("BUG: not written yet") }

// Range calls visit for every key of a bucket, in no order, until it returns
// false. It works on a snapshot of the keys; a key deleted meanwhile is skipped.
func (l *Ledger) Range(b Bucket, visit func(key string, value []byte) bool) error {
	panic("BUG: not written yet")
}

// Len returns the number of keys in a bucket.
func (l *Ledger) Len(b Bucket) int { panic("BUG: not written yet") }

// Healthy returns why writing fails at present, or nil.
func (l *Ledger) Healthy() error { panic("BUG: not written yet") }

// Close waits for what is queued, until ctx ends.
func (l *Ledger) Close(ctx context.Context) error { panic("BUG: not written yet") }
