package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"butler/api/operations"
	"butler/config"
	"butler/internal/address"
	"butler/internal/app"
	"butler/internal/oserr"
	"butler/internal/text"
	"butler/internal/trail"
	"butler/messages"
)

// adminOptions locate what a command works on: the running service, or its journal
// when the service is not running.
type adminOptions struct {
	run     runOptions
	address string
	asJSON  bool
}

func (o *adminOptions) register(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` of the service, to find it; also "+configEnv)
	f.StringVar(&o.address, "address", "", "`host:port` of the service's operations server, instead of -c")
	f.BoolVar(&o.asJSON, "json", false, "print JSON instead of a table")
}

// adminClient is what the commands use: the running service over HTTP, or its journal.
type adminClient interface {
	explainClient
	Parked(ctx context.Context, instance string, limit int) ([]operations.ParkedNotice, error)
	ReplayParked(ctx context.Context, instance string, ids []string) (int, error)
	DropParked(ctx context.Context, instance string, ids []string) (int, error)
	Quarantine(ctx context.Context, limit int) ([]messages.QuarantinedDatagram, error)
	Alerts(ctx context.Context, execution string) (any, error)
}

// explainClient is the part that tells what became of executions.
type explainClient interface {
	Explain(ctx context.Context, execution string) (trail.Story, error)
	Latest(ctx context.Context, q trail.Query) ([]trail.Headline, error)
}

// with calls use with the running service, or with the journal of a service that is
// not running, even when another service answers on its port.
func (o *adminOptions) with(ctx context.Context, use func(adminClient) error) error {
	if o.address != "" {
		service, err := o.addressed()
		if err == nil {
			err = use(service)
		}
		if nobodyListens(err) {
			return fmt.Errorf("the service does not run, or not at this address: name another with --address, or its configuration file with -c, to use its journal: %w", err)
		}
		return err
	}
	cfg, err := o.readable()
	if err != nil {
		return err
	}
	offline := func() error {
		err := app.Offline(ctx, cfg, func(a app.OfflineAdmin) error {
			fmt.Fprintln(os.Stderr, "butler: the service does not run; this is about its journal in", shown(cfg.Journal().Directory))
			for _, line := range a.Damage() {
				fmt.Fprintln(os.Stderr, "butler:", line)
			}
			return use(a)
		})
		if err != nil && o.run.configFile == "" {
			err = withHint{err, "no configuration file is named, so this is about a service with the built-in defaults: name the file with -c"}
		}
		return err
	}
	if operations := cfg.Operations(); operations.Enable && operations.Port != 0 {
		service := o.service(cfg)
		service.alone = true
		err := use(service)
		switch {
		case isOther(err):
			failed := offline()
			if errors.Is(failed, errUnknown) {
				return failed // it was looked at, and this is the answer
			}
			if failed != nil {
				return fmt.Errorf("%w; and the journal of this configuration cannot be used instead: %w", err, failed)
			}
			return nil
		case !nobodyListens(err):
			return err
		}
	}
	return offline()
}

// errNoOperations is returned when the configuration does not say where to reach the
// running service.
var errNoOperations = errors.New("the configuration does not say where the service can be reached: operations.enable is false, or operations.port is 0; name its address with --address")

// elsewhere is the error text for a connection that is refused.
const elsewhere = "the service does not run, or not with this file or at this address: name another with -c or --address"

// running returns the running service, for what cannot be done on the journal alone.
func (o *adminOptions) running() (remote, error) {
	if o.address != "" {
		return o.addressed()
	}
	cfg, err := o.readable()
	if err != nil {
		return remote{}, err
	}
	operations := cfg.Operations()
	if !operations.Enable || operations.Port == 0 {
		return remote{}, errNoOperations
	}
	return o.service(cfg), nil
}

// addressed returns the service at --address. Without a host it is on this machine.
func (o *adminOptions) addressed() (remote, error) {
	host, port, err := net.SplitHostPort(o.address)
	if number, odd := strconv.ParseUint(port, 10, 16); err != nil || odd != nil || number == 0 {
		return remote{}, fmt.Errorf("--address %s is not host:port: write it like localhost:9997", shown(o.address))
	}
	return remote{address: net.JoinHostPort(cmp.Or(host, "localhost"), port)}, nil
}

// service returns the service that runs with a configuration. Without a
// configuration file it is whichever service answers.
func (o *adminOptions) service(cfg *config.Config) remote {
	return remote{address: addressOf(cfg.Operations()), meant: cfg.AbsoluteFile(), once: new(sync.Once)}
}

// readable returns the configuration in spite of problems in it: secrets that only
// the service has in its environment, for example, do not matter here.
func (o *adminOptions) readable() (*config.Config, error) {
	o.run.skipVerification = true
	cfg, err := o.run.load(nil)
	if err != nil {
		return nil, withHint{err, "a running service can be reached without its file: use --address host:port " +
			"with its operations.host and operations.port"}
	}
	return cfg, nil
}

// addressOf returns the address at which this machine reaches the operations server.
func addressOf(o config.Operations) string {
	return net.JoinHostPort(address.Reachable(o.Host), strconv.Itoa(o.Port))
}

// nobodyListens reports whether a connection was refused because nobody listens.
func nobodyListens(err error) bool { return oserr.Is(err, syscall.ECONNREFUSED) }

// registerLimit adds the option for how much is listed at the most.
func registerLimit(cmd *cobra.Command, limit *int, usual int, usage string) {
	*limit = usual
	cmd.Flags().Var((*limitFlag)(limit), "limit", usage)
}

// limitFlag is the value of --limit.
type limitFlag int

func (l *limitFlag) String() string { return strconv.Itoa(int(*l)) }

func (l *limitFlag) Type() string { return "int" }

// Set implements pflag.Value.
func (l *limitFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > operations.MaxList {
		return fmt.Errorf("a number from 1 to %d is wanted", operations.MaxList)
	}
	*l = limitFlag(n)
	return nil
}

// noteLimit tells, on standard error, that a listing may end at its --limit.
func noteLimit(cmd *cobra.Command, found, limit int) {
	if found == limit {
		fmt.Fprintf(cmd.ErrOrStderr(), "butler: there may be more than these %d: see --limit\n", limit)
	}
}

func printJSON(out io.Writer, body any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(body)
}

// shown makes text from the network safe for a terminal: it stays on one line and
// cannot move the cursor.
func shown(s string) string { return strings.Map(text.Visible, s) }

// moment formats a time in the local time zone, which it names; the zero time is a dash.
func moment(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime + " MST")
}
