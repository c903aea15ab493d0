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
		news := newListenerStatus(broker, "state", zap.NewNop())
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

func TestListenerNews_areWaitedForAtMostUntilTheBrokerHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &forgetful{failures: 1}
		news := newListenerStatus(broker, "state", zap.NewNop())
		began, ctx := time.Now(), t.Context()
		go news.run(ctx)
		news.set("error")
		news.settle(ctx, "error")
		if took := time.Since(began); took != tellAgain || len(broker.told) != 1 {
			t.Errorf("want the status at the broker after %s, got %q after %s", tellAgain, broker.told, took)
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		news.settle(bounded, "start")
		if bounded.Err() == nil {
			t.Error("want to wait for a status that is not published")
		}
	})
}
