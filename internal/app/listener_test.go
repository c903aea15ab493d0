package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// forgetful is a broker that acknowledges nothing at first.
type forgetful struct {
	failures int
	told     []string
}

func (f *forgetful) Publish(_ context.Context, _ string, payload []byte) error {
	if f.failures--; f.failures >= 0 {
		return errors.New("not acknowledged")
	}
	f.told = append(f.told, string(payload))
	return nil
}

func TestListenerNews_areToldAgainUntilTheBrokerHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &forgetful{failures: 2}
		news := &listenerStatus{broker: broker, topic: "state", log: zap.NewNop(), wake: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		go news.run(ctx)
		news.set("start")
		time.Sleep(time.Hour)
		news.set("error")
		time.Sleep(time.Hour)
		cancel()
		synctest.Wait()
		if want := []string{"start", "error"}; !slices.Equal(want, broker.told) {
			t.Errorf("want %q told, each once, got %q", want, broker.told)
		}
	})
}
