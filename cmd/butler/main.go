// Command butler tells people and systems what happens to the tasks of a Qlik
// Sense cluster. See README.md, or run it with --help.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"butler/config"
	"butler/internal/buildinfo"
	"butler/internal/text"
)

func main() {
	run := func(ctx context.Context, complaints io.Writer) int { return execute(ctx, os.Args[1:], complaints) }
	if code, ok := supervised(run); ok {
		os.Exit(code)
	}
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
	os.Exit(run(ctx, os.Stderr))
}

// execute runs the command line, writes to complaints why it failed, and returns the
// exit code.
func execute(ctx context.Context, args []string, complaints io.Writer) int {
	root, out := newRoot(), &output{Writer: os.Stdout}
	root.SetOut(out)
	root.SetArgs(spread(args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.failed
	}
	if err == nil {
		return 0
	}
	complain(complaints, err)
	if code, ok := errors.AsType[exitStatus](err); ok {
		return int(code)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return 1
}

// output remembers that it could not be written, so that no command has to look at the
// error of each line that it prints. It is safe for concurrent use.
type output struct {
	io.Writer
	mu     sync.Mutex
	failed error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.Writer.Write(p)
	o.failed = cmp.Or(o.failed, err)
	return n, err
}

// exitUsage is the exit code for a mistake in the command line, of those commands
// that use 1 for work that failed.
const exitUsage = 2

// usageError is a mistake in the command line of such a command.
type usageError struct{ error }

// usageArgs turns the errors of check into usageErrors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// noSuchCommand refuses an unknown command, and suggests the one that may be meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	err := cobra.NoArgs(cmd, args)
	if err != nil {
		if !cmd.HasParent() && isConfigName(args[0]) {
			return fmt.Errorf("%w; to run the service with this file: butler run -c %s", err, shown(args[0]))
		}
		cmd.SuggestionsMinimumDistance = max(cmd.SuggestionsMinimumDistance, 2)
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
		}
	}
	return err
}

// noArguments refuses every argument. The name of a file is most likely that of the
// configuration, which follows -c.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.Flag("configfile") != nil && isConfigName(args[0]) {
		return fmt.Errorf("unexpected argument %q: the configuration file follows -c: %s -c %s", args[0], cmd.CommandPath(), shown(args[0]))
	}
	return fmt.Errorf("unexpected argument %q: %s takes options only", args[0], cmd.CommandPath())
}

// isConfigName reports whether an argument looks like the name of a configuration file.
func isConfigName(arg string) bool {
	return strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml")
}

// showHelp is run by a command that only has subcommands.
func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// newHelp explains a command. Unlike the help of cobra it refuses an unknown one.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command",
		RunE: func(cmd *cobra.Command, words []string) error {
			about, rest, err := cmd.Root().Find(words)
			if err == nil {
				err = noSuchCommand(about, rest)
			}
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// noSuchOption adds to the error about an unknown option the one that may be meant.
func noSuchOption(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := text.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// usageOption is noSuchOption for a command that exits with exitUsage.
func usageOption(cmd *cobra.Command, err error) error { return usageError{noSuchOption(cmd, err)} }

// one accepts exactly one argument; what describes it in the error when it is missing.
func one(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New("an argument is missing: " + what)
		}
		if len(args) > 1 {
			return fmt.Errorf("unexpected argument %q: only one is wanted, %s", args[1], what)
		}
		return nil
	}
}

// atMostOne accepts no argument or one; what describes it in the error about a second one.
func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return one(what)(cmd, args)
	}
}

// complain prints why a command failed. Each problem of a configuration is on a line
// of its own that begins with its place, so that editors can jump to it.
func complain(out io.Writer, err error) {
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		fmt.Fprintf(out, "%v\nbutler: problems in the configuration: %d\n", problems, problems.Count())
	} else if !errors.Is(err, errReported) {
		fmt.Fprintln(out, "butler:", err)
	}
	if further, ok := errors.AsType[withHint](err); ok {
		fmt.Fprintln(out, "butler:", further.hint)
	}
}

// withHint is an error with a hint at another way to do it.
type withHint struct {
	error
	hint string
}

func (h withHint) Unwrap() error { return h.error }

// errReported is returned by a command that has printed why it failed.
var errReported = errors.New("reported")

// newRoot returns the command line. Without a sub-command it is the one of the
// Node.js tool of the same name: butler -c FILE.
func newRoot() *cobra.Command {
	var legacy runOptions
	var version bool
	root := &cobra.Command{
		Use:   "butler",
		Short: "Alerts for Qlik Sense tasks: receives task events, notifies the right people and systems, loses none",
		Long: `butler receives an event whenever a task of a Qlik Sense cluster fails, is aborted
or succeeds, looks the rest up in the repository, and notifies the right people and
systems. It loses none: an event is on disk before it is worked on, and a message
that cannot be delivered is retried, and then kept until somebody decides.

See it at work:       butler demo
Start with defaults:  butler run
Start for real:       butler check butler.yaml && butler run -c butler.yaml

butler -c FILE, with the options below, is the command line of the Node.js tool.`,
		Args: noSuchCommand,
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
	}
	legacy.register(root)
	root.SetFlagErrorFunc(noSuchOption)
	root.SetHelpCommand(newHelp())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	root.Flags().BoolVarP(&version, "version", "V", false, "print the version and exit")
	root.AddCommand(newRun(), newCheck(), newDemo(), newDoctor(), newHealth(), newStatus(), newReload(),
		newParked(), newQuarantine(), newExplain(), newSend(), newTestAlert(), newTemplate(), newAppender(),
		newAPIKey(), newService(), newSupportBundle(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and the build of this binary",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), buildinfo.Read())
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), buildinfo.Read().Describe())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
