package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"

	"go.uber.org/zap"

	"butler/api"
	"butler/config"
	"butler/internal/logx"
	"butler/internal/qlik/engine"
	"butler/internal/qlik/identity"
	"butler/internal/starttask"
	"butler/messages"
)

// Apps of the Qlik engine: lists, dumps, and reloads with the tasks that follow them.

// maxDumps is how many dumps are made or sent concurrently. Each is a temporary file.
const maxDumps = 4

// apps implements api.Apps by the engine client, with the errors of the API.
type apps struct {
	// client is nil without an engine.
	client *engine.Client
	// starter returns the starter in force, nil without a repository.
	starter func() *starttask.Starter
	log     *zap.Logger
	// dumps holds an element for each dump under way.
	dumps chan struct{}
	// following returns the context for tasks that follow a reload; stop cancels it.
	following func() context.Context
	stop      context.CancelFunc
}

// wantsEngine reports whether an endpoint that needs the engine is enabled.
func wantsEngine(endpoints []string) bool {
	return slices.ContainsFunc(endpoints, func(name string) bool {
		return name == "senseListApps" || name == "senseAppDump" || name == "senseAppReload"
	})
}

// buildApps makes the engine client, if an endpoint needs it and an engine is configured.
func (g *generation) buildApps(endpoints []string) error {
	if g.keepApps(endpoints) {
		return nil
	}
	following, stop := context.WithCancel(context.Background())
	g.apps = &apps{
		log: g.log.Named("engine"), dumps: make(chan struct{}, maxDumps),
		following: func() context.Context { return following }, stop: stop,
		starter: func() *starttask.Starter { return g.current.Load().starter },
	}
	section := g.cfg.Engine()
	if !wantsEngine(endpoints) || !section.Server.Enabled() || g.opts.Isolated {
		return nil
	}
	options := engineOptions(section)
	options.Metrics = sharedMetrics(g.App, engine.NewMetrics)
	client, err := engine.New(options)
	if err != nil {
		return fmt.Errorf("set up the connection to the Qlik engine (configEngine, cert): %w", err)
	}
	g.apps.client = client
	p := g.add(part{name: enginePart})
	p.closer.add(enginePart, func(context.Context) error { client.Close(); return nil })
	p.finish = func() { // the reloads that run
		client.Drain(g.lifetime())
		_ = p.closer.close(context.Background(), g.log) // it is logged
		stop()
	}
	return nil
}

// enginePart is the sessions with the engine.
const enginePart = "engine sessions"

// keepApps takes over the engine client of the previous generation, with the reloads
// that run, when nothing about the engine has changed. It reports whether it did.
func (g *generation) keepApps(endpoints []string) bool {
	if g.previous == nil || g.previous.apps == nil || !g.sameCertificates() || g.changed.touches("configEngine", "cert") ||
		wantsEngine(endpoints) != (g.previous.apps.client != nil) {
		return false
	}
	g.apps = g.previous.apps
	g.keep(enginePart) // there is none without a client
	return true
}

// engineOptions returns the address of the engine, the credentials and the limits.
func engineOptions(section config.Engine) engine.Options {
	server := section.Server
	options := engine.Options{
		Host: server.Host, Port: server.Port, UseSSL: server.UseSSL,
		MaxReloads: section.MaxReloads, ReloadTimeout: section.ReloadTimeout,
		DumpTimeout: section.DumpTimeout, MaxDump: section.MaxDumpBytes,
		Identity: identity.Files{
			CertFile: server.ClientCert, KeyFile: server.ClientKey, CAFile: server.CA, InsecureSkipVerify: !server.RejectUnauthorized,
		},
	}
	for _, h := range server.Headers {
		options.Headers = append(options.Headers, identity.Header{Name: h.Name, Value: h.Value.Reveal()})
	}
	return options
}

// errNoEngine is returned by all methods of apps without an engine.
var errNoEngine = api.NewProblem(http.StatusServiceUnavailable, "the service is not connected to a Qlik engine; set Butler.configEngine.host")

// engine returns what keeps the enabled endpoints for apps from working.
func (i Inspection) engine(cfg *config.Config) []config.Finding {
	enabled, err := endpoints(cfg)
	if err != nil || !cfg.RESTServer().Enable || !wantsEngine(enabled) {
		return findings(endpointKeys, nil, err)
	}
	section := cfg.Engine()
	if !section.Server.Enabled() {
		return []config.Finding{{
			Path: "configEngine.host", Reason: "is empty, and endpoints for apps are enabled (senseListApps, senseAppDump, senseAppReload)",
			Suggestion: "name a node of Qlik Sense, or switch them off",
		}}
	}
	var out []config.Finding
	bare := engineOptions(section)
	bare.Identity = identity.Files{}
	if _, err := engine.New(bare); err != nil {
		out = append(out, config.Finding{
			Path: "configEngine.headers.static", Reason: err.Error(),
			Suggestion: `add {name: X-Qlik-User, value: "UserDirectory=Internal;UserId=sa_repository"}`,
		})
	}
	if repository := cfg.QRS(); section.Server.UseSSL && (!repository.Enabled() || !repository.UseSSL) {
		out = append(out, i.certificates(section.Server)...) // otherwise they have been checked for the repository
	}
	return out
}

// List implements api.Apps.
func (s *apps) List(ctx context.Context) ([]api.App, error) {
	if s.client == nil {
		return nil, errNoEngine
	}
	list, err := s.client.ListApps(ctx)
	if err != nil {
		return nil, engineProblem(ctx, "", err)
	}
	out := make([]api.App, 0, len(list))
	for _, app := range list {
		out = append(out, api.App(app))
	}
	return out, nil
}

// Dump implements api.Apps. The whole dump is written to a temporary file first, so
// that a failure has its HTTP status, and a slow client holds no session of the engine.
func (s *apps) Dump(ctx context.Context, appID string) (api.Document, error) {
	if s.client == nil {
		return api.Document{}, errNoEngine
	}
	select {
	case s.dumps <- struct{}{}:
	default:
		return api.Document{}, api.NewProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d apps are being dumped, which is the limit; try again later", cap(s.dumps)))
	}
	file, err := newTempFile(func() { <-s.dumps })
	if err != nil {
		return api.Document{}, fmt.Errorf("make a file for the dump: %w", err)
	}
	kept := false
	defer func() {
		if !kept {
			_ = file.Close() // the error of the dump is returned
		}
	}()
	summary, err := s.client.Dump(ctx, appID, file)
	if err != nil {
		return api.Document{}, engineProblem(ctx, appID, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return api.Document{}, fmt.Errorf("read the dump: %w", err)
	}
	kept = true
	s.log.Info("app dumped", logx.AppID(appID), zap.Int64("bytes", summary.Bytes), zap.Strings("without", summary.Omitted))
	return api.Document{ReadCloser: file, Size: summary.Bytes}, nil
}

// Reload implements api.Apps.
func (s *apps) Reload(ctx context.Context, r api.AppReload) error {
	if s.client == nil {
		return errNoEngine
	}
	_, err := s.client.Reload(ctx, engine.Reload{AppID: r.AppID, Mode: r.Mode, Partial: r.Partial}, func(o engine.ReloadOutcome) { s.ended(r, o) })
	if err != nil {
		return engineProblem(ctx, r.AppID, err)
	}
	s.log.Info("app reload begins", logx.AppID(r.AppID), zap.Int("mode", r.Mode), zap.Bool("partial", r.Partial), zap.String("caller", r.Caller.Name), logx.Source(r.Caller.From))
	return nil
}

// ended logs the outcome of a reload and starts the tasks that follow it. A reload
// that the shutdown has cut off has no outcome, so nothing follows it.
func (s *apps) ended(r api.AppReload, o engine.ReloadOutcome) {
	log := s.log.With(logx.AppID(r.AppID), zap.Duration("took", o.Took), zap.String("engine", o.EngineVersion))
	defer func() {
		if reason := recover(); reason != nil {
			log.Error("BUG: the end of an app reload panicked", zap.Any("panic", reason), zap.Stack("stack"))
		}
	}()
	switch {
	case o.Err == nil:
		log.Info("app reloaded and saved")
		s.follow(log, r, r.OnSuccess)
	case errors.Is(o.Err, engine.ErrClosed):
		log.Warn("app reload interrupted by the shutdown; none of its follow-up tasks is started",
			zap.Strings("on_success", r.OnSuccess), zap.Strings("on_failure", r.OnFailure))
	case errors.Is(o.Err, engine.ErrNotReloaded):
		log.Warn("app reload failed, nothing was saved", logx.Err(o.Err))
		s.follow(log, r, r.OnFailure)
	default:
		log.Error("app reload was interrupted and counts as failed", logx.Err(o.Err))
		s.follow(log, r, r.OnFailure)
	}
}

// follow starts tasks in order. The starter writes each to the audit log.
func (s *apps) follow(log *zap.Logger, r api.AppReload, tasks []string) {
	starter := s.starter()
	switch {
	case len(tasks) == 0:
	case starter == nil:
		log.Error("tasks that follow an app reload were not started, there is no repository; set configQRS.host", zap.Strings("tasks", tasks))
	default:
		answer := starter.Start(s.following(), r.Caller, starttask.Request{IDs: tasks})
		log.Info("tasks that follow an app reload", zap.Strings("tasks", tasks), zap.Int("started", answer.TotalTasksStarted), logx.Reason(answer.Details))
	}
}

// closeApps cuts off the running reloads and waits until the tasks that follow ended
// ones are started. Those that are not started when ctx ends are not started at all.
func (g *generation) closeApps(ctx context.Context) {
	if g.apps == nil || g.apps.client == nil {
		return
	}
	defer g.apps.stop()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		g.apps.client.Close()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
		g.log.Warn("tasks that follow an app reload are still being started")
	}
}

// engineStatus maps kinds of failures to HTTP statuses; all others are 500.
var engineStatus = map[messages.FailureKind]int{
	messages.FailureNotFound: http.StatusUnprocessableEntity, messages.FailureBusy: http.StatusServiceUnavailable,
}

// engineProblem converts an error of the engine client to one of the API. The client
// of the API sees neither the address of the engine nor its answer; the log has both.
func engineProblem(ctx context.Context, appID string, err error) error {
	why, ok := errors.AsType[*engine.Error](err)
	switch {
	case errors.Is(err, engine.ErrAppID):
		return api.NewProblem(http.StatusBadRequest, engine.ErrAppID.Error())
	case ctx.Err() != nil, errors.Is(err, engine.ErrClosed):
		return fmt.Errorf("%w: %w", api.NewProblem(http.StatusServiceUnavailable, "the service stops"), err)
	case !ok:
		return err
	}
	status := cmp.Or(engineStatus[why.Kind], http.StatusInternalServerError)
	return fmt.Errorf("%w: %w", api.NewProblem(status, engineReason(appID, why)), err)
}

// engineReasons are the texts for clients of the API.
var engineReasons = map[messages.FailureKind]string{
	messages.FailureBusy:        "too many calls to the Qlik engine are under way; try again later",
	messages.FailureUnavailable: "the Qlik engine cannot be reached, or cannot open the app now; the log of the service says why",
	messages.FailureTimeout:     "the Qlik engine did not answer in time",
	messages.FailureInvalid:     "the answer of the Qlik engine cannot be used or is too large; the log of the service says why",
}

func engineReason(appID string, why *engine.Error) string {
	switch {
	case why.Kind == messages.FailureNotFound:
		return fmt.Sprintf("there is no app %s, or the user of configEngine may not see it", appID)
	case why.Code() != 0 && why.Kind == messages.FailureRejected:
		return fmt.Sprintf("the Qlik engine refuses with its code %d; the log of the service says why", why.Code())
	}
	return cmp.Or(engineReasons[why.Kind], "the Qlik engine refuses; the log of the service says why")
}

// tempFile is a temporary file that Close removes.
type tempFile struct {
	*os.File
	closed func()
	once   sync.Once
}

// newTempFile creates a file that only this user can read. closed is called once: when
// the file is closed, or when it cannot be created.
func newTempFile(closed func()) (*tempFile, error) {
	file, err := os.CreateTemp("", "butler-dump-*.json")
	if err != nil {
		closed()
		return nil, err
	}
	_ = os.Remove(file.Name()) // Unix keeps the content until Close; Windows refuses
	return &tempFile{File: file, closed: closed}, nil
}

// Close implements io.Closer.
func (s *tempFile) Close() (err error) {
	s.once.Do(func() {
		err = s.File.Close()
		_ = os.Remove(s.Name()) // for Windows
		s.closed()
	})
	return err
}
