package executions

import (
	"bytes"
	"fmt"

	"butler/internal/outbox"
	"butler/messages"
)

// memories are what the ledger knows of the executions of one shard.
type memories struct {
	seen  map[messages.ExecutionKey]messages.Seen
	state map[messages.ExecutionKey][]byte
	used  bool
}

// use frees them: a shard reads it once, and the ledger knows better later.
func (m *memories) use() { m.seen, m.state, m.used = nil, nil, true }

// load reads what was seen and what lives on, by shard.
func load(ledger Ledger, shards int, shardOf func(messages.ExecutionKey) int) ([]*memories, error) {
	out := make([]*memories, shards)
	for i := range out {
		out[i] = &memories{seen: map[messages.ExecutionKey]messages.Seen{}, state: map[messages.ExecutionKey][]byte{}}
	}
	var broken error
	err := ledger.Range(outbox.BucketSeen, func(key string, value []byte) bool {
		seen, err := outbox.DecodeSeen(value)
		if err != nil {
			broken = fmt.Errorf("execution %s: %w", key, err)
			return false
		}
		out[shardOf(messages.ExecutionKey(key))].seen[messages.ExecutionKey(key)] = seen
		return true
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return nil, fmt.Errorf("read what was seen of executions: %w", err)
	}
	err = ledger.Range(outbox.BucketState, func(key string, value []byte) bool {
		out[shardOf(messages.ExecutionKey(key))].state[messages.ExecutionKey(key)] = bytes.Clone(value)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the executions that live on: %w", err)
	}
	return out, nil
}
