package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"butler/messages"
)

func newQuarantine() *cobra.Command {
	var o adminOptions
	limit := 0
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Look at datagrams that were refused, and why",
		Long: `The service keeps the newest datagrams that it refused: an unknown type, a wrong
number of fields, an invalid ID, a sender that is not allowed. Look here when a node
sends events and nobody is notified.`,
		Example: "  butler quarantine list -c butler.yaml",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	o.register(cmd)
	list := &cobra.Command{
		Use: "list", Short: "List refused datagrams, the newest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(c adminClient) error {
				found, err := c.Quarantine(cmd.Context(), limit)
				if err != nil {
					return err
				}
				noteLimit(cmd, len(found), limit)
				return printQuarantine(cmd.OutOrStdout(), found, o.asJSON)
			})
		},
	}
	registerLimit(list, &limit, 100, "how many at the most")
	cmd.AddCommand(list)
	return cmd
}

func printQuarantine(out io.Writer, list []messages.QuarantinedDatagram, asJSON bool) error {
	if asJSON {
		return printJSON(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no datagram was refused")
		return err
	}
	for _, q := range list {
		cut := ""
		if q.Cut {
			cut = " ..."
		}
		fmt.Fprintf(out, "%s  %s  from %s, %d bytes\n  why   %s\n  text  %s%s\n", moment(q.At),
			shown(q.Reason), shown(q.Source), q.Size, shown(q.Detail), shown(q.Payload), cut)
	}
	return nil
}
