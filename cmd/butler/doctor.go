package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"butler/internal/app"
	"butler/internal/doctor"
	"butler/internal/doctor/checks"
)

// doctorOptions are the options of doctor.
type doctorOptions struct {
	doctor.Options
	run    runOptions
	asJSON bool
}

func newDoctor() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that the service relies on, and say what to do; change nothing",
		Long: `Looks at everything that a service with this configuration relies on, all at once
and each in bounded time: the configuration, Qlik Sense (certificates, clocks, and
what the user may do), the UDP port and its receive buffer, the speed and the room
of the disk, and the way to every mail server, web service, database and broker,
as far as that goes without sending anything to anybody.

It works beside a running service and without one. Nothing is changed: a file is
made and removed where the service writes, a database gets a write without a point,
and Qlik Sense is asked to start a task that does not exist. Run it as the user of the
service, which is whose rights count. No secret is printed.

The exit code is 0 when all is well, 1 with a warning, and 2 with a problem or for
a command line that cannot be.`,
		Example: `  butler doctor -c butler.yaml
  butler doctor -c butler.yaml --offline
  butler doctor -c butler.yaml --json | jq '.checks[] | select(.verdict != "ok")'`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.diagnose(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.SetFlagErrorFunc(usageOption)
	f := cmd.Flags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` (.yaml); also "+configEnv)
	f.BoolVar(&o.Offline, "offline", false, "leave out what asks other machines")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	f.DurationVar(&o.Timeout, "timeout", 0, "end each check after this `time`; 0 means 10s, and 20s for Qlik Sense")
	return cmd
}

// endsWith ends the program with a code of its own, when everything has been told.
type endsWith int

func (endsWith) Error() string { return errReported.Error() }

// Is makes it one that has been told.
func (endsWith) Is(target error) bool { return target == errReported }

// diagnose runs the checks and reports them.
func (o *doctorOptions) diagnose(ctx context.Context, out io.Writer) error {
	if o.Timeout < 0 {
		return usageError{errors.New("--timeout must not be negative")}
	}
	report := o.report(ctx)
	var err error
	if o.asJSON {
		err = printJSON(out, report)
	} else {
		_, err = io.WriteString(out, report.Text())
	}
	if err != nil {
		return err
	}
	switch report.Verdict() {
	case doctor.Problem:
		return endsWith(2)
	case doctor.Warning:
		return endsWith(1)
	case doctor.OK, doctor.Skipped:
	}
	return nil
}

func (o *doctorOptions) report(ctx context.Context) doctor.Report {
	o.run.skipVerification = true // problems are part of the report, and the rest is looked at anyway
	cfg, err := o.run.load(app.Inspection{}.Findings)
	if err != nil {
		return checks.Unreadable(ctx, err)
	}
	return app.Diagnose(ctx, cfg, o.Options)
}
