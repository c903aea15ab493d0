package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"butler/actors/kv"
	"butler/api"
	"butler/internal/journal"
	"butler/messages"
	"butler/supervisors"
)

// The key-value store.

// logValues is the journal log of the key-value store. It is separate, so that writes
// of large values do not delay alerts.
const logValues = "values"

// openValues opens the ledger of the key-value store, unless its endpoints are
// disabled or it is in memory.
func (g *generation) openValues() error {
	var enabled, inMemory bool
	if err := errors.Join(g.cfg.Section(keyValueKey, &enabled), g.cfg.Section("keyValueStore.inMemory", &inMemory)); err != nil {
		return fmt.Errorf("set up the key-value store (%s, keyValueStore): %w", keyValueKey, err)
	}
	if g.kvServed = enabled && g.cfg.RESTServer().Enable; g.kvServed {
		g.kvWanted = true
		if g.kvCache == nil {
			g.kvCache = kv.NewReadCache(sharedMetrics(g.App, kv.NewMetrics))
		}
		if !inMemory && g.kvLedger == nil {
			if err := g.openKVLedger(); err != nil {
				return err
			}
		}
	}
	if !inMemory {
		g.ownKVLedger = g.kvLedger
	}
	return nil
}

// openKVLedger opens the ledger of the store on disk.
func (a *App) openKVLedger() error {
	ctx := context.Background()
	log, err := a.store.Open(ctx, logValues, journal.Limits{})
	if err != nil {
		return fmt.Errorf("open the log of the key-value store: %w", err)
	}
	if bounded, ok := log.(journal.Bounded); ok {
		a.kvMaxRecord = bounded.MaxRecord()
	}
	values, err := journal.OpenLedger(ctx, log, journal.LedgerOptions{OnHealth: a.journalHealth(logValues, "changes of key-values are not confirmed"), OnAppend: a.appended})
	if err != nil {
		return fmt.Errorf("read the key-value store: %w", err)
	}
	a.kvLedger = values
	a.foundation.add("key-value store", a.kvLedger.Close)
	return nil
}

// valuesChild returns the actor of the key-value store. It is not critical.
func (g *generation) valuesChild() supervisors.Child {
	log := g.log.Named("kv")
	options := kv.Options{
		Kit: g.kit, MaxRecord: g.kvMaxRecord, Limits: kv.Limits{Keys: g.cfg.KeysPerNamespace()},
		Log: log, Metrics: sharedMetrics(g.App, kv.NewMetrics), ReadCache: g.kvCache,
		Supervise: supervisors.NewStrategy(supervisors.Service, log, g.health, g.onFatal),
	}
	if g.ownKVLedger != nil { // a nil *Ledger would make a non-nil interface
		options.Ledger = g.ownKVLedger
	}
	return supervisors.Child{Name: valuesActor, Props: options.Props, Spawned: setOnce(&g.pids.values)}
}

// keyValues implements api.KeyValues by messages to the actor of the store. Reads are
// answered from its read cache where possible.
type keyValues struct{ gen *generation }

// errValuesDisk is returned when the store does not answer because its log cannot be
// written: changes wait for that, and so do reads of changed values.
var errValuesDisk = api.NewProblem(http.StatusServiceUnavailable,
	"key-values cannot be written to disk now; a requested change may still be made when they can be again, and /health says what is wrong")

// unanswered adds errValuesDisk to the error of a missing answer when the ledger
// cannot be written.
func (s keyValues) unanswered(err error) error {
	if err != nil && s.gen.ownKVLedger != nil && s.gen.ownKVLedger.Healthy() != nil {
		return fmt.Errorf("%w: %w", errValuesDisk, err)
	}
	return err
}

// askValues is ask for the store.
func askValues[R any](ctx context.Context, s keyValues, command func(replyTo messages.Ref) any) (R, error) {
	reply, err := ask[R](ctx, s.gen.kit, s.gen.pids.values, command)
	return reply, s.unanswered(err)
}

func (s keyValues) Put(ctx context.Context, c messages.PutValue) (messages.PutValueReply, error) {
	return askValues[messages.PutValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Get(ctx context.Context, c messages.GetValue) (messages.GetValueReply, error) {
	if reply, ok := s.gen.kvCache.Get(c, time.Now()); ok {
		return reply, nil
	}
	return askValues[messages.GetValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Delete(ctx context.Context, c messages.DeleteValue) (messages.DeleteValueReply, error) {
	return askValues[messages.DeleteValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Keys(ctx context.Context, c messages.ListKeys) (messages.ListKeysReply, error) {
	return askValues[messages.ListKeysReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Namespaces(ctx context.Context) (messages.ListNamespacesReply, error) {
	return askValues[messages.ListNamespacesReply](ctx, s, func(to messages.Ref) any { return messages.ListNamespaces{ReplyTo: to} })
}

func (s keyValues) DeleteNamespace(ctx context.Context, c messages.DeleteNamespace) (messages.DeleteNamespaceReply, error) {
	return askValues[messages.DeleteNamespaceReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}
