package qrsgate

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/messages"
)

// Props describes the gate. After a crash the new instance shares the pool with the
// calls of the old one.
func Props(opts Options) *actor.Props {
	opts.Rules = opts.withDefaults()
	opts.NotConfigured = opts.Port == nil
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil, "")
	}
	if opts.OnHealth == nil {
		opts.OnHealth = func(bool, string) {}
	}
	if opts.Rand == nil {
		opts.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	// The machine keeps to MaxConcurrent. The pool has more slots, because a call frees
	// its slot a moment after its outcome is posted.
	pool := actorkit.NewPool(2 * opts.MaxConcurrent)
	last := new(callID)
	return opts.Kit.Props("qrsgate", func() actor.Actor { return &gate{opts: &opts, pool: pool, lastCall: last} })
}

// Changed brings a new port and new rules. Running calls finish on the old port, and
// their answers count, unless the connection or the settings of the breaker have changed:
// then they are cancelled and made again. MaxConcurrent does not change.
type Changed struct {
	// Port is nil for no QRS.
	Port Port
	// Host is its name.
	Host  string
	Rules Rules
	// Connection says what has changed of it.
	Connection Connection
}

// Connection is how a connection to the QRS differs from the one before.
type Connection uint8

// The connections.
const (
	// SameConnection has the same address and credentials: what is known of the health
	// of the QRS still holds.
	SameConnection Connection = iota
	// OtherConnection has other credentials for the same QRS.
	OtherConnection
	// OtherRepository is one to another QRS, so that cached answers are not used.
	OtherRepository
)

// callFinished is the outcome of a call.
type callFinished struct {
	id  callID
	op  operation
	got outcome
}

// due wakes the machine.
type due struct{}

// summaryDue ends the window in which equal log lines are counted.
type summaryDue struct{}

const summaryEvery = time.Minute

type gate struct {
	// opts and lastCall outlive a crash of the actor; only the live one touches them.
	opts     *Options
	lastCall *callID
	pool     *actorkit.Pool
	machine  *machine
	effects  *actorkit.Effects
	alarm    actorkit.Alarm
	// answers are the replies of the current step to askers that want them in one message.
	answers map[messages.Ref][]any
	// open are the questions that are not answered yet.
	open         map[uint64]question
	lastQuestion uint64

	failures  *logx.Repeated
	counting  bool
	summaries actorkit.Timer
}

// Receive implements actor.Actor.
func (g *gate) Receive(ctx actor.Context) {
	now := time.Now()
	switch message := ctx.Message().(type) {
	case *actor.Started:
		g.effects, g.answers = actorkit.NewEffects(g.pool), map[messages.Ref][]any{}
		g.open = map[uint64]question{}
		g.failures = logx.NewRepeated(summaryEvery, operationCount*8)
		g.machine = newMachine(now, g.opts.Rules, g.opts.Rand.Float64, g.lastCall)
		g.perform(ctx, g.machine.begin(now))
	case *actor.Restarting:
		g.end()
		g.giveUp(ctx, now)
		return
	case *actor.Stopping:
		g.end()
		return
	case callFinished:
		g.logFailure(ctx, now, message)
		g.perform(ctx, g.machine.finished(now, message.id, message.got))
	case due:
		g.alarm.Stop()
		g.perform(ctx, g.machine.tick(now))
	case Changed:
		g.change(ctx, now, message)
	case summaryDue:
		g.summarise(now)
		return
	case messages.Lookups:
		g.perform(ctx, g.machine.ask(now, g.numbered(questionsOf(message)...)...))
	default:
		q, ok := questionOf(message)
		if !ok {
			return
		}
		g.perform(ctx, g.machine.ask(now, g.numbered(q)...))
	}
	g.reply(ctx)
	g.alarm.Set(ctx, g.machine.next(), due{})
	g.opts.Metrics.load(len(g.machine.deadlines), len(g.machine.calls))
}

// numbered notes that questions are open.
func (g *gate) numbered(questions ...question) []question {
	for i := range questions {
		g.lastQuestion++
		questions[i].number = g.lastQuestion
		g.open[g.lastQuestion] = questions[i]
	}
	return questions
}

func (g *gate) end() {
	g.effects.Close()
	g.alarm.Stop()
	g.summaries.Stop()
}

// giveUp answers every open question after a crash, whatever the state of the machine,
// so that its asker asks again at once instead of waiting until its deadline.
func (g *gate) giveUp(ctx actor.Context, now time.Time) {
	crashed := messages.Failure{Kind: messages.FailureBusy, Text: "the look-up was interrupted, because the part of the service that makes it had to be restarted"}
	for _, number := range slices.Sorted(maps.Keys(g.open)) {
		q := g.open[number]
		g.send(ctx, sendReply{To: q.replyTo, Question: number, Message: q.reply(answer{failure: crashed, at: now}), Together: q.together})
	}
	g.reply(ctx)
}

// change applies a new port and new rules.
func (g *gate) change(ctx actor.Context, now time.Time, c Changed) {
	rules := c.Rules.withDefaults()
	rules.MaxConcurrent, rules.NotConfigured = g.opts.MaxConcurrent, c.Port == nil
	g.opts.Port, g.opts.Rules = c.Port, rules
	if c.Host != g.opts.Metrics.host {
		g.opts.Metrics.setHost(c.Host)
	}
	if c.Connection == OtherRepository {
		g.opts.ReadCache.clear(now)
	}
	g.perform(ctx, g.machine.change(now, rules, c.Connection))
}

func (g *gate) perform(ctx actor.Context, effects []effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case sendReply:
			g.send(ctx, e)
		case readCachePut:
			g.opts.ReadCache.put(e.Reply)
		case startCall:
			g.start(ctx, e)
		case cancelCalls:
			g.effects.Close()
			g.effects = actorkit.NewEffects(g.pool)
		case tellHealth:
			g.tell(e)
		case countCache:
			g.opts.Metrics.cache(e)
		}
	}
}

func (g *gate) send(ctx actor.Context, e sendReply) {
	delete(g.open, e.Question)
	if e.Together {
		g.answers[e.To] = append(g.answers[e.To], e.Message)
		return
	}
	actorkit.Reply(ctx, e.To, e.Message)
}

// reply sends the replies that are wanted in one message.
func (g *gate) reply(ctx actor.Context) {
	for to, replies := range g.answers {
		actorkit.Reply(ctx, to, messages.Answers{Replies: replies})
	}
	clear(g.answers)
}

func (g *gate) start(ctx actor.Context, s startCall) {
	port, log := g.opts.Port, g.opts.Log
	started := g.effects.Run(ctx, s.Timeout, func(bounded context.Context) any {
		return callFinished{id: s.ID, op: s.Op, got: s.call(bounded, port, log)}
	})
	if !started {
		busy := messages.Failure{Kind: messages.FailureBusy, Text: "too many calls to the Qlik Repository Service are still ending"}
		ctx.Send(ctx.Self(), callFinished{id: s.ID, op: s.Op, got: outcome{failure: busy}})
	}
}

// call makes the call. A panic in the port stays an error of this one call.
func (s startCall) call(ctx context.Context, port Port, log *zap.Logger) (got outcome) {
	panicked := actorkit.Guard(log, "a call to the Qlik Repository Service for "+s.Op.String(), func() error {
		got = s.ask(ctx, port)
		return nil
	})
	if panicked.Failed() {
		panicked.Text = "the answer of the Qlik Repository Service could not be handled"
		return outcome{failure: panicked}
	}
	return got
}

func (g *gate) tell(e tellHealth) {
	g.opts.Metrics.health(e.Up, !e.Up && !g.opts.NotConfigured)
	switch {
	case e.Up:
		g.opts.Log.Info("the Qlik Repository Service is within reach")
	case g.opts.NotConfigured:
		g.opts.Log.Warn("no Qlik Sense connection is configured, events cannot be looked up")
	default:
		g.opts.Log.Warn("the Qlik Repository Service is out of reach", logx.Reason(e.Reason))
	}
	g.opts.OnHealth(e.Up, e.Reason)
}

// logFailure logs a failed call: the first of a kind at once, the others as a summary every minute.
func (g *gate) logFailure(ctx actor.Context, now time.Time, done callFinished) {
	failure := done.got.failure
	if !failure.Failed() || failure.Kind == messages.FailureNotFound {
		return
	}
	if g.failures.First(now, done.op.String()+" "+failure.Kind.String()) {
		g.opts.Log.Warn("call to the Qlik Repository Service failed", zap.Stringer("operation", done.op), logx.Err(failure))
	}
	if !g.counting {
		g.counting = true
		g.summaries = actorkit.After(ctx, summaryEvery, summaryDue{})
	}
}

func (g *gate) summarise(now time.Time) {
	g.counting = false
	for _, s := range g.failures.Due(now) {
		g.opts.Log.Warn("more calls to the Qlik Repository Service failed", logx.Reason(s.Key), logx.Count(s.Count), zap.Time("since", s.Since))
	}
}
