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
		Long: `Checks everything that a service with this configuration relies on, in parallel and
each within a time limit: the configuration, Qlik Sense (certificates, clocks, and
the rights of the user), the UDP port and its receive buffer, the speed and free
space of the disk, and the connection to every mail server, web service, database
and broker. No message is sent to anybody.

It works with a running service and without one. Nothing is changed: a file is
created and removed where the service writes, a database gets a write request
without points, and Qlik Sense is asked to start a task that does not exist. Run it
as the user of the service, whose rights are what matters. No secret is printed.

The exit code is 0 when all is well, 1 with a warning, and 2 with a problem, a
mistake in the command line, or when it is interrupted.`,
		Example: `  butler doctor -c butler.yaml
  butler doctor -c butler.yaml --offline
  butler doctor -c butler.yaml --json | jq '.checks[] | select(.verdict != "ok")'`,
		Args: usageArgs(noArguments),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.diagnose(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.SetFlagErrorFunc(usageOption)
	f := cmd.Flags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` (.yaml); also "+configEnv)
	f.BoolVar(&o.Offline, "offline", false, "skip the checks that contact other machines")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	f.DurationVar(&o.Timeout, "timeout", 0, "end each check after this `time`; 0 means 10s, and 20s for Qlik Sense")
	return cmd
}

// exitStatus is an errReported that ends the program with this code instead of 1.
type exitStatus int

func (exitStatus) Error() string { return errReported.Error() }

// Is makes it an errReported.
func (exitStatus) Is(target error) bool { return target == errReported }

// diagnose runs the checks and reports them.
func (o *doctorOptions) diagnose(ctx context.Context, out io.Writer) error {
	if o.Timeout < 0 {
		return usageError{errors.New("--timeout must not be negative")}
	}
	report := o.report(ctx)
	if ctx.Err() != nil {
		// The checks that were cut short found nothing, least of all problems. The exit
		// code is not that of a report without problems.
		return usageError{errors.New("interrupted before all checks were done: nothing is reported")}
	}
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
		return exitStatus(2)
	case doctor.Warning:
		return exitStatus(1)
	case doctor.OK, doctor.Skipped:
	}
	return nil
}

func (o *doctorOptions) report(ctx context.Context) doctor.Report {
	o.run.skipVerification = true // problems are part of the report, and the rest is checked all the same
	cfg, err := o.run.load(app.Inspection{}.Findings)
	if err != nil {
		return checks.Unreadable(ctx, err)
	}
	return app.Diagnose(ctx, cfg, o.Options)
}
