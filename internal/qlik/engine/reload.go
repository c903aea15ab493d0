package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"butler/internal/httpc"
	"butler/messages"
)

// Reload asks for the reload of an app.
type Reload struct {
	AppID string
	// Mode is 0 (stop at an error), 1 (go on) or 2 (ignore errors); anything
	// else means 0.
	Mode int
	// Partial keeps the data of tables that the script does not load.
	Partial bool
}

// ReloadOutcome tells how a reload ended.
type ReloadOutcome struct {
	AppID string
	// Err is nil when the app was reloaded and saved. errors.Is tells
	// ErrNotReloaded, ErrStopped and ErrClosed from what went wrong on the way.
	Err error
	// EngineVersion is what the engine calls itself, for the log; cleaned.
	EngineVersion string
	Took          time.Duration
}

// Reload opens an app and returns; the reload goes on in the background, for as
// long as Options.ReloadTimeout and whatever becomes of ctx, and is followed by
// a save when the engine calls it good.
//
// After an error nothing runs. Otherwise done is called once, in a goroutine of
// its own, when the session is closed; it must neither block for long nor call
// Close, which waits for it. stop ends the session early, with ErrStopped as the
// outcome; the engine then decides what becomes of the reload. It may be called
// at any time and more than once.
func (c *Client) Reload(ctx context.Context, r Reload, done func(ReloadOutcome)) (stop func(), err error) {
	start := time.Now()
	defer func() {
		if err != nil {
			c.observe(opReload, start, &err)
		}
	}()
	if err := c.checkAppID(r.AppID); err != nil {
		return nil, err
	}
	if err := c.enter(ctx, c.reloads); err != nil {
		return nil, err
	}
	started := false
	defer func() {
		if !started {
			c.reloads.leave()
		}
	}()
	reload, err := c.begin(ctx, r)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	end, ok := c.running.add(cancel)
	if !ok {
		cancel(ErrClosed)
		reload.session.close()
		return nil, c.failed("DoReload", messages.FailureUnavailable, ErrClosed)
	}
	started = true
	go func() {
		defer end()
		defer cancel(nil)
		outcome := ReloadOutcome{AppID: r.AppID, EngineVersion: reload.version, Err: reload.run(background)}
		outcome.Took = time.Since(start)
		c.reloads.leave()
		c.observe(opReload, start, &outcome.Err)
		done(outcome)
	}()
	return func() { cancel(ErrStopped) }, nil
}

// reloading is an open app that is about to be reloaded.
type reloading struct {
	Reload
	session *session
	handle  int
	version string
}

// begin opens the app in a session that is left open.
func (c *Client) begin(ctx context.Context, r Reload) (*reloading, error) {
	s, err := c.dial(ctx, "/app/"+url.PathEscape(r.AppID))
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() {
		if !opened {
			s.close()
		}
	}()
	version, err := s.engineVersion(ctx)
	if err != nil {
		return nil, err
	}
	handle, err := s.openDoc(ctx, r.AppID, false)
	if err != nil {
		return nil, err
	}
	opened = true
	if r.Mode < 0 || r.Mode > 2 {
		r.Mode = 0
	}
	return &reloading{Reload: r, session: s, handle: handle, version: version}, nil
}

// maxVersion bounds what is kept of a version, in characters.
const maxVersion = 64

// engineVersion returns what the engine calls itself, "" when it says nothing of the kind.
func (s *session) engineVersion(ctx context.Context) (string, error) {
	result, err := s.call(ctx, globalHandle, "EngineVersion")
	if err != nil {
		return "", err
	}
	var answer struct {
		Version struct {
			Component string `json:"qComponentVersion"`
		} `json:"qVersion"`
	}
	_ = json.Unmarshal(result, &answer) // it is for the log only
	return httpc.Excerpt(answer.Version.Component, maxVersion, s.client.secrets...), nil
}

// run reloads and saves, and closes the session. A panic is a failure like any other.
func (r *reloading) run(ctx context.Context) (err error) {
	defer r.session.close()
	defer func() {
		if reason := recover(); reason != nil {
			err = r.session.invalid("DoReload", fmt.Errorf("panic: %v", reason))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, r.session.client.options.ReloadTimeout)
	defer cancel()
	result, err := r.session.callLong(ctx, r.handle, "DoReload", r.Mode, r.Partial)
	if err != nil {
		return err
	}
	var answer struct {
		Good *bool `json:"qReturn"`
	}
	if err := json.Unmarshal(result, &answer); err != nil {
		return r.session.invalid("DoReload", err)
	}
	if answer.Good == nil {
		return r.session.invalid("DoReload", errMissing("qReturn"))
	}
	if !*answer.Good {
		return r.session.client.failed("DoReload", messages.FailureRejected, ErrNotReloaded)
	}
	_, err = r.session.callLong(ctx, r.handle, "DoSave")
	return err
}

// callLong is call without a time of its own: the engine must give signs of life instead.
func (s *session) callLong(ctx context.Context, handle int, method string, params ...any) (json.RawMessage, error) {
	id, err := s.send(ctx, handle, method, params...)
	if err != nil {
		return nil, err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	alive := make(chan struct{})
	go func() {
		defer close(alive)
		s.keepAlive(ctx, giveUp)
	}()
	defer func() {
		giveUp(nil)
		<-alive
	}()
	return s.await(ctx, id)
}
