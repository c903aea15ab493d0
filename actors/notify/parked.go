package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// command runs a command of an operator about parked notices.
func (a *notify) command(ctx actor.Context, msg any) {
	o, steps := a.opts.Outbox, a.opts.Trail
	switch msg := msg.(type) {
	case messages.ReplayParked:
		post := actorkit.Poster(ctx)
		announce := func(n messages.NoticeHead) { post(noticeReplayed{n}) }
		if !a.commands.Run(ctx, commandTimeout, func(c context.Context) any { return replay(c, o, a.known.has, announce, msg) }) {
			actorkit.Reply(ctx, msg.ReplyTo, messages.ReplayParkedReply{Results: busy(msg.IDs), At: time.Now()})
		}
	case replayed:
		a.health.recount()
		actorkit.Reply(ctx, msg.replyTo, messages.ReplayParkedReply{Results: msg.results, At: time.Now()})
	case messages.DropParked:
		if !a.commands.Run(ctx, commandTimeout, func(c context.Context) any { return drop(c, o, steps, msg) }) {
			actorkit.Reply(ctx, msg.ReplyTo, messages.DropParkedReply{Results: busy(msg.IDs), At: time.Now()})
		}
	case dropped:
		a.health.recount()
		for i := range msg.gone {
			p := &msg.gone[i]
			a.log.Warn("parked alert is dropped by an operator",
				logx.ExecutionID(string(p.Key)), logx.TaskName(p.TaskName), logx.Alert(p.Kind),
				logx.NoticeID(p.ID), logx.Destination(p.Instance))
		}
		actorkit.Reply(ctx, msg.replyTo, messages.DropParkedReply{Results: msg.results, At: time.Now()})
	}
}

// replayed is the outcome of a replay.
type replayed struct {
	results []messages.ParkedResult
	replyTo messages.Ref
}

// replay puts parked notices back among the waiting ones, and announces each when
// that is durable. Those of an instance that is not configured stay parked.
func replay(ctx context.Context, o *outbox.Outbox, configured func(instance string) bool,
	announce func(messages.NoticeHead), cmd messages.ReplayParked,
) replayed {
	return replayed{replyTo: cmd.ReplyTo, results: each(ctx, cmd.IDs, func(id messages.NoticeID) messages.Failure {
		at, err := o.ParkedAt(id)
		if err == nil && !configured(at.Instance) {
			return messages.Failure{
				Kind: messages.FailureRejected,
				Text: fmt.Sprintf("destination instance %s is not configured: put it back under that name, or drop what is parked for it", at.Instance),
			}
		}
		if err == nil {
			err = o.Replay(ctx, id, time.Now(), announce)
		}
		return failure(err)
	})}
}

// drop removes parked notices for good.
func drop(ctx context.Context, o *outbox.Outbox, steps *trail.Trail, cmd messages.DropParked) dropped {
	out := dropped{replyTo: cmd.ReplyTo}
	out.results = each(ctx, cmd.IDs, func(id messages.NoticeID) messages.Failure {
		was, err := o.Drop(ctx, id)
		if err == nil {
			out.gone = append(out.gone, was)
			steps.Write(trail.NewDrop(&was, time.Now(), trail.ByOperator))
		}
		return failure(err)
	})
	return out
}

// each calls do for one notice after the other. After the end of ctx the remaining
// ones get errNoTime.
func each(ctx context.Context, ids []messages.NoticeID, do func(messages.NoticeID) messages.Failure) []messages.ParkedResult {
	results := make([]messages.ParkedResult, 0, len(ids))
	for _, id := range ids {
		result := messages.ParkedResult{ID: id, Failure: errNoTime}
		if ctx.Err() == nil {
			result.Failure = do(id)
		}
		results = append(results, result)
	}
	return results
}

var errNoTime = messages.Failure{Kind: messages.FailureTimeout, Text: "it is left as it is: there was no time for it"}

// dropped is the outcome of a drop.
type dropped struct {
	results []messages.ParkedResult
	// gone are the notices that were dropped.
	gone    []outbox.Parked
	replyTo messages.Ref
}

// failure classifies an error of the outbox for the caller.
func failure(err error) messages.Failure {
	if err == nil {
		return messages.Failure{}
	}
	f := messages.Failure{Kind: messages.FailureUnavailable, Text: err.Error()}
	switch {
	case errors.Is(err, outbox.ErrNotParked):
		f.Kind = messages.FailureNotFound
	case errors.Is(err, journal.ErrCorrupt):
		f.Kind = messages.FailureRejected
	case errors.Is(err, context.DeadlineExceeded):
		f.Kind = messages.FailureTimeout
	}
	return f
}

// busy returns the results of a command that could not be started.
func busy(ids []messages.NoticeID) []messages.ParkedResult {
	results := make([]messages.ParkedResult, 0, len(ids))
	for _, id := range ids {
		results = append(results, messages.ParkedResult{ID: id, Failure: messages.Failure{
			Kind: messages.FailureBusy, Text: "too many commands at once",
		}})
	}
	return results
}
