package memory_test

import (
	"testing"

	"butler/internal/journal"
	"butler/internal/journal/journaltest"
	"butler/internal/journal/memory"
)

func home(*testing.T) func() journal.Store {
	store := memory.New()
	return func() journal.Store {
		store = store.Reopen()
		return store
	}
}

func TestStore_conforms(t *testing.T) {
	journaltest.Run(t, journaltest.Home{New: home, Bubble: true})
}
