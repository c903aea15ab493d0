// Command butler tells people and systems what happens to the tasks of a Qlik
// Sense cluster. See README.md, or run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"butler/internal/buildinfo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		// The first signal ends ctx; a second one ends the process at once.
		<-ctx.Done()
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		<-again
		os.Exit(1)
	}()
	os.Exit(execute(ctx, os.Args[1:]))
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintln(os.Stderr, "butler:", err)
	}
	return 1
}

// errReported is returned by a command that has told the user everything already.
var errReported = errors.New("reported")

// newRoot returns the command line. Without a sub-command it is the one of the
// Node.js tool of the same name: butler -c FILE.
func newRoot() *cobra.Command {
	var legacy runOptions
	var version bool
	root := &cobra.Command{
		Use:   "butler",
		Short: "Alerts for Qlik Sense tasks: receives task events, tells the right people and systems, loses none",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), buildinfo.Read().Version)
				return err
			}
			if legacy.configFile == "" {
				cmd.SetOut(os.Stderr)
				_ = cmd.Help()
				return errReported
			}
			return run(cmd.Context(), legacy)
		},
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	legacy.register(root)
	root.Flags().BoolVarP(&version, "version", "V", false, "print the version and exit")
	root.AddCommand(newRun(), newCheck(), newDemo(), newParked(), newQuarantine(), newSend(), newAppender(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this binary is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := buildinfo.Read()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "butler %s\n  revision  %s\n  built of  %s\n  with      %s\n  for       %s\n",
				b.Version, b.Revision, orUnknown(b.Time), b.GoVersion, b.Platform)
			return err
		},
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// hostName returns the name of this machine, for events sent by hand.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
