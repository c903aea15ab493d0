package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"butler/config"
	"butler/internal/app"
	"butler/internal/logx"
	"butler/internal/systemd"
)

// configEnv is the environment variable that names the configuration file, for
// containers.
const configEnv = "BUTLER_CONFIG"

// apiRateLimit is the option that limits the calls of the REST API.
const apiRateLimit = "api-rate-limit"

// runOptions are the options of the service. They are those of the Node.js tool.
type runOptions struct {
	configFile       string
	logLevel         string
	isolated         bool
	skipVerification bool
	apiRateLimit     int
	testEmail        string
	testEmailFrom    string
	newRelicNames    []string
	newRelicKeys     []string
	newRelicIDs      []string
	// given reports whether an option is on the command line.
	given func(option string) bool
}

func (o *runOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	o.given = f.Changed
	f.StringVarP(&o.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` (.yaml); also "+configEnv)
	f.StringVarP(&o.logLevel, "loglevel", "l", "", "how much is logged: "+strings.Join(logx.Levels(), ", ")+"; replaces logLevel of the file")
	f.BoolVar(&o.isolated, "no-qs-connection", false, "do not connect to Qlik Sense: alerts hold only what the event says")
	f.BoolVar(&o.skipVerification, "skip-config-verification", false,
		"start in spite of problems in the configuration: each is logged, a wrong value is replaced by its default, and a destination that cannot work is left out")
	f.IntVar(&o.apiRateLimit, apiRateLimit, 100, "calls of the REST API that one client may make in a minute; 0 means no limit; replaces restServerConfig.maxCallsPerMinute of the file")
	f.StringVar(&o.testEmail, "test-email-address", "", "send one test mail to this `address` at the start")
	f.StringVar(&o.testEmailFrom, "test-email-from-address", "", "sender `address` of the test mail; by default that of the first configured mail")
	f.StringArrayVar(&o.newRelicNames, "new-relic-account-name", nil, "New Relic account `names`; replace those of the file")
	f.StringArrayVar(&o.newRelicKeys, "new-relic-api-key", nil, "New Relic API `keys`, in the same order")
	f.StringArrayVar(&o.newRelicIDs, "new-relic-account-id", nil, "New Relic account `IDs`, in the same order")
}

// listOptions take several arguments: --new-relic-account-name first second.
var listOptions = []string{"--new-relic-account-name", "--new-relic-api-key", "--new-relic-account-id"}

// spread repeats the name of an option that takes several arguments before each of
// them, as pflag expects it.
func spread(args []string) []string {
	var out []string
	list, first := "", false
	for _, arg := range args {
		switch {
		case strings.HasPrefix(arg, "-"):
			list, first = "", true
			if slices.Contains(listOptions, arg) {
				list = arg
			}
		case list != "" && !first:
			out = append(out, list)
		default:
			first = false
		}
		out = append(out, arg)
	}
	return out
}

// overrides returns the keys of the configuration that the options set.
func (o *runOptions) overrides() (map[string]any, error) {
	out := map[string]any{}
	if o.logLevel != "" {
		if !slices.Contains(logx.Levels(), o.logLevel) {
			return nil, fmt.Errorf("--loglevel %s is not one of %s", o.logLevel, strings.Join(logx.Levels(), ", "))
		}
		out["logLevel"] = o.logLevel
	}
	switch {
	case o.apiRateLimit < 0:
		return nil, errors.New("--api-rate-limit must be 0 or more")
	case o.given != nil && o.given(apiRateLimit):
		out["restServerConfig.maxCallsPerMinute"] = o.apiRateLimit
	}
	n := len(o.newRelicNames)
	if n != len(o.newRelicKeys) || n != len(o.newRelicIDs) {
		return nil, errors.New("--new-relic-account-name, --new-relic-api-key and --new-relic-account-id must name the same number of accounts")
	}
	if n > 0 {
		accounts := make([]any, n)
		for i := range n {
			id, err := strconv.Atoi(o.newRelicIDs[i])
			if err != nil {
				return nil, fmt.Errorf("--new-relic-account-id %s is not a number", o.newRelicIDs[i])
			}
			accounts[i] = map[string]any{"accountName": o.newRelicNames[i], "insertApiKey": o.newRelicKeys[i], "accountId": id}
		}
		out["thirdPartyToolsCredentials.newRelic"] = accounts
	}
	return out, nil
}

// load reads the configuration with the options applied. inspect adds findings
// that the schema cannot express; it may be nil.
func (o *runOptions) load(inspect func(*config.Config) []config.Finding) (*config.Config, error) {
	overrides, err := o.overrides()
	if err != nil {
		return nil, err
	}
	return config.Load(config.Options{
		Path: o.configFile, Environ: os.Environ(), ReservedEnv: []string{configEnv},
		Overrides: overrides, Schemas: app.Schemas(), Inspect: inspect, Lenient: o.skipVerification,
	})
}

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the service",
		Long: `Runs the service until SIGINT or SIGTERM; a second signal ends it at once.

Without a file it runs with built-in defaults: it receives task events from this
machine only, and sends no alerts, because it has no destination. It logs these
defaults when it starts. Any key may also be set by an environment variable:
BUTLER_UDPSERVERCONFIG_PORTTASKFAILURE for udpServerConfig.portTaskFailure.`,
		Example: `  butler run -l debug          look around: every event is a log line
  butler check butler.yaml     before the first start, and after every change
  butler run -c butler.yaml    start for real`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	o.register(cmd)
	return cmd
}

// run runs the service until ctx ends or the service cannot go on, and stops it.
func run(ctx context.Context, o runOptions) error {
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP) // otherwise a SIGHUP would end the process
	defer signal.Stop(hangUps)
	signal.Ignore(syscall.SIGPIPE) // otherwise the end of whoever reads the log would end the service
	load := func() (*config.Config, error) { return o.load(app.Inspection{Isolated: o.isolated}.Findings) }
	cfg, err := load()
	if err != nil {
		return err
	}
	app.TuneRuntime()
	manager := systemd.New(os.Getenv(systemd.SocketEnv))
	var service *app.App
	service, err = app.New(app.Options{
		Config: cfg, Isolated: o.isolated, Load: load,
		KeptSocket: systemd.NewSocketStore(manager, os.Getenv(systemd.PIDEnv), os.Getenv(systemd.SocketsEnv)),
		OnReload: func() func(app.Reloaded) {
			warn(manager.Reloading())
			return func(r app.Reloaded) { warn(manager.Ready(statusAfterReload(service, r))) }
		},
	})
	if err != nil {
		return err
	}
	err = service.Start(ctx)
	if err == nil {
		warn(manager.Ready(statusLine(service)))
		go debug.FreeOSMemory() // what only the start needed
		if o.testEmail != "" {
			service.SendTestMail(ctx, o.testEmail, o.testEmailFrom)
		}
		err = wait(ctx, service, hangUps)
	}
	if err != nil {
		service.NoteFailure(err)
	}
	limit := service.ShutdownTimeout()
	warn(manager.Stopping(limit + stopMargin))
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return errors.Join(err, service.Stop(stopping))
}

// wait blocks until the service is to end, and reloads it at every SIGHUP.
func wait(ctx context.Context, service *app.App, hangUps <-chan os.Signal) error {
	for {
		select {
		case <-hangUps:
			service.Reload(app.BySignal) // logs the result
		case <-ctx.Done():
			return nil
		case err := <-service.Fatal():
			return err
		}
	}
}

// stopMargin is what stopping may take beyond delivery.shutdownTimeout: closing what
// has been drained, and the exit of the process.
const stopMargin = 10 * time.Second

// warn prints that the service manager could not be notified, which does not affect
// the service itself.
func warn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "butler:", err)
	}
}

// statusAfterReload is the status line for the service manager after a reload.
func statusAfterReload(service *app.App, r app.Reloaded) string {
	if r.Applied {
		return statusLine(service)
	}
	return statusLine(service) + "; the changed configuration is refused: " + r.Reason
}

// statusLine is the status line for the service manager of a started service.
func statusLine(service *app.App) string {
	if at := service.UDPAddress(); at.IsValid() {
		return "receives task events at " + at.String()
	}
	return "runs; task events are not received (udpServerConfig.enable)"
}
