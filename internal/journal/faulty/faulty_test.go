package faulty_test

import (
	"testing"

	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/journaltest"
	"butler/internal/journal/memory"
)

func home(*testing.T) func() journal.Store {
	store := memory.New()
	seed := uint64(0)
	return func() journal.Store {
		store = store.Reopen()
		seed++
		f := faulty.Wrap(store, seed)
		f.SetRules(faulty.Rules{BeforeWrite: 0.2, AfterWrite: 0.2, Read: 0.1, Trim: 0.2})
		return f
	}
}

func TestStore_conformsWhileItFails(t *testing.T) {
	journaltest.Run(t, journaltest.Home{New: home, Bubble: true})
}
