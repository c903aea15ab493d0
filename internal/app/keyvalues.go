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
	if g.previous != nil {
		g.values = g.previous.values
	}
	if g.kvServed = enabled && g.cfg.RESTServer().Enable; g.kvServed {
		if g.values.cache == nil {
			g.values.cache = kv.NewReadCache(sharedMetrics(g.App, kv.NewMetrics))
		}
		if !inMemory && g.values.ledger == nil {
			if err := g.openValuesLedger(); err != nil {
				return err
			}
		}
	}
	if !inMemory {
		g.valuesLedger = g.values.ledger
	}
	if !g.values.exists() || g.sameValues() && g.keep(valuesPart) {
		return nil
	}
	g.add(part{name: valuesPart, actors: []supervisors.Child{g.valuesChild()}})
	return nil
}

// valuesPart is the actor of the store.
const valuesPart = "key-value store"

// sameValues reports whether the actor of the previous generation can stay.
func (g *generation) sameValues() bool {
	return g.previous != nil && !g.changed.touches("keyValueStore") && g.valuesLedger == g.previous.valuesLedger
}

// valueStore is what a generation takes over of the key-value store: from the first
// that enabled it, all have it. It is zero until then.
type valueStore struct {
	// cache answers reads without the actor.
	cache *kv.ReadCache
	// ledger holds the values on disk, nil until a configuration wants them there;
	// maxRecord is the largest record that it takes, in bytes.
	ledger    *journal.Ledger
	maxRecord int
}

// exists reports whether the store has an actor.
func (s valueStore) exists() bool { return s.cache != nil }

// storeOfValues is the closer entry of a ledger that this generation has opened.
const storeOfValues = "key-value store"

// openValuesLedger opens the ledger of the store on disk.
func (g *generation) openValuesLedger() error {
	ctx := context.Background()
	log, err := g.store.Open(ctx, logValues, journal.Limits{})
	if err != nil {
		return fmt.Errorf("open the log of the key-value store: %w", err)
	}
	if bounded, ok := log.(journal.Bounded); ok {
		g.values.maxRecord = bounded.MaxRecord()
	}
	g.values.ledger, err = journal.OpenLedger(ctx, log, journal.LedgerOptions{OnHealth: g.journalHealth(logValues, "changes of key-values are not confirmed"), OnAppend: g.appended})
	if err != nil {
		return fmt.Errorf("read the key-value store: %w", err)
	}
	g.closer.add(storeOfValues, g.values.ledger.Close)
	return nil
}

// keepValues leaves the ledger that this generation has opened to those after it: it
// stays open until the service stops.
func (g *generation) keepValues() {
	opened := len(g.foundation)
	g.closer.moveTo(storeOfValues, &g.foundation)
	if len(g.foundation) > opened {
		g.journalUp(logValues)
	}
}

// valuesChild returns the actor of the key-value store. It is not critical.
func (g *generation) valuesChild() supervisors.Child {
	log := g.log.Named("kv")
	options := kv.Options{
		Kit: g.kit, MaxRecord: g.values.maxRecord, Limits: kv.Limits{Keys: g.cfg.KeysPerNamespace()},
		Log: log, Metrics: sharedMetrics(g.App, kv.NewMetrics), ReadCache: g.values.cache,
		Supervise: supervisors.NewStrategy(supervisors.Service, log, g.health, g.onFatal),
	}
	if g.valuesLedger != nil { // a nil *Ledger would make a non-nil interface
		options.Ledger = g.valuesLedger
	}
	return supervisors.Child{Name: "kv", Props: options.Props, Spawned: setOnce(&g.pids.values)}
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
	if err != nil && s.gen.valuesLedger != nil && s.gen.valuesLedger.Writable() != nil {
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
	if reply, ok := s.gen.values.cache.Get(c, time.Now()); ok {
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
