package jetstream_test

import (
	"testing"

	"go.uber.org/zap/zaptest"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/journal/journaltest"
)

func home(t *testing.T) func() journal.Store {
	dir := t.TempDir()
	return func() journal.Store {
		s, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir, Logger: zaptest.NewLogger(t)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestStore_conforms(t *testing.T) {
	journaltest.Run(t, journaltest.Home{New: home})
}
