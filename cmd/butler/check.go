package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/text"
)

func newCheck() *cobra.Command {
	o := runOptions{}
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration file and say what it does; change nothing",
		Long: `Reads a configuration file as the service would, including the environment variables
that set keys. It prints either every problem as file:line:column (exit code 1), or
the destinations it sends to, the routes that silence all that they match, and
warnings about what the service can run with (exit code 0).
Without FILE it checks the file that ` + configEnv + ` names.`,
		Example: "  butler check butler.yaml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && cmd.Flags().Changed("configfile") {
				return errors.New("name one file, with -c or without")
			}
			if len(args) == 1 {
				o.configFile = args[0]
			}
			if o.configFile == "" {
				return errors.New("name the configuration file to check, or set " + configEnv)
			}
			cfg, err := o.load(app.Inspection{Elsewhere: true}.Findings)
			if err != nil {
				return err
			}
			return report(cmd, cfg)
		},
	}
	cmd.Flags().StringVarP(&o.configFile, "configfile", "c", os.Getenv(configEnv), "the `file`, as with the other commands; also "+configEnv)
	return cmd
}

// report prints what a valid configuration does.
func report(cmd *cobra.Command, cfg *config.Config) error {
	out := cmd.OutOrStdout()
	table, err := app.Table(cfg, zap.NewNop())
	if err != nil {
		return err
	}
	warnings := ""
	if n := len(cfg.Warnings()); n > 0 {
		warnings = ", " + text.Count(n, "warning", "warnings")
	}
	fmt.Fprintf(out, "%s: no problems%s\n", cfg.File(), warnings)
	for _, b := range table.Built() {
		off := app.SwitchedOff(cfg, b.Instance)
		if off != "" {
			off = " (" + off + " is off)"
		}
		fmt.Fprintf(out, "  sends      %s%s\n", b.Instance.Name, off)
	}
	if len(table.Built()) == 0 {
		fmt.Fprintln(out, "  sends      nothing: no destination is enabled")
	}
	silencing, err := app.Silencing(cfg)
	if err != nil {
		return err
	}
	for _, route := range silencing {
		fmt.Fprintf(out, "  silences   what matches route %q\n", route)
	}
	for _, p := range cfg.Warnings() {
		fmt.Fprintln(out, p)
	}
	for _, line := range cfg.Notes() {
		fmt.Fprintf(out, "  note       %s\n", line)
	}
	return nil
}
