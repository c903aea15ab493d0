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

// The key-value store, and the REST API's way to it.

// logValues is the log of the key-value store: one of its own, so that large values
// never delay alerts.
const logValues = "values"

// openValues opens the ledger of the key-value store, if an endpoint uses it and it is
// not in memory.
func (a *App) openValues() error {
	var enabled, inMemory bool
	if err := errors.Join(a.cfg.Section(keyValueKey, &enabled), a.cfg.Section("keyValueStore.inMemory", &inMemory)); err != nil {
		return fmt.Errorf("set up the key-value store (%s, keyValueStore): %w", keyValueKey, err)
	}
	if a.storesPairs = enabled && a.cfg.RESTServer().Enable; a.storesPairs {
		a.hasValues = true
		if a.shelved == nil {
			a.shelved = kv.NewShelf(once(a.core, kv.NewMetrics))
		}
		if !inMemory && a.values == nil {
			if err := a.openPairs(); err != nil {
				return err
			}
		}
	}
	if !inMemory {
		a.pairs = a.values
	}
	return nil
}

// openPairs opens the ledger of the store.
func (a *App) openPairs() error {
	ctx := context.Background()
	log, err := a.store.Open(ctx, logValues, journal.Limits{})
	if err != nil {
		return fmt.Errorf("open the log of the key-value store: %w", err)
	}
	if bounded, ok := log.(journal.Bounded); ok {
		a.maxValues = bounded.MaxRecord()
	}
	values, err := journal.OpenLedger(ctx, log, journal.LedgerOptions{OnHealth: a.journalHealth(logValues, "changes of key-values are not confirmed"), OnAppend: a.appended})
	if err != nil {
		return fmt.Errorf("read the key-value store: %w", err)
	}
	a.values = values
	a.foundation.add("key-value store", a.values.Close)
	return nil
}

// valuesChild is the actor of the key-value store. Alerts do not need it.
func (a *App) valuesChild() supervisors.Child {
	log := a.log.Named("kv")
	options := kv.Options{
		Kit: a.kit, MaxRecord: a.maxValues, Limits: kv.Limits{Keys: a.cfg.KeysPerNamespace()},
		Log: log, Metrics: once(a.core, kv.NewMetrics), Shelf: a.shelved,
		Supervise: supervisors.NewStrategy(supervisors.Service, log, a.health, a.onFatal),
	}
	if a.pairs != nil { // a nil ledger in the interface would be one
		options.Ledger = a.pairs
	}
	return supervisors.Child{Name: valuesActor, Props: options.Props, Spawned: first(&a.pids.values)}
}

// keyValues answers from the shelf of the store, or else asks its actor.
type keyValues struct{ app *App }

// errValuesDisk is why the store does not answer while its log cannot be written:
// changes wait for that, and so does whoever reads what they have changed.
var errValuesDisk = api.NewProblem(http.StatusServiceUnavailable,
	"the disk takes no key-values now; a change that was asked for may count when it does again, and /health says what is wrong with it")

// unanswered adds errValuesDisk to the error for a missing answer if the disk is the cause.
func (s keyValues) unanswered(err error) error {
	if err != nil && s.app.pairs != nil && s.app.pairs.Healthy() != nil {
		return fmt.Errorf("%w: %w", errValuesDisk, err)
	}
	return err
}

// askValues is ask for the store.
func askValues[R any](ctx context.Context, s keyValues, command func(replyTo messages.Ref) any) (R, error) {
	reply, err := ask[R](ctx, s.app.kit, s.app.pids.values, command)
	return reply, s.unanswered(err)
}

func (s keyValues) Put(ctx context.Context, c messages.PutValue) (messages.PutValueReply, error) {
	return askValues[messages.PutValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Get(ctx context.Context, c messages.GetValue) (messages.GetValueReply, error) {
	if reply, ok := s.app.shelved.Get(c, time.Now()); ok {
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
