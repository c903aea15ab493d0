package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/messages"
)

// lasting is a key-value store that notes for how long a call may wait.
type lasting struct {
	*store
	left []time.Duration
}

func (l *lasting) Get(ctx context.Context, c messages.GetValue) (messages.GetValueReply, error) {
	deadline, _ := ctx.Deadline()
	l.left = append(l.left, time.Until(deadline))
	if err := ctx.Err(); err != nil {
		return messages.GetValueReply{}, err
	}
	return l.store.Get(ctx, c)
}

func TestKeyValues_everyCallMayWaitInFullWhateverTheClockOfTheServerSays(t *testing.T) {
	began := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for name, clock := range map[string]func() time.Time{
		"it is right":        time.Now,
		"it stands still":    func() time.Time { return began },
		"it was set back":    func() time.Time { return began.Add(-time.Hour + time.Since(began)) },
		"it runs backwards":  func() time.Time { return began.Add(-time.Since(began)) },
		"it is not of today": func() time.Time { return time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := &lasting{store: newStore()}
				r := &rest{opts: Options{KeyValues: asked, Now: clock}}
				for range 50 {
					var ctx fasthttp.RequestCtx
					ctx.Request.SetRequestURI("/v4/keyvalues/etl?key=lastRun")
					c := &call{ctx: &ctx, parameters: parameters{{"namespace", "etl"}}}
					if _, _, err := r.kvLookUp(c); err != nil {
						t.Fatalf("after %d calls: %v", len(asked.left), err)
					}
					time.Sleep(900 * time.Millisecond)
				}
				for i, left := range asked.left {
					if left < web.RequestTimeout || left > web.RequestTimeout+sharedFor {
						t.Errorf("call %d may wait for %s, want %s and at most %s more", i, left, web.RequestTimeout, sharedFor)
					}
				}
			})
		})
	}
}
