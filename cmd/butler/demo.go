package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"butler/internal/demo"
	"butler/internal/logx"
)

// showTime is how long the demo runs where nobody can press Ctrl-C.
const showTime = 20 * time.Second

func newDemo() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See events come in and alerts go out: the service beside a simulated site, nothing to install",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Colour = cmd.OutOrStdout(), logx.IsTerminal() && os.Getenv("NO_COLOR") == ""
			if !cmd.Flags().Changed("for") && !logx.IsTerminal() {
				o.For = showTime
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", 0, "end after this time, such as 30s; without it at Ctrl-C, or after 20s when the output is no terminal")
	cmd.Flags().DurationVar(&o.Pause, "pause", time.Second, "time between two events")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "decides what happens")
	return cmd
}
