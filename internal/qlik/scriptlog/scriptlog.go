// Package scriptlog owns how the script log of a reload task is obtained from
// the QRS and how it is cut.
//
// The QRS offers only the log of the last execution of a task. When the task has been
// started again since the event, result and log are those of the newer execution. The
// caller can detect that by comparing Execution.Start (qlik.ParseTime) with the time of
// the event, and should tell the reader.
//
// It guarantees that an attempt ends with its context, that the number of attempts is
// limited, and that the execution result is returned even without the log. It must never
// wait for the next attempt, because a waiting call would block others, nor write files
// or decide who gets the log.
package scriptlog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/qlik"
	"butler/messages"
)

// Source is the part of the QRS client that a fetch needs.
type Source interface {
	Execution(ctx context.Context, taskID string, t qlik.TaskType) (messages.Execution, error)
	// ScriptLogTicketByFile asks in the way that Qlik Sense knew until May 2025.
	ScriptLogTicketByFile(ctx context.Context, taskID, fileReferenceID string) (string, error)
	// ScriptLogTicketByResult asks in the way that it knows since.
	ScriptLogTicketByResult(ctx context.Context, taskID, resultID string) (string, error)
	DownloadScriptLog(ctx context.Context, ticket string) (string, error)
}

// between is the pause between attempts.
const between = 2 * time.Second

// Options configure a Fetcher. Source is required.
type Options struct {
	Source Source
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil.
	Metrics *Metrics
	// Attempts is how often the log is tried for; 0 means 3.
	Attempts int
	// Settle is how long the download may refuse a new ticket as unknown, while the QRS
	// prepares the file; 0 means 500 ms.
	Settle time.Duration
}

// Fetcher fetches script logs, attempt by attempt. It is safe for concurrent use; what it learns
// about the server holds for every later fetch.
type Fetcher struct {
	opts Options
	// newWay remembers that the way of newer servers has worked.
	newWay atomic.Bool
}

// New returns a fetcher.
func New(opts Options) *Fetcher {
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	if opts.Attempts <= 0 {
		opts.Attempts = 3
	}
	if opts.Settle <= 0 {
		opts.Settle = 500 * time.Millisecond
	}
	return &Fetcher{opts: opts}
}

// ScriptLog makes one attempt at the log of the last execution of a reload task,
// and returns the execution result along with it. Head and Tail of the log are
// both all of its lines. The error is a qlik.NotYet while another attempt may
// find the log and the context leaves time for it. After the last attempt a log
// that is not there, or is empty, is no error: Available is false. With an error,
// the execution is what the QRS said in this attempt, if it did. An execution result
// that is known is read again only by later attempts.
func (f *Fetcher) ScriptLog(ctx context.Context, fetch qlik.LogFetch, known messages.Execution) (messages.Execution, messages.ScriptLog, error) {
	if fetch.Attempt > 1 {
		known = messages.Execution{}
	}
	execution, text, problem := f.attempt(ctx, fetch.TaskID, known)
	err := f.verdict(ctx, fetch, execution, text, problem)
	if _, again := errors.AsType[qlik.NotYet](err); again {
		return execution, messages.ScriptLog{}, err
	}
	log := Parse(text)
	f.opts.Metrics.fetched(log.Available, len(text), err, time.Since(fetch.Began))
	return execution, log, err
}

// verdict returns the error of an attempt: nil, the problem, or a qlik.NotYet.
func (f *Fetcher) verdict(ctx context.Context, fetch qlik.LogFetch, e messages.Execution, text string, problem error) error {
	switch {
	case text != "":
		return nil
	case !e.Known && isNotFound(problem):
		return problem // the task itself is gone
	}
	if problem != nil {
		f.opts.Log.Warn("script log not obtained", logx.TaskID(fetch.TaskID), logx.Attempt(fetch.Attempt), logx.Err(problem))
	}
	switch end, bounded := ctx.Deadline(); {
	case fetch.Attempt >= f.opts.Attempts:
		return problem
	case ctx.Err() != nil, bounded && time.Until(end) <= between:
		return outOfTime(problem)
	}
	return qlik.NotYet{After: between}
}

// attempt reads the execution result, unless it is known, and then the log, if
// there is one yet.
func (f *Fetcher) attempt(ctx context.Context, taskID string, known messages.Execution) (_ messages.Execution, _ string, err error) {
	execution := known
	if !known.Known {
		execution, err = f.opts.Source.Execution(ctx, taskID, qlik.TaskReload)
	}
	if err != nil {
		return messages.Execution{}, "", fmt.Errorf("read the execution result: %w", err)
	}
	hasFile := execution.FileReferenceID != "" && execution.FileReferenceID != qlik.ZeroGUID
	hasResult := execution.ResultID != ""
	mayHaveLog := execution.ScriptLogAvailable || execution.FileReferenceID == "" // a server that names no file may still have it
	var text string
	switch {
	case hasResult && (hasFile && f.newWay.Load() || !hasFile && mayHaveLog):
		text, err = f.byResult(ctx, taskID, execution)
	case hasFile:
		text, err = f.byFileOrResult(ctx, taskID, execution)
	}
	return execution, text, err
}

// byFileOrResult tries the old way, and the new one when that fails.
func (f *Fetcher) byFileOrResult(ctx context.Context, taskID string, e messages.Execution) (string, error) {
	ticket, err := f.opts.Source.ScriptLogTicketByFile(ctx, taskID, e.FileReferenceID)
	var text string
	if err == nil {
		text, err = f.download(ctx, ticket)
	}
	if err == nil || e.ResultID == "" || ctx.Err() != nil {
		return text, err
	}
	f.opts.Log.Warn("script log not obtained with the legacy API, trying the current one", logx.TaskID(taskID), logx.Err(err))
	return f.byResult(ctx, taskID, e)
}

// byResult uses the way of newer servers, and remembers it when it works.
func (f *Fetcher) byResult(ctx context.Context, taskID string, e messages.Execution) (string, error) {
	ticket, err := f.opts.Source.ScriptLogTicketByResult(ctx, taskID, e.ResultID)
	if err != nil {
		return "", err
	}
	text, err := f.download(ctx, ticket)
	if err == nil && text != "" {
		f.newWay.Store(true)
	}
	return text, err
}

// download takes the file behind a ticket, at once when it is ready. A ticket
// that is not known yet is tried again while it settles, with growing pauses.
func (f *Fetcher) download(ctx context.Context, ticket string) (string, error) {
	wait := f.opts.Settle / 8
	for left := f.opts.Settle; ; left -= wait {
		text, err := f.opts.Source.DownloadScriptLog(ctx, ticket)
		if left <= 0 || !isNotFound(err) {
			return text, err
		}
		wait = min(2*wait, left)
		if !pause(ctx, wait) {
			return "", outOfTime(err)
		}
	}
}

// isNotFound reports that the QRS answered, and does not know what was asked for.
func isNotFound(err error) bool {
	var classified interface{ Failure() messages.Failure }
	return errors.As(err, &classified) && classified.Failure().Kind == messages.FailureNotFound
}

// outOfTime is the error when ctx has ended, with the problem before that.
func outOfTime(before error) error {
	text := "the time for the script log is over"
	if before != nil {
		text += ": " + before.Error()
	}
	return messages.Failure{Kind: messages.FailureTimeout, Text: text}
}

// pause waits for d and reports false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
