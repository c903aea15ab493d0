package main

import (
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

	"butler/config"
	"butler/internal/address"
	"butler/internal/app"
	"butler/internal/oserr"
	"butler/internal/text"
)

// adminOptions find what a command is about: the running service, or its
// journal when it does not run.
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

// adminClient is what the commands do, over HTTP or on the journal itself.
type adminClient interface {
	Parked(ctx context.Context, instance string, limit int) (any, error)
	ReplayParked(ctx context.Context, instance string, ids []string) (int, error)
	DropParked(ctx context.Context, instance string, ids []string) (int, error)
	Quarantine(ctx context.Context, limit int) (any, error)
	Alerts(ctx context.Context, execution string) (any, error)
	Explain(ctx context.Context, execution string) (any, error)
}

// with calls use with the running service, or with the journal of one that does not
// run, though another one may have its port.
func (o *adminOptions) with(ctx context.Context, use func(adminClient) error) error {
	if o.address != "" {
		err := use(remote{address: o.address})
		if nobodyListens(err) {
			return fmt.Errorf("the service does not run, or not at this address: name another with --address, or its file with -c, whose journal is read: %w", err)
		}
		return err
	}
	cfg, err := o.readable()
	if err != nil {
		return err
	}
	offline := func() error {
		return app.Offline(ctx, cfg, func(a app.OfflineAdmin) error {
			for _, line := range a.Damage() {
				fmt.Fprintln(os.Stderr, "butler:", line)
			}
			return use(a)
		})
	}
	if operations := cfg.Operations(); operations.Enable && operations.Port != 0 {
		service := o.service(cfg)
		service.alone = true
		err := use(service)
		switch {
		case isOther(err):
			if failed := offline(); failed != nil {
				return fmt.Errorf("%w; and what is meant cannot be had from the journal: %w", err, failed)
			}
			return nil
		case !nobodyListens(err):
			return err
		}
	}
	return offline()
}

// errNoOperations is why a running service cannot be asked.
var errNoOperations = errors.New("the service cannot be asked: operations.enable is false, or operations.port is 0; say --address")

// elsewhere says that nobody answers where the service would, and what else to name.
const elsewhere = "the service does not run, or not with this file or at this address: name another with -c or --address"

// running returns the running service, where it can only be done by that.
func (o *adminOptions) running() (remote, error) {
	if o.address != "" {
		return remote{address: o.address}, nil
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

// service returns the service that runs with a configuration. Without a file of its
// own that is whichever answers.
func (o *adminOptions) service(cfg *config.Config) remote {
	return remote{address: addressOf(cfg.Operations()), meant: cfg.AbsoluteFile(), once: new(sync.Once)}
}

// readable returns the configuration. What is wrong or missing elsewhere, such as
// secrets that only the service has in its environment, is no reason not to find it.
func (o *adminOptions) readable() (*config.Config, error) {
	o.run.skipVerification = true
	cfg, err := o.run.load(nil)
	if err != nil {
		return nil, withHint{err, "a running service is asked without its file, too: --address host:port, " +
			"which is operations.host and operations.port of what it runs with"}
	}
	return cfg, nil
}

// addressOf returns where this machine reaches the operations server.
func addressOf(o config.Operations) string {
	return net.JoinHostPort(address.Reachable(o.Host), strconv.Itoa(o.Port))
}

// nobodyListens reports whether err says that the port is closed.
func nobodyListens(err error) bool { return oserr.Is(err, syscall.ECONNREFUSED) }

// convert reads a listing into its type, whether it came over HTTP or from the journal.
func convert(found, into any) error {
	raw, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func printJSON(out io.Writer, body any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(body)
}

// shown makes text that came over the network fit for a terminal: it stays on
// its line and cannot move the cursor.
func shown(s string) string { return strings.Map(text.Visible, s) }

// moment is a time on the clock of this machine, or a dash for none.
func moment(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}
