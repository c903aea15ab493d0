package executions

import (
	"fmt"

	"butler/internal/journal"
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

// load reads what was seen, what is on trial and what lives on, by shard.
func load(ledger Ledger, shards int, shardOf func(messages.ExecutionKey) int) ([]*memories, error) {
	out := make([]*memories, shards)
	for i := range out {
		out[i] = &memories{seen: map[messages.ExecutionKey]messages.Seen{}, trials: map[messages.ExecutionKey]outbox.Trial{}}
	}
	owner := func(key messages.ExecutionKey) *memories { return out[shardOf(key)] }
	err := each(ledger, outbox.BucketSeen, outbox.DecodeSeen, func(key messages.ExecutionKey, seen messages.Seen) {
		owner(key).seen[key] = seen
	})
	if err != nil {
		return nil, fmt.Errorf("read what was seen of executions: %w", err)
	}
	err = each(ledger, outbox.BucketTrial, outbox.DecodeTrial, func(key messages.ExecutionKey, trial outbox.Trial) {
		owner(key).trials[key] = trial
	})
	if err != nil {
		return nil, fmt.Errorf("read the trials of executions: %w", err)
	}
	err = ledger.Range(outbox.BucketState, func(key string, _ []byte) bool {
		mine := owner(messages.ExecutionKey(key))
		mine.followed = append(mine.followed, messages.ExecutionKey(key))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the executions that live on: %w", err)
	}
	return out, nil
}

// each visits the records of a bucket until one cannot be read.
func each[T any](ledger Ledger, b journal.Bucket, decode func([]byte) (T, error), visit func(messages.ExecutionKey, T)) error {
	var broken error
	err := ledger.Range(b, func(key string, value []byte) bool {
		record, err := decode(value)
		if err != nil {
			broken = fmt.Errorf("execution %s: %w", key, err)
			return false
		}
		visit(messages.ExecutionKey(key), record)
		return true
	})
	if err != nil {
		return err
	}
	return broken
}
