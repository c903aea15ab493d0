// Command butlerbench measures a program that receives task events and sends messages
// about them: how fast it is, and whether it loses or repeats anything. It knows only
// the addresses, the configuration file and the process of the program.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"butler/bench"
	"butler/bench/bare"
	"butler/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "butlerbench:", report.Plain(err.Error()))
		stop()
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "butlerbench",
		Short:         "Measure an event processor over the wire",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRun(), newList(), newCompare(), newBare())
	return root
}

func newList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := bench.Scenarios()
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range all {
				fmt.Fprintf(out, "%s\t%s\t%s\n", s.Name, s.Set, s.What)
			}
			return out.Flush()
		},
	}
}

// bareCommand is the command that runs the handler that targets are compared with.
const bareCommand = "bare-handler"

func newBare() *cobra.Command {
	return &cobra.Command{
		Use:    bareCommand,
		Short:  "Answer HTTP calls, and do nothing else, until the input ends",
		Hidden: true, // a run starts it
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return bare.Serve(cmd.InOrStdin(), cmd.OutOrStdout()) },
	}
}

func newCompare() *cobra.Command {
	return &cobra.Command{
		Use:   "compare baseline.json run.json",
		Short: "Show a run beside an earlier one, as ratios",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			earlier, err := report.Load(args[0])
			if err != nil {
				return err
			}
			later, err := report.Load(args[1])
			if err != nil {
				return err
			}
			later.Compare(earlier)
			if err := report.Table(cmd.OutOrStdout(), later); err != nil {
				return err
			}
			if later.Against.Common == 0 {
				return fmt.Errorf("%s and %s have no figure in common", args[0], args[1])
			}
			return nil
		},
	}
}
