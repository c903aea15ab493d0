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

// OfflineAdmin is what an operator may look at and change while the service does not run.
type OfflineAdmin struct{ admin }

// Offline opens the journal of a service that does not run, and closes it afterwards.
func Offline(ctx context.Context, cfg *config.Config, use func(OfflineAdmin) error) error {
	if cfg.Journal().InMemory {
		return errors.New("the service does not run, and its journal is in memory: there is nothing to look at")
	}
	if _, err := os.Stat(cfg.Journal().Directory); err != nil {
		return fmt.Errorf("the service does not answer, and there is no journal of it (journal.directory): %w", err)
	}
	if owner := jetstream.Stranger(cfg.Journal().Directory); owner != "" {
		return fmt.Errorf("the service does not answer, and its journal in %s belongs to the user %s, who could not open it any more after this one has: run the command as that user (sudo -u '%s' butler ...), or start the service",
			cfg.Journal().Directory, owner, owner)
	}
	a := &App{cfg: cfg, core: &core{log: zap.NewNop(), reg: discardRegistry(), health: supervisors.NewBoard()}}
	if err := a.openJournal(); err != nil {
		return errors.Join(fmt.Errorf("the service does not answer, and its journal cannot be opened: %w", err), a.foundation.close(ctx, a.log))
	}
	return errors.Join(use(OfflineAdmin{admin{a}}), a.foundation.close(ctx, a.log))
}

// Damage says what was found wrong with the journal's files, which nobody else is told any more.
func (o OfflineAdmin) Damage() []string {
	var out []string
	for _, d := range o.app.disk.Damage() {
		out = append(out, fmt.Sprintf("files of the journal are damaged: log %s lost %d records, %d bytes could not be read; see %s",
			d.Log, d.Lost, d.Bytes, o.app.disk.Kept()))
	}
	return out
}

// ReplayParked puts notices back among the waiting ones; the service sends them when it starts.
func (o OfflineAdmin) ReplayParked(ctx context.Context, instance string, ids []string) (int, error) {
	return o.each(instance, ids, func(id messages.NoticeID) error {
		return o.app.outbox.Replay(ctx, id, time.Now(), func(messages.NoticeHead) {})
	})
}

// DropParked removes notices for good.
func (o OfflineAdmin) DropParked(ctx context.Context, instance string, ids []string) (int, error) {
	return o.each(instance, ids, func(id messages.NoticeID) error {
		was, err := o.app.outbox.Drop(ctx, id)
		if err == nil {
			o.app.trail.Write(trail.NewDrop(&was, time.Now(), trail.ByOperator))
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
	var left undone
	for _, id := range targets {
		if err := act(id); err != nil {
			left.add(id, err.Error())
			continue
		}
		done++
	}
	return done, left.err()
}
