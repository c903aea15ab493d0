package operations

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/web"
	"butler/internal/jsonshape"
	"butler/internal/logx"
	"butler/internal/text"
)

// ParkedNotice is the JSON form of a parked notice.
type ParkedNotice struct {
	ID          string    `json:"id"`
	Alert       string    `json:"alert"`
	ExecutionID string    `json:"executionId"`
	TaskName    string    `json:"taskName"`
	Destination string    `json:"destination"`
	Recipient   string    `json:"recipient,omitempty"`
	Cause       string    `json:"cause"`
	Reason      string    `json:"reason"`
	Attempts    int       `json:"attempts"`
	QueuedAt    time.Time `json:"queuedAt"`
	ParkedAt    time.Time `json:"parkedAt"`
}

// The calls about parked notices: what is kept, sent again or dropped.

func (s *operations) listParked(ctx *fasthttp.RequestCtx) {
	limit, ok := limitOf(ctx)
	if !ok {
		return
	}
	call, cancel := web.Bounded()
	defer cancel()
	list, err := s.opts.Admin.Parked(call, string(ctx.QueryArgs().Peek("instance")), limit)
	if _, ok := errors.AsType[DestinationError](err); ok {
		fail(ctx, errUnknown, err.Error())
		return
	}
	s.respond(ctx, list, err)
}

// maxRefusal bounds what is told of a wrong body, in characters.
const maxRefusal = 200

// parkedChange is the body of a replay or drop. It means notices in one of three ways.
type parkedChange struct {
	// IDs are the notices.
	IDs []string `json:"ids"`
	// Instance stands for all notices of one destination instance, or of all instances of a destination.
	Instance string `json:"instance"`
	// All stands for all notices. A body that names nothing must not mean everything.
	All bool `json:"all"`
}

// read takes the body of a request, and reports what is wrong with it.
func (c *parkedChange) read(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		if odd, _, ok := jsonshape.Mismatch(err); ok {
			return errors.New("the body has " + odd)
		}
		// The text may hold what the body holds.
		return errors.New(text.Shorten(err.Error(), maxRefusal))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("one object is wanted, and nothing after it")
	}
	ways := 0
	for _, used := range []bool{len(c.IDs) > 0, c.Instance != "", c.All} {
		if used {
			ways++
		}
	}
	if ways != 1 || len(c.IDs) > MaxIDs {
		return fmt.Errorf("one of ids, instance and all is wanted, with %d ids at the most", MaxIDs)
	}
	return nil
}

func (s *operations) changeParked(change func(context.Context, string, []string) (int, error)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		var in parkedChange
		if err := in.read(ctx.PostBody()); err != nil {
			fail(ctx, errBadRequest, `the body must be {"ids": ["..."]}, {"instance": "..."} or {"all": true}: `+err.Error())
			return
		}
		call, cancel := web.Bounded()
		defer cancel()
		count, err := change(call, in.Instance, in.IDs)
		if _, ok := errors.AsType[DestinationError](err); ok {
			fail(ctx, errUnknown, err.Error())
			return
		}
		if _, partly := errors.AsType[PartlyError](err); partly {
			s.opts.Log.Warn("parked notices could not all be changed", zap.String("route", string(ctx.Path())), logx.Count(count), logx.Err(err))
			failPartly(ctx, count, err.Error())
			return
		}
		s.respond(ctx, map[string]int{"count": count}, err)
	}
}
