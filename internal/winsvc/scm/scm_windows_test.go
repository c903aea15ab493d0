package scm

import (
	"context"
	"errors"
	"testing"
	"time"

	"butler/internal/winsvc"
)

func TestNative_queriesTheServiceControlManagerOfThisMachine(t *testing.T) {
	m, _ := Native()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// The second one exists on every Windows.
	answers, err := m.Query(ctx, "localhost", []string{"no-such-service", "PlugPlay"})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(answers[0].Err, winsvc.ErrNoSuchService) {
		t.Errorf("want no such service, got %+v", answers[0])
	}
	got := answers[1]
	if got.Err != nil || !got.Service.State.Settled() || got.Service.DisplayName == "" || got.Service.StartType == "" || got.Service.ExePath == "" {
		t.Errorf("want everything about PlugPlay, got %+v", got)
	}
}
