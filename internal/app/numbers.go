package app

import (
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/logx"
)

// bucketNumbers holds the numbers of the entries of lists in the configuration, by the
// name of the list: see destination.List. Notices are kept under names that end in them.
const bucketNumbers journal.Bucket = "list_numbers"

// numbersFor returns the numbers for a generation: those of the generation in force, or
// at the start those in the ledger.
func (g *generation) numbersFor() (*destination.Numbers, error) {
	if g.previous != nil {
		return destination.NewNumbers(g.previous.numbers.Remembered()), nil
	}
	return g.storedNumbers()
}

// storedNumbers reads the numbers in the ledger. In a list whose record cannot be read,
// such as that of a later release, every entry gets a number that no notice was kept
// under: what waits is parked, rather than sent to the wrong address.
func (a *App) storedNumbers() (*destination.Numbers, error) {
	lists, unreadable := map[string]destination.List{}, []string{}
	err := a.ledger.Range(bucketNumbers, func(name string, raw []byte) bool {
		list, err := destination.DecodeList(raw)
		if err != nil {
			a.log.Error("the numbers of a list of destinations cannot be read: its entries get new ones, and what waits for them is parked",
				logx.Destination(name), logx.Err(err))
			unreadable = append(unreadable, name)
		}
		lists[name] = list
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the numbers of list entries: %w", err)
	}
	if len(unreadable) == 0 {
		return destination.NewNumbers(lists), nil
	}
	instances, err := a.instancesWithNotices()
	for _, name := range unreadable {
		lists[name] = destination.AfterNames(name, instances)
	}
	return destination.NewNumbers(lists), err
}

// storedTable builds the table of a service that does not run, with the names that it
// has in the journal.
func (g *generation) storedTable() (*destination.Table, error) {
	deps := dependencies(g.cfg, zap.NewNop())
	var err error
	if deps.Numbers, err = g.storedNumbers(); err != nil {
		return nil, err
	}
	return tableWith(g.cfg, deps)
}

// instancesWithNotices lists the instances that have waiting or parked notices, or
// suppression windows, whether or not they are configured.
func (a *App) instancesWithNotices() ([]string, error) {
	waiting, err := a.outbox.Instances()
	if err != nil {
		return nil, fmt.Errorf("list what waits: %w", err)
	}
	out := slices.Collect(maps.Keys(waiting))
	for place := range a.outbox.ParkedCounts() {
		out = append(out, place.Instance)
	}
	return out, nil
}

// recordNumbers records the numbers of a generation that comes into force. Nothing has to
// wait for it: the ledger keeps the order of commits, so no notice with a new name can be
// durable before its number.
func (g *generation) recordNumbers() {
	var ops []journal.Op
	for name, list := range g.numbers.Changed() {
		ops = append(ops, journal.Op{Bucket: bucketNumbers, Key: name, Value: destination.EncodeList(list)})
	}
	if len(ops) == 0 {
		return
	}
	g.ledger.Commit(ops, func(err error) {
		if err != nil {
			g.log.Error("the numbers of list entries are not recorded: after the next start, messages that wait for an entry may be sent to another one", logx.Err(err))
		}
	})
}
