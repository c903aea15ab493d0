package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"

	"butler/actors/kv"
	"butler/api/web"
	"butler/internal/actorkit/actortest"
	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
	"butler/messages"
	"butler/supervisors"
)

// wantUnavailable fails for an error that the API would not tell as a passing one.
func wantUnavailable(t *testing.T, err error, says string) {
	t.Helper()
	told, ok := errors.AsType[*web.Problem](err)
	if !ok || told.StatusCode != http.StatusServiceUnavailable || !strings.Contains(told.Message, says) {
		t.Errorf("want 503 with %q, got %+v from %v", says, told, err)
	}
}

func TestKeyValues_aDiskThatTakesNothingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faulty.Wrap(memory.New(), 1)
		log, err := disk.Open(t.Context(), "values", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		values, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		kit, _, _ := actortest.Kit(t)
		strategy := supervisors.NewStrategy(supervisors.Service, zap.NewNop(), supervisors.NewBoard(), func(string, any) {})
		pid := kit.System.Root.Spawn(kv.Options{Kit: kit, Ledger: values, Supervise: strategy}.Props())
		store := keyValues{&generation{App: &App{kit: kit, pids: pids{values: pid}}, valuesLedger: values}}
		put := messages.PutValue{Namespace: "etl", Key: "k", Value: "v"}
		if reply, err := store.Put(t.Context(), put); err != nil || reply.Failure.Failed() {
			t.Fatalf("want it stored, got %+v, %v", reply, err)
		}

		disk.SetRules(faulty.Rules{Full: true})
		_, err = store.Put(t.Context(), put)
		wantUnavailable(t, err, "key-values cannot be written to disk now")
		_, err = store.Get(t.Context(), messages.GetValue{Namespace: "etl", Key: "k"})
		wantUnavailable(t, err, "key-values cannot be written to disk now")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the log to tell that it took too long, got %v", err)
		}

		put.Namespace = "born"
		_, err = store.Put(t.Context(), put)
		wantUnavailable(t, err, "key-values cannot be written to disk now")
		short, cancel := context.WithTimeout(t.Context(), askTimeout)
		defer cancel()
		_, err = store.Watch(short, messages.WatchNamespace{Namespace: "born"})
		wantUnavailable(t, err, "key-values cannot be written to disk now")

		disk.SetRules(faulty.Rules{})
		synctest.Wait()
		if reply, err := store.Put(t.Context(), put); err != nil || reply.Failure.Failed() {
			t.Errorf("want it stored again, got %+v, %v", reply, err)
		}
		if err := errors.Join(kit.System.Root.StopFuture(pid).Wait(), values.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestAsk_whoDoesNotAnswerMayDoSoLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		silent := actortest.Spawn(t, kit, "silent", nil)
		question := func(to messages.Ref) any { return messages.ListNamespaces{ReplyTo: to} }
		_, err := ask[messages.ListNamespacesReply](t.Context(), kit, silent.PID, question)
		wantUnavailable(t, err, "no answer in time")
		_, err = ask[messages.ListNamespacesReply](t.Context(), kit, nil, question)
		wantUnavailable(t, err, "does not run")
		if err := kit.System.Root.StopFuture(silent.PID).Wait(); err != nil {
			t.Error(err)
		}
	})
}
