package app

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/actors/cloud"
	"butler/actors/mqttlink"
	"butler/api"
	"butler/config"
	"butler/internal/cloudevent"
	"butler/internal/logx"
	tenant "butler/internal/qlik/cloud"
	"butler/internal/qlik/scriptlog"
	"butler/internal/quarantine"
	"butler/internal/secret"
	"butler/messages"
	"butler/supervisors"
)

// The events of a Qlik Cloud tenant.

// cloudTenant is the configuration of the tenant.
type cloudTenant struct {
	ID        string
	TenantURL string
	AuthType  string
	Auth      struct{ JWT struct{ Token secret.String } }
	CAFile    string

	QlikSenseURLs struct{ QMC, Hub string }
	Comment       string
}

// options returns the address of the tenant and the credentials for it.
func (t cloudTenant) options(cfg *config.Config) tenant.Options {
	o := tenant.Options{URL: t.TenantURL, CAFile: t.CAFile}
	if o.CAFile != "" {
		o.CAFile = cfg.Path(o.CAFile)
	}
	if t.AuthType == "jwt" {
		o.Token = t.Auth.JWT.Token
	}
	return o
}

// readCloud reads the configuration of the tenant and whether it is enabled.
func readCloud(cfg *config.Config) (t cloudTenant, enabled bool, err error) {
	if err = cfg.Section("qlikSenseCloud.enable", &enabled); err != nil {
		return t, false, err
	}
	return t, enabled, cfg.Section("qlikSenseCloud.event.mqtt.tenant", &t)
}

// cloudComponent is the health of the look-ups in the tenant. Without them alerts are
// sent with less detail.
const cloudComponent = "qlikcloud"

// cloudIntake takes events of a tenant, from webhooks and from a broker.
type cloudIntake struct {
	gen     *generation
	tenant  cloudTenant
	secret  secret.String
	metrics *cloud.Metrics
	// refusals are the lines about refused events.
	refusals *logx.Condensed
	client   *tenant.Client
	// caDigest is the digest of the CA file for the tenant, "" without one.
	caDigest string
	// running is closed when pid is set. A reload puts the intake in force before its
	// actor runs; events that come meanwhile wait.
	running chan struct{}
	spawned sync.Once
	pid     *actor.PID
	// calls are those of webhooks that its actor is to answer. Once it is replaced there
	// are no further ones.
	mu       sync.Mutex
	replaced bool
	calls    sync.WaitGroup
	// forwarded handles the events of the broker, nil without one.
	forwarded  *inbound
	forwardRow mqttlink.Row
}

// cloudPart is the intake of the events of the tenant.
const cloudPart = "Qlik Cloud connections"

// buildCloud makes the client of the tenant, if it is enabled. An unchanged tenant is
// taken over from the previous generation.
func (g *generation) buildCloud() error {
	section, enabled, err := readCloud(g.cfg)
	if err != nil || !enabled {
		return err
	}
	in := &cloudIntake{gen: g, tenant: section, metrics: sharedMetrics(g.App, cloud.NewMetrics), refusals: logx.NewCondensed(), running: make(chan struct{})}
	if file := section.options(g.cfg).CAFile; file != "" {
		in.caDigest = digestOf(file)
	}
	if g.previous != nil && g.previous.cloud != nil && g.previous.cloud.caDigest == in.caDigest &&
		!g.changed.touches("qlikSenseCloud", "mqttConfig", "execution.degradedAfter") && g.keep(cloudPart) {
		g.cloud = g.previous.cloud
		return nil
	}
	if err := g.cfg.Section("qlikSenseCloud.event.webhook.secret", &in.secret); err != nil {
		return err
	}
	if in.client, err = tenant.New(section.options(g.cfg)); err != nil {
		return fmt.Errorf("set up the tenant of Qlik Cloud (qlikSenseCloud.event.mqtt.tenant): %w", err)
	}
	g.cloud = in
	p := g.add(part{name: cloudPart, actors: []supervisors.Child{g.cloudChild()}, components: []string{cloudComponent}, finishCalls: in.finishCalls})
	p.closer.add(cloudPart, func(context.Context) error { in.client.Close(); return nil })
	return in.buildForward(p)
}

// cloudChild returns the actor of the tenant's events. It is not critical.
func (g *generation) cloudChild() supervisors.Child {
	in := g.cloud
	return supervisors.Child{Name: "cloud", Spawned: in.started, Props: func() *actor.Props {
		urls := in.tenant.QlikSenseURLs
		return cloud.Props(cloud.Options{
			Kit: g.kit, Tenant: cloudLookups{in.client}, Ledger: g.ledger, Outbox: g.outbox, Quarantine: g.quarantine,
			Notify: g.pids.notify, Log: g.log.Named("cloud"), Metrics: in.metrics, Trail: g.trail,
			OnHealth: g.healthOf(cloudComponent),
			Rules: cloud.Rules{
				Router: liveRouter{g.App}, DegradedAfter: g.cfg.Execution().DegradedAfter,
				Configured: messages.CloudReload{
					TenantComment: in.tenant.Comment, TenantURL: in.tenant.TenantURL, QMC: urls.QMC, Hub: urls.Hub,
				},
			},
		})
	}}
}

// started is called with the PID of the actor. Those of its successors are equal.
func (in *cloudIntake) started(pid *actor.PID) {
	in.spawned.Do(func() {
		in.pid = pid
		close(in.running)
	})
}

// actor waits for the actor until ctx ends.
func (in *cloudIntake) actor(ctx context.Context) (*actor.PID, error) {
	select {
	case <-in.running:
		return in.pid, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the actor: %w", errNoActor)
	}
}

// enter reports whether a webhook may ask the actor; then leave has to be called.
func (in *cloudIntake) enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.replaced {
		in.calls.Add(1)
	}
	return !in.replaced
}

func (in *cloudIntake) leave() { in.calls.Done() }

// finishCalls lets no further call in and waits for those under way: their questions
// would be lost with the actor.
func (in *cloudIntake) finishCalls(ctx context.Context) {
	in.mu.Lock()
	in.replaced = true
	in.mu.Unlock()
	done := make(chan struct{})
	go func() {
		in.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// cloudLookups adapts the client of the tenant to the actor: script logs are parsed.
type cloudLookups struct{ *tenant.Client }

func (l cloudLookups) ScriptLog(ctx context.Context, appID, reloadID string) (messages.CloudScriptLog, error) {
	text, err := l.Client.ScriptLog(ctx, appID, reloadID)
	return messages.CloudScriptLog{ScriptLog: scriptlog.Parse(text), Full: text}, err
}

// take checks an event and returns when it is journalled. why explains the outcome of
// an event that is not.
func (in *cloudIntake) take(ctx context.Context, payload []byte, source string) (outcome messages.CloudOutcome, why string) {
	if in == nil {
		return messages.CloudIgnored, "qlikSenseCloud.enable is false"
	}
	defer func() { in.metrics.Count(outcome) }()
	log := in.gen.log.Named("cloud").With(logx.Source(source))
	event, ignored, err := cloudevent.Parse(payload, in.tenant.ID)
	switch {
	case err != nil:
		in.refusals.Warn(in.gen.log.Named("cloud"), source+" refused", "an event of Qlik Cloud is refused, it is in the quarantine", logx.Source(source), logx.Err(err))
		in.quarantine(payload, source, err)
		return messages.CloudRefused, err.Error()
	case ignored != "":
		log.Debug("an event of Qlik Cloud needs no attention", zap.String("why", ignored))
		return messages.CloudIgnored, ignored
	}
	event.Source, event.At = source, time.Now()
	pid, err := in.actor(ctx)
	if err != nil {
		return messages.CloudBusy, err.Error()
	}
	reply, err := ask[messages.AcceptCloudEventReply](ctx, in.gen.kit, pid, func(to messages.Ref) any {
		return messages.AcceptCloudEvent{Event: event, ReplyTo: to}
	})
	if err != nil {
		return messages.CloudBusy, err.Error()
	}
	log.Info("an event of Qlik Cloud is accepted", logx.AppID(event.AppID), zap.String("reload_id", event.Reload.ReloadID), zap.String("outcome", string(reply.Outcome)))
	return reply.Outcome, reply.Failure.Text
}

func (in *cloudIntake) quarantine(payload []byte, source string, why error) {
	d := messages.QuarantinedDatagram{Reason: "cloud_event", Detail: why.Error(), Source: source, At: time.Now()}
	d.SetPayload(payload, quarantine.MaxRefused)
	in.gen.quarantine.Put(d, func() {})
}

// cloudEvents takes events from webhooks.
type cloudEvents struct{ app *App }

// Accept implements api.CloudEvents.
func (e cloudEvents) Accept(ctx context.Context, event []byte, signature, source string) (messages.CloudOutcome, string, error) {
	in := e.app.current.Load().cloud
	for in != nil && !in.enter() {
		in = e.app.current.Load().cloud // it was replaced in between
	}
	if in != nil {
		defer in.leave()
	}
	if in != nil && in.secret.IsSet() && !cloudevent.Signed(in.secret.Reveal(), event, signature) {
		in.metrics.Count(messages.CloudRefused)
		in.refusals.Warn(in.gen.log.Named("cloud"), source+" unsigned", "a webhook of Qlik Cloud is refused, it is not signed with the secret", logx.Source(source))
		return "", "", api.NewProblem(http.StatusUnauthorized, "the header "+cloudevent.Signature+" is not the signature of this body")
	}
	outcome, why := in.take(ctx, event, source)
	return outcome, why, nil
}
