package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/actors/kv"
	"butler/api"
	"butler/config"
	"butler/internal/apikey"
	"butler/internal/apikey/keyfile"
	"butler/internal/buildinfo"
	"butler/internal/files"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/messages"
	"butler/supervisors"
)

// The REST API, and what stands behind it.

// logValues is the log of the key-value store: one of its own, so that large
// values never stand before alerts.
const logValues = "values"

// The switches of the endpoints: the last part of each is the name of a route in the
// table of package api.
const (
	endpointKeys = "restServerEndpointsEnable"
	keyValueKey  = endpointKeys + ".keyValueStore"
)

// endpoints returns the names of the endpoints that are enabled, in the order in
// which the configuration has them.
func endpoints(cfg *config.Config) ([]string, error) {
	var on []string
	for _, key := range cfg.Below(endpointKeys) {
		var enabled bool
		if err := cfg.Section(key, &enabled); err != nil {
			return nil, err
		}
		if enabled {
			on = append(on, key)
		}
	}
	slices.SortStableFunc(on, func(a, b string) int { return cmp.Compare(cfg.Source(a).Line, cfg.Source(b).Line) })
	for i, key := range on {
		on[i] = key[strings.LastIndexByte(key, '.')+1:]
	}
	return on, nil
}

// buildREST opens what the REST API needs, and its port.
func (a *App) buildREST() error {
	section := a.cfg.RESTServer()
	if !section.Enable {
		return nil
	}
	enabled, err := endpoints(a.cfg)
	if err != nil {
		return fmt.Errorf("set up the REST API (restServerEndpointsEnable): %w", err)
	}
	certificate, err := serverTLS(section)
	if err != nil {
		return fmt.Errorf("set up HTTPS for the REST API (restServerConfig.tls): %w", err)
	}
	access, err := a.access(section.Auth)
	if err != nil {
		return fmt.Errorf("set up who may call the REST API (restServerConfig.auth): %w", err)
	}
	if err := a.buildApps(enabled); err != nil {
		return err
	}
	posts, err := a.openPosts()
	if err != nil {
		return fmt.Errorf("set up the messages of the REST API (slackNotification.restMessage, restServerEndpointsConfig): %w", err)
	}
	directories := approved(a.cfg.Files(), once(a.core, files.NewMetrics))
	for _, warning := range directories.Warnings() {
		a.log.Warn("an approved directory approves of nothing", zap.String("why", warning))
	}
	options := api.RESTOptions{
		Address: hostPort(section.Host, section.Port), Sockets: &a.sockets, TLS: certificate, Access: access, Hosts: section.AllowedHosts,
		Log: a.log.Named("rest"), Audit: a.log.Named("audit"), Metrics: once(a.core, api.NewMetrics),
		Endpoints: enabled, Version: buildinfo.Read().Version, CallsPerMinute: section.MaxCallsPerMinute,
		KeyValues: keyValues{a}, Files: fileOperations{directories, a.log.Named("files")}, Apps: a.apps, Schedules: schedules{a}, Explainer: explainer{a},
		Slack: slackPosts{posts}, NewRelic: newRelicPosts{posts},
		CloudEvents: cloudEvents{a},
	}
	if a.starter != nil { // a nil starter in the interface would be one
		options.Starter = a.starter
	}
	if a.mqtt != nil {
		options.MQTT = publications{a}
	}
	if a.cfg.UDP().Enable {
		options.UDPQueue = udpQueue{a}
	}
	if a.rest, err = api.ListenREST(options); err != nil {
		return err
	}
	a.log.Info("the REST API is served", zap.String("address", a.rest.Address()), zap.Bool("https", certificate != nil),
		zap.String("access", section.Auth.Mode), zap.Strings("endpoints", enabled))
	a.addServer("REST API", a.rest)
	return nil
}

// closeREST ends the REST API before the actors that it asks.
func (a *App) closeREST(ctx context.Context) {
	if a.rest == nil {
		return
	}
	if err := a.rest.Shutdown(ctx); err != nil {
		a.log.Warn("calls of the REST API were cut off", logx.Err(err))
	}
}

// serverTLS returns the settings of an HTTPS server, nil for HTTP.
func serverTLS(section config.RESTServer) (*tls.Config, error) {
	if !section.TLS.Enable {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(section.TLS.Cert, section.TLS.Key)
	if err != nil {
		return nil, err
	}
	out := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if section.TLS.CA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(section.TLS.CA)
	if err != nil {
		return nil, err
	}
	out.ClientCAs = x509.NewCertPool()
	if !out.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", section.TLS.CA)
	}
	out.ClientAuth = tls.VerifyClientCertIfGiven
	return out, nil
}

// access returns how callers are known, nil when everybody may call.
func (a *App) access(section config.Auth) (api.Access, error) {
	certificates, _ := certificateHolders(section) // the inspection has told of what is wrong
	byCertificate := func(_ string, connection *tls.ConnectionState) (apikey.Principal, error) {
		return certificates.Verify(connection, time.Now())
	}
	switch section.Mode {
	case "none":
		return nil, nil
	case "certificates":
		return byCertificate, nil
	}
	keys, err := keyfile.Open(keyfile.New(section.KeyFile), a.log.Named("apikey"))
	if err != nil {
		return nil, err
	}
	a.tellKeys = func() { a.keysHealth(keys) }
	a.tellKeys()
	return func(key string, connection *tls.ConnectionState) (apikey.Principal, error) {
		if key == "" && section.Mode == "either" {
			return byCertificate(key, connection)
		}
		defer a.tellKeys()
		return keys.Verify(key)
	}, nil
}

// keysComponent is the health of the file of API keys.
const keysComponent = "api keys"

// keysHealth shows whether the file of API keys can be read. Calls are what looks
// at it, so every one of them tells.
func (a *App) keysHealth(keys *keyfile.Store) {
	if err := keys.Err(); err != nil {
		a.health.Set(keysComponent, supervisors.Degraded, err.Error())
		return
	}
	a.health.Set(keysComponent, supervisors.Up, "")
}

func certificateHolders(section config.Auth) (apikey.Certificates, []apikey.Problem) {
	grants := make([]apikey.CertificateGrant, 0, len(section.Certificates))
	for _, c := range section.Certificates {
		grants = append(grants, apikey.CertificateGrant(c))
	}
	return apikey.NewCertificates(grants)
}

// openValues opens the ledger of the key-value store, if it can be reached and is
// not to forget everything.
func (a *App) openValues() error {
	var enabled, inMemory bool
	if err := errors.Join(a.cfg.Section(keyValueKey, &enabled), a.cfg.Section("keyValueStore.inMemory", &inMemory)); err != nil {
		return fmt.Errorf("set up the key-value store (%s, keyValueStore): %w", keyValueKey, err)
	}
	a.volatile = inMemory
	if !enabled || !a.cfg.RESTServer().Enable {
		return nil
	}
	a.hasValues = true
	if a.shelved == nil {
		a.shelved = kv.NewShelf(once(a.core, kv.NewMetrics))
	}
	if inMemory || a.values != nil {
		return nil
	}
	ctx := context.Background()
	log, err := a.store.Open(ctx, logValues, journal.Limits{})
	if err != nil {
		return fmt.Errorf("open the log of the key-value store: %w", err)
	}
	if bounded, ok := log.(journal.Bounded); ok {
		a.maxValues = bounded.MaxRecord()
	}
	values, err := journal.OpenLedger(ctx, log, journal.LedgerOptions{OnHealth: a.journalHealth(logValues, "changes of key-values are not confirmed"), OnAppend: a.appended})
	if err != nil {
		return fmt.Errorf("read the key-value store: %w", err)
	}
	a.values = values
	a.foundation.add("key-value store", a.values.Close)
	return nil
}

// valuesChild is the actor of the key-value store. Alerts do not need it.
func (a *App) valuesChild() supervisors.Child {
	log := a.log.Named("kv")
	options := kv.Options{
		Kit: a.kit, MaxRecord: a.maxValues, Limits: kv.Limits{Keys: a.cfg.KeysPerNamespace()},
		Log: log, Metrics: once(a.core, kv.NewMetrics), Shelf: a.shelved,
		Supervise: supervisors.NewStrategy(supervisors.Service, log, a.health, a.onFatal),
	}
	if !a.volatile && a.values != nil { // a nil ledger in the interface would be one
		options.Ledger = a.values
	}
	return supervisors.Child{Name: valuesActor, Props: options.Props, Spawned: first(&a.pids.values)}
}

// keyValues asks the actor of the store, but for what is on its shelf.
type keyValues struct{ app *App }

// errValuesDisk is why the store does not answer while its log cannot be written:
// changes wait for that, and so does whoever reads what they have changed.
var errValuesDisk = api.NewProblem(http.StatusServiceUnavailable,
	"the disk takes no key-values now; a change that was asked for may count when it does again, and /health says what is wrong with it")

// unanswered tells of the disk where that is to blame for an answer that did not come.
func (s keyValues) unanswered(err error) error {
	if err != nil && s.app.values != nil && s.app.values.Healthy() != nil {
		return fmt.Errorf("%w: %w", errValuesDisk, err)
	}
	return err
}

// askValues is ask for the store.
func askValues[R any](ctx context.Context, s keyValues, command func(replyTo messages.Ref) any) (R, error) {
	reply, err := ask[R](ctx, s.app.kit, s.app.pids.values, command)
	return reply, s.unanswered(err)
}

func (s keyValues) Put(ctx context.Context, c messages.PutValue) (messages.PutValueReply, error) {
	return askValues[messages.PutValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Get(ctx context.Context, c messages.GetValue) (messages.GetValueReply, error) {
	if reply, ok := s.app.shelved.Get(c, time.Now()); ok {
		return reply, nil
	}
	return askValues[messages.GetValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Delete(ctx context.Context, c messages.DeleteValue) (messages.DeleteValueReply, error) {
	return askValues[messages.DeleteValueReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Keys(ctx context.Context, c messages.ListKeys) (messages.ListKeysReply, error) {
	return askValues[messages.ListKeysReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s keyValues) Namespaces(ctx context.Context) (messages.ListNamespacesReply, error) {
	return askValues[messages.ListNamespacesReply](ctx, s, func(to messages.Ref) any { return messages.ListNamespaces{ReplyTo: to} })
}

func (s keyValues) DeleteNamespace(ctx context.Context, c messages.DeleteNamespace) (messages.DeleteNamespaceReply, error) {
	return askValues[messages.DeleteNamespaceReply](ctx, s, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

// approved returns the directories that file operations may reach.
func approved(section config.Files, metrics *files.Metrics) *files.Approved {
	pairs := func(in []config.DirectoryPair) []files.Pair {
		var out []files.Pair
		for _, p := range in {
			out = append(out, files.Pair(p))
		}
		return out
	}
	return files.New(files.Options{Copy: pairs(section.Copy), Move: pairs(section.Move), Delete: section.Delete, QVD: section.QVD, Metrics: metrics})
}

// fileOperations are the file operations under the errors of the API.
type fileOperations struct {
	approved *files.Approved
	log      *zap.Logger
}

func (f fileOperations) Copy(ctx context.Context, t api.FileTransfer) (api.FileCopied, error) {
	done, err := f.approved.Copy(ctx, files.CopyRequest{
		From: t.From, To: t.To, Overwrite: t.Overwrite, PreserveTimestamp: t.PreserveTimestamp, Progress: f.progress(t),
	})
	return api.FileCopied{From: done.From, To: done.To, SHA256: done.SHA256}, fileProblem(err)
}

// progressEvery is how often a long copy tells the log how far it is.
const progressEvery = 10 * time.Second

// progress returns what tells the log of a copy that takes long, as a move to
// another device is one.
func (f fileOperations) progress(t api.FileTransfer) func(files.Progress) {
	last := time.Now()
	return func(p files.Progress) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		f.log.Info("copying", zap.String("from_file", t.From), zap.String("to_file", t.To), zap.Int("files", p.Files), zap.Int("of_files", p.OfFiles),
			zap.Int64("bytes", p.Bytes), zap.Int64("of_bytes", p.OfBytes))
	}
}

func (f fileOperations) Move(ctx context.Context, t api.FileTransfer) (from, to string, err error) {
	done, err := f.approved.Move(ctx, files.MoveRequest{From: t.From, To: t.To, Overwrite: t.Overwrite, Progress: f.progress(t)})
	return done.From, done.To, fileProblem(err)
}

func (f fileOperations) DeleteFile(ctx context.Context, path string) error {
	return fileProblem(f.approved.DeleteFile(ctx, path))
}

func (f fileOperations) CreateDir(ctx context.Context, path string) error {
	return fileProblem(f.approved.CreateDir(ctx, path))
}

func (f fileOperations) CreateDirQVD(ctx context.Context, path string) error {
	return fileProblem(f.approved.CreateDirQVD(ctx, path))
}

// fileStatus is what each kind of error is over HTTP; everything else is ours.
var fileStatus = map[files.Kind]int{
	files.NotApproved: http.StatusForbidden, files.NotFound: http.StatusNotFound,
	files.Exists: http.StatusConflict, files.Invalid: http.StatusBadRequest,
}

func fileProblem(err error) error {
	why, ok := errors.AsType[*files.Error](err)
	if !ok {
		return err
	}
	return api.NewProblem(cmp.Or(fileStatus[why.Kind], http.StatusInternalServerError), why.Error())
}
