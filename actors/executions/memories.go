package executions

import (
	"fmt"

	"go.uber.org/zap"

	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/messages"
)

// memories are what the ledger knows of the executions of one shard.
type memories struct {
	seen   map[messages.ExecutionKey]messages.Seen
	trials map[messages.ExecutionKey]outbox.Trial
	// followed are the executions that have a snapshot.
	followed []messages.ExecutionKey
}

func newMemories() *memories {
	return &memories{seen: map[messages.ExecutionKey]messages.Seen{}, trials: map[messages.ExecutionKey]outbox.Trial{}}
}

// load reads all executions of the ledger into the memories that owner returns for
// their keys; an execution without an owner is left out.
func (o *Options) load(owner func(messages.ExecutionKey) *memories) error {
	err := each(o, outbox.BucketSeen, owner, outbox.DecodeSeen, func(mine *memories, key messages.ExecutionKey, seen messages.Seen) {
		mine.seen[key] = seen
	})
	if err != nil {
		return fmt.Errorf("read what was seen of executions: %w", err)
	}
	err = each(o, outbox.BucketTrial, owner, outbox.DecodeTrial, func(mine *memories, key messages.ExecutionKey, trial outbox.Trial) {
		mine.trials[key] = trial
	})
	if err != nil {
		return fmt.Errorf("read the trials of executions: %w", err)
	}
	err = o.Ledger.Range(outbox.BucketState, func(key string, _ []byte) bool {
		if mine := owner(messages.ExecutionKey(key)); mine != nil {
			mine.followed = append(mine.followed, messages.ExecutionKey(key))
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("read the executions that live on: %w", err)
	}
	return nil
}

// each visits the records of a bucket that have an owner and can be read.
func each[T any](o *Options, b journal.Bucket, owner func(messages.ExecutionKey) *memories, decode func([]byte) (T, error),
	visit func(*memories, messages.ExecutionKey, T),
) error {
	return o.Ledger.Range(b, func(key string, value []byte) bool {
		mine := owner(messages.ExecutionKey(key))
		if mine == nil {
			return true
		}
		record, err := decode(value)
		if err != nil {
			o.logUnreadable(key, err)
			return true
		}
		visit(mine, messages.ExecutionKey(key), record)
		return true
	})
}

// logUnreadable reports a record of the ledger that cannot be decoded and is left
// where it is. Skipping it may alert a repetition or lose a count of crashes;
// failing would keep all events from being decided.
func (o *Options) logUnreadable(key string, err error) {
	o.Metrics.unreadable.Inc()
	o.Log.Error("record of an execution cannot be read, it is skipped",
		zap.String("execution_key", key), logx.Err(err))
}

// recall reads what the ledger knows of one execution.
func (o *Options) recall(key messages.ExecutionKey) (seen messages.Seen, snapshot []byte, err error) {
	raw, ok, err := o.Ledger.Get(outbox.BucketSeen, string(key))
	if err == nil && ok {
		var broken error
		if seen, broken = outbox.DecodeSeen(raw); broken != nil {
			o.logUnreadable(string(key), broken)
		}
	}
	if err == nil {
		snapshot, _, err = o.Ledger.Get(outbox.BucketState, string(key))
	}
	if err != nil {
		return messages.Seen{}, nil, fmt.Errorf("read what is known of execution %s: %w", key, err)
	}
	return seen, snapshot, nil
}
