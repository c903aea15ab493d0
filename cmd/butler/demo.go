package main

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"butler/internal/demo"
	"butler/internal/logx"
)

// unattendedTime is how long the demo runs when the output is not a terminal.
const unattendedTime = 20 * time.Second

func newDemo() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See events come in and alerts go out, beside a simulated site",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.For < 0 || o.Pause < 0 {
				return errors.New("--for and --pause must not be negative")
			}
			o.Out, o.Colour = cmd.OutOrStdout(), logx.IsTerminal() && os.Getenv("NO_COLOR") == ""
			if !cmd.Flags().Changed("for") && !logx.IsTerminal() {
				o.For = unattendedTime
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", 0, "end after this time, such as 30s; by default at Ctrl-C, or after 20s when the output is not a terminal")
	cmd.Flags().DurationVar(&o.Pause, "pause", time.Second, "time between two events")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of the random events: the same seed shows the same events")
	return cmd
}
