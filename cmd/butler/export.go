package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"butler/internal/app"
)

func newExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export DIRECTORY",
		Short: "Write the built-in templates to files, as a start for your own",
		Long: `Writes the built-in templates to DIRECTORY, in a directory for each destination that has
templates, with their partials beside them. Nothing that exists is overwritten. Edit a
file, name it in the configuration, and see with 'butler template preview' what is sent.`,
		Example: `  butler template export templates
  butler template preview -c butler.yaml --destination slack/reload_task_failed --template templates/slack/failed-reload-qseow.handlebars`,
		Args: usageArgs(func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("one directory is wanted, to write the templates to")
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			builtin := app.BuiltinTemplates()
			for _, name := range slices.Sorted(maps.Keys(builtin)) {
				to := filepath.Join(args[0], name)
				switch err := os.CopyFS(to, builtin[name]); {
				case errors.Is(err, fs.ErrExist):
					return fmt.Errorf("%w; name a directory without templates, nothing is overwritten", err)
				case err != nil:
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), to)
			}
			return nil
		},
	}
}
