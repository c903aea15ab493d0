package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"butler/config"
	"butler/internal/app"
)

// configEnv names the configuration file for a container, where a command line is awkward.
const configEnv = "BUTLER_CONFIG"

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
}

func (o *runOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.configFile, "configfile", "c", os.Getenv(configEnv), "configuration file (.yaml); also "+configEnv)
	f.StringVarP(&o.logLevel, "loglevel", "l", "", "error, warn, info, verbose, debug or silly; replaces logLevel of the file")
	f.BoolVar(&o.isolated, "no-qs-connection", false, "leave Qlik Sense alone: alerts hold only what their event told")
	f.BoolVar(&o.skipVerification, "skip-config-verification", false, "start in spite of problems in the configuration; each is logged, and its key has the default")
	f.IntVar(&o.apiRateLimit, "api-rate-limit", 100, "REST calls a minute and client; 0 means no limit")
	f.StringVar(&o.testEmail, "test-email-address", "", "send one test mail to this address at the start")
	f.StringVar(&o.testEmailFrom, "test-email-from-address", "", "sender of the test mail; without it that of the first configured mail")
	f.StringSliceVar(&o.newRelicNames, "new-relic-account-name", nil, "New Relic account names; replace those of the file")
	f.StringSliceVar(&o.newRelicKeys, "new-relic-api-key", nil, "New Relic API keys, in the same order")
	f.StringSliceVar(&o.newRelicIDs, "new-relic-account-id", nil, "New Relic account IDs, in the same order")
}

// overrides returns what the options change of the configuration.
func (o *runOptions) overrides() (map[string]any, error) {
	out := map[string]any{}
	if o.logLevel != "" {
		if !slices.Contains([]string{"error", "warn", "info", "verbose", "debug", "silly"}, o.logLevel) {
			return nil, fmt.Errorf("--loglevel %s is not one of error, warn, info, verbose, debug, silly", o.logLevel)
		}
		out["logLevel"] = o.logLevel
	}
	if o.apiRateLimit < 0 {
		return nil, errors.New("--api-rate-limit must be 0 or more")
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

// load reads the configuration with everything that the options say.
func (o *runOptions) load() (*config.Config, error) {
	overrides, err := o.overrides()
	if err != nil {
		return nil, err
	}
	return config.Load(config.Options{
		Path: o.configFile, Environ: os.Environ(), ReservedEnv: []string{configEnv},
		Overrides: overrides, Schemas: app.Schemas(), Lenient: o.skipVerification,
	})
}

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the service; without -c on embedded defaults, on this machine only",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	o.register(cmd)
	return cmd
}

// run is the life of the service: it ends with ctx, or when the service cannot go on.
func run(ctx context.Context, o runOptions) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	service, err := app.New(app.Options{Config: cfg, Isolated: o.isolated})
	if err != nil {
		return err
	}
	err = service.Start(ctx)
	if err == nil {
		if o.testEmail != "" {
			service.SendTestMail(ctx, o.testEmail, o.testEmailFrom)
		}
		select {
		case <-ctx.Done():
		case err = <-service.Fatal():
		}
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Delivery().ShutdownTimeout)
	defer cancel()
	return errors.Join(err, service.Stop(stopping))
}

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and change nothing; exit code 1 when it has problems",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := runOptions{configFile: args[0]}
			cfg, err := o.load()
			if err != nil {
				return err
			}
			return report(cmd, cfg)
		},
	}
}

// report says what a good configuration does.
func report(cmd *cobra.Command, cfg *config.Config) error {
	out := cmd.OutOrStdout()
	table, err := app.Check(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: no problems\n", cfg.File())
	for _, b := range table.Built() {
		fmt.Fprintf(out, "  sends     %s\n", b.Instance.Name)
	}
	if len(table.Built()) == 0 {
		fmt.Fprintln(out, "  sends     nothing: no destination is enabled")
	}
	for _, line := range cfg.Notes() {
		fmt.Fprintf(out, "  note      %s\n", line)
	}
	for _, key := range cfg.Pending() {
		fmt.Fprintf(out, "  no effect %s: the feature does not exist yet\n", key)
	}
	return nil
}
