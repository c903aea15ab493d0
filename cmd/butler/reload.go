package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"butler/internal/app"
)

// reloadOptions select the service that is to reload.
type reloadOptions struct {
	adminOptions
	pid int
}

func newReload() *cobra.Command {
	var o reloadOptions
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Tell the running service to read its configuration again",
		Long: `Tells the service on this machine to read its configuration, certificates and
templates again, waits, and prints the result. A configuration that cannot be applied
changes nothing; the reason is printed and the exit code is 1.

The service is reached at its operations server. Where that is switched off, has a
new address in the file, or another service answers there, name the process with
--pid: it gets SIGHUP instead, and its log has the result.`,
		Example: `  butler reload -c butler.yaml
  butler check butler.yaml && butler reload -c butler.yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.reload(cmd.Context(), cmd.OutOrStdout()) },
	}
	o.register(cmd)
	cmd.Flags().IntVar(&o.pid, "pid", 0, "send SIGHUP to this `process` when the operations server does not answer")
	return cmd
}

func (o *reloadOptions) reload(ctx context.Context, out io.Writer) error {
	service, err := o.running()
	if err == nil {
		var result app.Reloaded
		if result, err = service.Reload(ctx); err == nil {
			return printReloaded(out, result, o.asJSON)
		}
	}
	if o.pid <= 0 && nobodyListens(err) {
		return fmt.Errorf("%s, or its process with --pid: %w", elsewhere, err)
	}
	if o.pid <= 0 || !nobodyListens(err) && !isOther(err) && !errors.Is(err, errNoOperations) {
		return err
	}
	return o.hangUp(out, err)
}

// hangUp sends SIGHUP to the process named by --pid, because the service cannot be
// reached for the reason why.
func (o *reloadOptions) hangUp(out io.Writer, why error) error {
	process, err := os.FindProcess(o.pid)
	if err == nil {
		err = process.Signal(syscall.SIGHUP)
	}
	if err != nil {
		return errors.Join(why, fmt.Errorf("send SIGHUP to process %d: %w", o.pid, err))
	}
	_, err = fmt.Fprintf(out, "SIGHUP sent to process %d; its log has the result (%v)\n", o.pid, why)
	return err
}

// printReloaded prints the result of a reload. A refused one is an error.
func printReloaded(out io.Writer, r app.Reloaded, asJSON bool) error {
	var err error
	switch {
	case asJSON:
		err = printJSON(out, r)
	case r.Applied:
		_, err = io.WriteString(out, summary(r))
	}
	if !r.Applied {
		return errors.Join(err, errors.New("the changed configuration is refused, the previous one stays in force: "+r.Reason))
	}
	return err
}

// summary describes what a reload has changed.
func summary(r app.Reloaded) string {
	text := "reloaded, nothing in the file has changed\n"
	if len(r.Changed) > 0 {
		text = "reloaded, changed: " + shown(strings.Join(r.Changed, ", ")) + "\n"
	}
	if len(r.NeedsRestart) > 0 {
		text += "takes effect only after a restart: " + shown(strings.Join(r.NeedsRestart, ", ")) + "\n"
	}
	return text
}
