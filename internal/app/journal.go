package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.uber.org/zap"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/journal/memory"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/quarantine"
	"butler/internal/trail"
	"butler/supervisors"
)

// The logs of the journal.
const (
	logEvents = "events"
	logLedger = "ledger"
	// logTrail holds the steps of events and notices, for explanations.
	logTrail = "trail"
)

// openJournal opens the store and, on it, ledger, event queue, outbox, quarantine and
// trail.
func (a *App) openJournal() error {
	ctx := context.Background()
	a.appended = journalAppends(a.reg)
	if err := a.openStore(); err != nil {
		return err
	}
	a.foundation.add("journal store", func(context.Context) error { return a.store.Close() })
	if err := a.openLedger(ctx); err != nil {
		return err
	}
	if err := a.openQueue(ctx); err != nil {
		return err
	}
	var err error
	if a.outbox, err = outbox.Open(a.ledger, outbox.Options{}); err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	if a.quarantine, err = quarantine.Open(a.ledger); err != nil {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	registerJournal(a.reg, a.queue, a.ledger)
	return a.openTrail(ctx)
}

// openTrail opens the trail, unless it is disabled.
func (a *App) openTrail(ctx context.Context) error {
	section := a.startConfig.Journal()
	if section.TrailFor <= 0 {
		return nil
	}
	log, err := a.store.Open(ctx, logTrail, journal.Limits{})
	if err != nil {
		return fmt.Errorf("open the log of explanations: %w", err)
	}
	notes := journal.OpenNotes(ctx, log, journal.NotesOptions{KeepFor: section.TrailFor, KeepBytes: section.TrailBytes})
	a.foundation.add("trail", notes.Close)
	a.trail = trail.New(notes)
	registerTrail(a.reg, notes)
	return nil
}

// openLedger opens the state of executions and notices. Its log has no size limit, as
// it has to write in order to get smaller.
func (a *App) openLedger(ctx context.Context) error {
	state, err := a.store.Open(ctx, logLedger, journal.Limits{})
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	a.journalUp(logLedger)
	a.ledger, err = journal.OpenLedger(ctx, state, journal.LedgerOptions{OnHealth: a.journalHealth(logLedger, "no event is decided and no new alert is sent"), OnAppend: a.appended})
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	a.foundation.add("ledger", a.ledger.Close)
	if missing := a.ledger.Stats().Missing; missing > 0 {
		a.log.Warn("the ledger is loaded without the lost records", zap.Int64("records", missing))
	}
	return nil
}

// openQueue opens the queue of accepted events.
func (a *App) openQueue(ctx context.Context) error {
	section := a.startConfig.Journal()
	events, err := a.store.Open(ctx, logEvents, journal.Limits{MaxBytes: section.MaxBytes})
	if err != nil {
		return fmt.Errorf("open the events log: %w", err)
	}
	newest, err := a.newestRecord()
	if err != nil {
		return err
	}
	a.journalUp(logEvents)
	a.queue, err = journal.OpenQueue(ctx, logEvents, events, a.ledger, journal.QueueOptions{
		KeepFor: section.KeepFor, KeepBytes: section.KeepBytes, After: newest,
		OnHealth: a.journalHealth(logEvents, "new events are refused"), OnReading: a.eventsReadable, OnAppend: a.appended,
	})
	if err != nil {
		return fmt.Errorf("read the events log: %w", err)
	}
	a.foundation.add("events log", a.queue.Close)
	if lost := a.queue.Stats().Lost; lost > 0 && a.disk != nil {
		a.disk.Tell(journal.Damage{Log: logEvents, Lost: lost})
	}
	return nil
}

// newestRecord returns the newest sequence number of the events log that the ledger
// knows of, 0 when the log itself can be relied on. After a crash the log may have lost
// its newest records; their numbers must not be used again, since the ledger remembers
// events by them.
func (a *App) newestRecord() (journal.Seq, error) {
	if a.disk == nil || a.disk.Orderly() {
		return 0, nil
	}
	return outbox.NewestSeen(a.ledger)
}

func (a *App) openStore() error {
	section := a.startConfig.Journal()
	if section.InMemory {
		a.log.Warn("the journal is in memory: a crash loses every event and alert that is not delivered yet (journal.inMemory)")
		a.store = memory.New()
		return nil
	}
	if err := os.MkdirAll(section.Directory, 0o700); err != nil {
		return fmt.Errorf("create the journal directory (journal.directory): %w", err)
	}
	owner := jetstream.Stranger(section.Directory)
	began := time.Now()
	store, err := jetstream.Open(context.Background(), jetstream.Options{Dir: section.Directory, Logger: a.log.Named("journal")})
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open the journal in %s (journal.directory): %w (another user has run the program with it: give every file in it to the user of the service, as with chown -R)", section.Directory, err)
	}
	if owner != "" {
		a.log.Warn("the journal belongs to another user, who cannot open it after this run; give all of its files back to that user before the next start (chown -R)",
			logx.Path(section.Directory), zap.String("owner", owner))
	}
	if err != nil {
		return fmt.Errorf("open the journal in %s (journal.directory): %w", section.Directory, err)
	}
	a.store, a.disk = store, store
	a.watchCrash(section.Directory)
	a.log.Info("journal opened", logx.Path(section.Directory), zap.Duration("took", time.Since(began)))
	return nil
}

// filesComponent is the health of the journal's files.
const filesComponent = "journal/files"

// filesEvery is the interval at which watchFiles looks at the files of the journal.
const filesEvery = 10 * time.Second

// watchFiles reports the state of the journal's files as health.
func (a *App) watchFiles(ctx context.Context) {
	if a.disk == nil {
		return
	}
	for wait(ctx, filesEvery) {
		a.lookAtFiles()
	}
}

// lookAtFiles reports a journal directory that was removed or replaced as down, since
// nothing is kept any more. It reports damaged files as degraded, until an operator has
// removed the copies that were made of them: the service runs on with the records that
// can be read.
func (a *App) lookAtFiles() {
	if a.disk == nil {
		return
	}
	state, reason := supervisors.Up, ""
	err := a.disk.InPlace()
	if before := a.filesGone.Swap(err != nil); err != nil && !before {
		a.log.Error("the journal directory was removed or replaced: what is not sent yet is lost when the service ends", logx.Err(err))
	}
	if err != nil {
		state, reason = supervisors.Down, err.Error()+" while the service runs: events and notices are not kept any more; put the directory back, or restart the service"
	} else if kept := a.disk.Kept(); kept != "" {
		state, reason = supervisors.Degraded, "files were damaged and events or notices may be lost; the copies are in "+kept+", remove them when you have looked"
	}
	a.health.Set(filesComponent, state, reason)
}

// lostRecords returns the number of journal records that were found damaged or missing.
func (a *App) lostRecords() int64 {
	if a.disk == nil {
		return 0
	}
	sum := int64(0)
	for _, d := range a.disk.Damage() {
		sum += max(d.Lost, 1) // the number is not always known
	}
	return sum
}

// journalUp puts a log on the health board as one that can be written.
func (a *App) journalUp(which string) { a.health.Set("journal/"+which, supervisors.Up, "") }

// eventsReadable tells the health board and the log that stored events cannot be read, and
// nil when they can be again. New events are stored meanwhile.
func (a *App) eventsReadable(err error) {
	const component = "journal/" + logEvents + "/reading"
	if err == nil {
		a.health.Remove(component)
		a.log.Info("journal can be read again", zap.String("log", logEvents))
		return
	}
	a.health.Set(component, supervisors.Degraded, err.Error())
	a.log.Error("journal cannot be read: new events are stored, and none is decided until it can; look at the disk", zap.String("log", logEvents), logx.Err(err))
}

// journalHealth returns a function that reports errors of writing a log, and nil when
// it can be written again, to the health board and the log. until says what stops
// meanwhile. Nothing is lost: events and notices under way wait.
func (a *App) journalHealth(which, until string) func(error) {
	return func(err error) {
		if err == nil {
			a.journalUp(which)
			a.log.Info("journal can be written again", zap.String("log", which))
			return
		}
		a.health.Set("journal/"+which, supervisors.Down, err.Error())
		a.log.Error("journal cannot be written: "+until+" until it can; look at the disk", zap.String("log", which), logx.Err(err))
	}
}
