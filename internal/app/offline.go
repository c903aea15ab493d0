package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/journal/jetstream"
	"butler/internal/trail"
	"butler/messages"
	"butler/supervisors"
)

// OfflineAdmin reads and changes the journal while the service does not run.
type OfflineAdmin struct{ admin }

// Offline opens the journal of a service that does not run, calls use, and closes the
// journal again.
func Offline(ctx context.Context, cfg *config.Config, use func(OfflineAdmin) error) error {
	if cfg.Journal().InMemory {
		return errors.New("the service does not run, and its journal is in memory (journal.inMemory): there is nothing to read")
	}
	if _, err := os.Stat(cfg.Journal().Directory); err != nil {
		return fmt.Errorf("the service does not answer, and there is no journal of it (journal.directory): %w", err)
	}
	if owner := jetstream.Stranger(cfg.Journal().Directory); owner != "" {
		return fmt.Errorf("the service does not answer, and its journal in %s belongs to the user %s, who could not open it any more after this command: run it as that user (sudo -u '%s' butler ...), or start the service",
			cfg.Journal().Directory, owner, owner)
	}
	a := &App{startConfig: cfg, log: zap.NewNop(), reg: discardRegistry(), health: supervisors.NewBoard()}
	if err := a.openJournal(); err != nil {
		return errors.Join(fmt.Errorf("the service does not answer, and its journal cannot be opened: %w", err), a.foundation.close(ctx, a.log))
	}
	return errors.Join(use(OfflineAdmin{admin{&generation{App: a, cfg: cfg}}}), a.foundation.close(ctx, a.log))
}

// Damage describes the damage that was found when the files of the journal were
// opened, a line for each log. It is repaired by that, so it is reported only here.
func (o OfflineAdmin) Damage() []string {
	var out []string
	for _, d := range o.gen.disk.Damage() {
		out = append(out, fmt.Sprintf("files of the journal are damaged: log %s lost %d records, %d bytes could not be read; see %s",
			d.Log, d.Lost, d.Bytes, o.gen.disk.Kept()))
	}
	return out
}

// ReplayParked moves parked notices back to the outbox; the service sends them after
// its next start. It returns how many it has moved, also with an error.
func (o OfflineAdmin) ReplayParked(ctx context.Context, instance string, ids []string) (int, error) {
	return o.each(instance, ids, func(id messages.NoticeID) error {
		return o.gen.outbox.Replay(ctx, id, time.Now(), func(messages.NoticeHead) {})
	})
}

// DropParked deletes parked notices. It returns how many it has deleted, also with an
// error.
func (o OfflineAdmin) DropParked(ctx context.Context, instance string, ids []string) (int, error) {
	return o.each(instance, ids, func(id messages.NoticeID) error {
		was, err := o.gen.outbox.Drop(ctx, id)
		if err == nil {
			o.gen.trail.Write(trail.NewDrop(&was, time.Now(), trail.ByOperator))
		}
		return err
	})
}

func (o OfflineAdmin) each(instance string, ids []string, act func(messages.NoticeID) error) (int, error) {
	targets, err := o.targets(instance, ids)
	if err != nil {
		return 0, err
	}
	done := 0
	var failed failedNotices
	for _, id := range targets {
		if err := act(id); err != nil {
			failed.add(id, err.Error())
			continue
		}
		done++
	}
	return done, failed.err()
}
