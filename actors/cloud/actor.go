package cloud

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/quarantine"
	"butler/internal/trail"
	"butler/messages"
)

// Options configure the actor. All but OnHealth and Trail are required.
type Options struct {
	Kit        *actorkit.Kit
	Tenant     Tenant
	Ledger     Ledger
	Outbox     Outbox
	Quarantine Quarantine
	// Notify is the actor that hands recorded notices to their deliveries.
	Notify  *actor.PID
	Log     *zap.Logger
	Metrics *Metrics
	// Trail records what was decided; nil records nothing.
	Trail *trail.Trail
	// OnHealth is called when the tenant stops answering properly, with the reason, and
	// when it answers again. It must not block, and may be nil.
	OnHealth func(up bool, reason string)
	Rules
}

// Props describes the actor.
func Props(o Options) *actor.Props {
	o.Rules = o.withDefaults()
	if o.OnHealth == nil {
		o.OnHealth = func(bool, string) {}
	}
	// The machine itself enforces MaxCalls. The pool has spare slots because a call
	// frees its slot a moment after its answer is posted.
	common := &shared{crashes: map[string]int{}, pool: actorkit.NewPool(2 * o.MaxCalls)}
	return o.Kit.Props("cloud", func() actor.Actor { return &cloud{opts: &o, shared: common} })
}

// shared is the state that survives a restart of the actor.
type shared struct {
	pool *actorkit.Pool
	life int
	// inHand is the key of the event that is being handled, to be blamed for a panic.
	inHand  string
	crashes map[string]int
}

type cloud struct {
	opts   *Options
	shared *shared
	life   int
	// machine is nil until the ledger has been read; early holds the events that arrive
	// before that.
	machine *machine
	early   []messages.AcceptCloudEvent
	calls   *actorkit.Effects
	post    func(any)
	alarm   actorkit.Alarm
}

// own is a message of the actor to itself. It is dropped if it is from an earlier life.
type own struct {
	life  int
	input any
}

// settled says that everything committed before this life is durable.
type settled struct{}

// maxEarly bounds the events that wait until the ledger has been read.
const maxEarly = 1000

// Receive implements actor.Actor.
func (c *cloud) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		c.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		c.calls.Close()
		c.alarm.Stop()
	case messages.AcceptCloudEvent:
		c.accept(ctx, message)
	case own:
		if message.life != c.life {
			return
		}
		if _, first := message.input.(settled); first {
			c.resume(ctx)
			return
		}
		c.step(ctx, message.input)
	}
}

// begin requests settled, which arrives when the commits of an earlier life are visible.
func (c *cloud) begin(ctx actor.Context) {
	c.shared.life++
	c.life = c.shared.life
	if guilty := c.shared.inHand; guilty != "" {
		c.shared.crashes[guilty]++
		c.shared.inHand = ""
	}
	post, life := actorkit.Poster(ctx), c.life
	c.post = func(input any) { post(own{life, input}) }
	c.calls = actorkit.NewEffects(c.shared.pool)
	c.opts.Ledger.Commit(nil, c.committed(func() { c.post(settled{}) }, nil))
}

// committed returns the callback for a commit. It does nothing if the ledger is closed:
// the next process handles the event again.
func (c *cloud) committed(durable, refused func()) func(error) {
	return func(err error) {
		switch {
		case err == nil:
			durable()
		case errors.Is(err, journal.ErrClosed):
		case refused != nil:
			refused()
		}
	}
}

func (c *cloud) resume(ctx actor.Context) {
	f, lost, err := recall(c.opts.Ledger)
	if err != nil {
		actorkit.Fail(err)
	}
	for _, d := range lost {
		c.opts.Log.Error("a journalled event of Qlik Cloud cannot be read, it is in the quarantine", zap.String("reload_id", d.key), logx.Err(d.err))
		c.quarantine("unreadable", d.key, d.err.Error(), d.value, time.Now())
		c.opts.Ledger.Commit([]journal.Op{{Bucket: bucketOpen, Key: d.key}}, func(error) {})
	}
	for i := range f.open {
		f.open[i].crashes = c.shared.crashes[f.open[i].key]
	}
	c.machine = newMachine(c.opts.Rules, func(key string) { c.shared.inHand = key })
	c.perform(ctx, c.machine.resume(time.Now(), f))
	c.rest(ctx)
	early := c.early
	c.early = nil
	for _, in := range early {
		c.accept(ctx, in)
	}
}

func (c *cloud) accept(ctx actor.Context, in messages.AcceptCloudEvent) {
	switch err := c.opts.Ledger.Writable(); {
	case err != nil:
		actorkit.Reply(ctx, in.ReplyTo, busy("the journal cannot be written: "+err.Error()))
	case c.machine != nil:
		c.step(ctx, in)
	case len(c.early) < maxEarly:
		c.early = append(c.early, in)
	default:
		actorkit.Reply(ctx, in.ReplyTo, busy("the service is starting"))
	}
}

// step passes an input to the machine.
func (c *cloud) step(ctx actor.Context, input any) {
	if c.machine == nil {
		return
	}
	if _, woken := input.(tick); woken {
		c.alarm.Stop()
	}
	c.perform(ctx, c.machine.handle(time.Now(), input))
	c.rest(ctx)
}

// rest sets the alarm for the next time that the machine has something to do.
func (c *cloud) rest(ctx actor.Context) {
	c.shared.inHand = ""
	c.opts.Metrics.open.Set(float64(len(c.machine.open)))
	c.alarm.Set(ctx, c.machine.next(), own{c.life, tick{}})
}

func (c *cloud) perform(ctx actor.Context, effects []effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case store:
			c.store(e)
		case reply:
			actorkit.Reply(ctx, e.to, e.AcceptCloudEventReply)
		case ask:
			c.ask(ctx, e)
		case record:
			c.record(ctx, e)
		case abandon:
			c.abandon(e)
		case forget:
			ops := make([]journal.Op, 0, len(e.keys))
			for _, key := range e.keys {
				delete(c.shared.crashes, key)
				ops = append(ops, journal.Op{Bucket: bucketDone, Key: key})
			}
			c.opts.Ledger.Commit(ops, func(error) {}) // if this fails, the next start repeats it
		case told:
			c.tell(e)
		case called:
			c.opts.Metrics.called(e)
		case health:
			c.health(e)
		}
	}
}

func (c *cloud) store(e store) {
	value, err := encodeOpen(e.event)
	if err != nil {
		actorkit.Fail(err)
	}
	post := c.post
	c.opts.Ledger.Commit([]journal.Op{{Bucket: bucketOpen, Key: e.key, Value: value}},
		c.committed(func() { post(stored{e.key}) }, nil)) // never refused: an event is far smaller than a record
}

// ask makes a look-up. A look-up that panics is not retried: it would panic again.
func (c *cloud) ask(ctx actor.Context, a ask) {
	life := c.life
	running := c.calls.Run(ctx, a.timeout, func(bounded context.Context) any {
		out := answered{key: a.key, what: a.what}
		panicked := actorkit.Guard(c.opts.Log, "a look-up in Qlik Cloud", func() error {
			var err error
			out.answer, err = c.look(bounded, a)
			out.failure = messages.FailureOf(err)
			var pause interface{ RetryAfter() time.Duration }
			if errors.As(err, &pause) {
				out.after = pause.RetryAfter()
			}
			return nil
		})
		if panicked.Failed() {
			out.failure = messages.Failure{Kind: messages.FailureRejected, Text: panicked.Text}
		}
		return own{life, out}
	})
	if !running {
		c.post(answered{key: a.key, what: a.what, failure: messages.Failure{Kind: messages.FailureBusy, Text: "earlier calls have not ended"}})
	}
}

func (c *cloud) look(ctx context.Context, a ask) (any, error) {
	e, tenant := a.event, c.opts.Tenant
	switch a.what {
	case askScriptLog:
		return tenant.ScriptLog(ctx, e.AppID, e.Reload.ReloadID)
	case askRecord:
		return tenant.Record(ctx, e.Reload.ReloadID)
	case askApp:
		return tenant.App(ctx, e.AppID)
	case askItem:
		return tenant.Item(ctx, e.AppID)
	case askOwner:
		return tenant.User(ctx, e.OwnerID)
	default:
		return tenant.User(ctx, e.Reload.UserID)
	}
}

// record commits a decision. The notices are passed on only once they are durable.
func (c *cloud) record(ctx actor.Context, r record) {
	post, root, notify := c.post, ctx.ActorSystem().Root, c.opts.Notify
	decision := outbox.Decision{Alert: r.alert, Attachment: r.attachment, Notices: r.notices}
	c.opts.Outbox.Record(decision, done(r.key, r.until), c.committed(func() {
		if len(r.notices) > 0 {
			root.Send(notify, messages.NoticesRecorded{Notices: r.notices})
		}
		post(recorded{r.key})
	}, func() { post(tooLarge{r.key}) }))
}

// abandon moves an event to the quarantine: it crashes the actor even without look-ups,
// or its alert is too large for the journal even without the script log.
func (c *cloud) abandon(a abandon) {
	c.opts.Metrics.decisions.WithLabelValues(outcomeAbandoned).Inc()
	c.opts.Log.Error("an event of Qlik Cloud is given up, it is in the quarantine", zap.String("reload_id", a.key), logx.AppID(a.event.AppID), logx.Reason(a.detail))
	raw, _ := encodeOpen(a.event)
	c.quarantine(a.reason, a.event.Source, a.detail+"; nobody was notified of it", raw[1:], a.event.At)
	post := c.post
	c.opts.Ledger.Commit(done(a.key, a.until), c.committed(func() { post(recorded{a.key}) }, nil))
}

func (c *cloud) quarantine(reason, source, detail string, raw []byte, at time.Time) {
	d := messages.QuarantinedDatagram{Reason: reason, Detail: detail, Source: source, At: at}
	d.SetPayload(raw, quarantine.MaxGivenUp)
	c.opts.Quarantine.Keep(d)
}

func (c *cloud) health(h health) {
	if h.up {
		c.opts.Log.Info("the tenant of Qlik Cloud answers again")
	} else {
		c.opts.Log.Warn("the Qlik Cloud tenant does not answer properly: alerts are sent with what is known", zap.String("why", h.reason))
	}
	c.opts.OnHealth(h.up, h.reason)
}

// tell reports a decision to the log, the metrics and the trail.
func (c *cloud) tell(t told) {
	c.opts.Metrics.decisions.WithLabelValues(t.outcome).Inc()
	if len(t.alert.Degraded) > 0 {
		c.opts.Metrics.degraded.Inc()
	}
	fields := []zap.Field{
		logx.Alert(t.alert.Kind), logx.AppID(t.alert.App.ID), zap.String("app_name", t.alert.App.Name),
		zap.String("reload_id", t.alert.Cloud.ReloadID), zap.String("outcome", t.outcome), logx.Count(len(t.notices)),
	}
	if len(t.alert.Degraded) > 0 {
		fields = append(fields, zap.Strings("degraded", t.alert.Degraded))
	}
	c.opts.Log.Info("a failed app reload in Qlik Cloud is decided", destination.AppendFields(fields, t.without)...)
	c.opts.Trail.Write(t.step())
}
