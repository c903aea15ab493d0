package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"butler/api/operations"
	"butler/internal/text"
)

// parkedOptions select parked notices.
type parkedOptions struct {
	adminOptions
	instance   string
	everything bool
	limit      int
}

func newParked() *cobra.Command {
	var o parkedOptions
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "List, send again or drop messages that could not be delivered",
		Long: `A message that a destination refuses for good, or has not accepted for a day, is
parked: kept on disk with the reason until somebody decides. The commands talk to the
running service; when it does not run they work on its journal, and what they change
counts from its next start.`,
		Example: `  butler parked list -c butler.yaml
  butler parked replay -c butler.yaml --destination email/reload_task_failed
  butler parked drop -c butler.yaml 0123456789abcdef0123456789abcdef`,
		Args: noSuchCommand, RunE: showHelp,
	}
	o.register(cmd)
	cmd.PersistentFlags().StringVar(&o.instance, "destination", "", "only messages of this destination: an `instance` such as email/reload_task_failed, or all of email")
	cmd.AddCommand(newParkedList(&o),
		newParkedChange(&o, "replay", "Send parked messages again", "sent again", adminClient.ReplayParked),
		newParkedChange(&o, "drop", "Remove parked messages for good: nobody will be notified", "dropped", adminClient.DropParked))
	return cmd
}

func newParkedList(o *parkedOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List parked messages, the oldest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(c adminClient) error {
				found, err := c.Parked(cmd.Context(), o.instance, o.limit)
				if err != nil {
					return err
				}
				noteLimit(cmd, len(found), o.limit)
				return printParked(cmd.OutOrStdout(), found, o.asJSON)
			})
		},
	}
	registerLimit(cmd, &o.limit, 100, "how many at the most")
	return cmd
}

// newParkedChange returns a command that applies act to the selected notices, and
// prints how many that were.
func newParkedChange(o *parkedOptions, name, short, done string,
	act func(adminClient, context.Context, string, []string) (int, error),
) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " [ID ...]", Short: short,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := o.checkSelection(ids); err != nil {
				return err
			}
			return o.with(cmd.Context(), func(c adminClient) error {
				n, err := act(c, cmd.Context(), o.instance, ids)
				if nobodyListens(err) {
					return err
				}
				return errors.Join(printCount(cmd.OutOrStdout(), n, done, o.asJSON), err)
			})
		},
	}
	cmd.Flags().BoolVar(&o.everything, "all", false, "select all parked messages")
	return cmd
}

// checkSelection refuses a command that selects nothing, or selects in two ways.
func (o *parkedOptions) checkSelection(ids []string) error {
	ways := 0
	for _, used := range []bool{len(ids) > 0, o.instance != "", o.everything} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("select the messages by their IDs, by --destination or by --all, and by only one of these")
	}
	return nil
}

func printCount(out io.Writer, n int, done string, asJSON bool) error {
	if asJSON {
		return printJSON(out, map[string]int{"count": n})
	}
	_, err := fmt.Fprintf(out, "%d %s\n", n, done)
	return err
}

func printParked(out io.Writer, list []operations.ParkedNotice, asJSON bool) error {
	if asJSON {
		return printJSON(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no message is parked")
		return err
	}
	table := newTable("ID", "PARKED", "DESTINATION", "RECIPIENT", "TASK")
	for _, p := range list {
		why := fmt.Sprintf("%s of execution %s, %s: %s", p.Alert, p.ExecutionID, text.Count(p.Attempts, "attempt", "attempts"), p.Reason)
		table.row(why, p.ID, moment(p.ParkedAt), p.Destination, orDash(p.Recipient), p.TaskName)
	}
	return table.print(out)
}
