package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"butler/internal/app"
	"butler/internal/tryout"
	"butler/messages"
)

// testOptions are the options of test-alert.
type testOptions struct {
	tryout.Options
	run     runOptions
	events  []string
	asJSON  bool
	timeout time.Duration
}

func newTestAlert() *cobra.Command {
	o := testOptions{Options: tryout.Options{Run: uuid.NewString()}}
	cmd := &cobra.Command{
		Use:   "test-alert",
		Short: "Send a test alert through the configured destinations, and say what each answered",
		Long: `Sends one alert that is marked as a test through every destination of the
configuration, as the service would: with its addresses, credentials, templates and
recipients. It prints what each provider answered, or why sending failed and what to
do about it. Each run has an execution ID of its own.

It works with a running service and without one: nothing is queued, rate limited or
retried. The app owner of a test alert does not exist and gets no mail. Databases and
archives get an entry for the node butler-test. Where a destination takes several
events, as in a route, one of them is sent; --event selects others.

The exit code is 0 when everything was accepted, 1 when something was not or there
was nothing to send, and 2 for a mistake in the command line.`,
		Example: `  butler test-alert -c butler.yaml --dry-run
  butler test-alert -c butler.yaml --destination email --recipient anna@example.com
  butler test-alert -c butler.yaml --route finance --event reload_task_failed`,
		Args: usageArgs(noArguments),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.send(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.SetFlagErrorFunc(usageOption)
	f := cmd.Flags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` (.yaml); also "+configEnv)
	f.StringArrayVar(&o.events, "event", nil, "alert `kind` to send, such as reload_task_failed; may be repeated")
	f.StringArrayVar(&o.Destinations, "destination", nil, "only this destination: an `instance` such as email/reload_task_failed, or all of email; may be repeated")
	f.StringArrayVar(&o.Routes, "route", nil, "only what the route of this `name` lists; may be repeated")
	f.StringVar(&o.Recipient, "recipient", "", "send mail to this `address` instead of the configured ones")
	f.BoolVar(&o.DryRun, "dry-run", false, "send nothing, only print who would be notified")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object instead of a table")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "end after this time; what has not answered by then has failed")
	return cmd
}

// send makes one run and reports it.
func (o *testOptions) send(ctx context.Context, out io.Writer) error {
	if err := o.read(); err != nil {
		return usageError{err}
	}
	cfg, err := o.run.load(app.Inspection{Isolated: true}.Findings)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	report, err := app.TestAlerts(bounded, cfg, o.Options)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = printJSON(out, report)
	} else {
		err = printTestReport(out, report)
	}
	if err == nil && (report.Failed > 0 || report.Accepted == 0 && !o.DryRun) {
		return errReported
	}
	return err
}

// read checks the options.
func (o *testOptions) read() error {
	var err error
	if o.Kinds, err = kindsOf(o.events); err != nil {
		return err
	}
	if o.Recipient != "" {
		if address, err := mail.ParseAddress(o.Recipient); err != nil || address.Address != o.Recipient {
			return errors.New("--recipient is not a mail address: write it like anna@example.com")
		}
	}
	if o.timeout <= 0 {
		return errors.New("--timeout must be more than 0")
	}
	return nil
}

// kindsOf reads the names of alert kinds.
func kindsOf(names []string) ([]messages.AlertKind, error) {
	var out []messages.AlertKind
	for _, name := range names {
		kind := messages.AlertKind(name)
		if !slices.Contains(messages.AllKinds(), kind) {
			return nil, fmt.Errorf("--event %s is none of %s", shown(name), strings.Trim(fmt.Sprint(messages.AllKinds()), "[]"))
		}
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out, nil
}

// printTestReport prints a line for each attempt, then what to do about the
// failures, then the sum.
func printTestReport(out io.Writer, report tryout.Report) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "DESTINATION\tALERT\tRECIPIENT\tRESULT\tTOOK\tANSWER")
	for _, a := range report.Attempts {
		took := "-"
		if a.Result == tryout.Accepted || a.Result == tryout.Failed {
			took = fmt.Sprintf("%d ms", a.Milliseconds)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", shown(a.Destination), a.Alert, orDash(shown(a.Recipient)), a.Result, took, orDash(answerOf(a)))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, a := range report.Attempts {
		if a.Result == tryout.Failed {
			who := a.Destination
			if a.Recipient != "" {
				who += " to " + a.Recipient
			}
			fmt.Fprintf(out, "\n%s: %s\n  %s\n  what to do: %s\n", shown(who), a.Problem, shown(a.Reason), shown(a.Remedy))
		}
	}
	_, err := fmt.Fprintf(out, "\n%s\n", sumOf(report))
	return err
}

// answerOf is what there is to say in one line; a failure has lines of its own.
func answerOf(a tryout.Attempt) string {
	if a.Result == tryout.Failed {
		return a.Problem
	}
	return shown(strings.TrimSpace(strings.Join([]string{a.Status, a.Detail, a.Reason}, " ")))
}

func sumOf(report tryout.Report) string {
	dry := len(report.Attempts) - report.Accepted - report.Failed - report.Nobody
	var parts []string
	for _, part := range []struct {
		count int
		what  string
	}{{report.Accepted, "accepted"}, {report.Failed, "failed"}, {dry, "would be sent"}, {report.Nobody, "not sent"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.what))
		}
	}
	sum := strings.Join(parts, ", ")
	if report.Accepted+report.Failed > 0 {
		sum += "; the execution ID is " + report.Run
	}
	return sum
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
