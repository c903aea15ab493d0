package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"butler/internal/trail"
)

func newExplain() *cobra.Command {
	var o adminOptions
	query := trail.Query{}
	cmd := &cobra.Command{
		Use:   "explain [executionId]",
		Short: "Explain who was notified of an execution, who was not, and why",
		Long: `Prints everything that is known of one execution of a task, from the datagram to the
last attempt to deliver: what arrived, what was refused or dropped as a duplicate,
what was looked up, who is notified, who is not and why, what every destination
answered, and the state it is in now. The ID is in the log of the scheduler, in the
log of this service, and in most alerts. Without an ID, the newest decisions are
listed, successes that no destination carries only with --task or --event. When the
service does not run, its journal is read.`,
		Example: `  butler explain -c butler.yaml
  butler explain -c butler.yaml 6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a10`,
		Args: atMostOne("the ID of an execution, or of a task for its latest executions"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := query.Validate(); err != nil {
				return fmt.Errorf("--%w", err)
			}
			return o.with(cmd.Context(), func(c adminClient) error {
				if len(args) == 0 {
					found, err := c.Latest(cmd.Context(), query)
					if err != nil {
						return err
					}
					noteLimit(cmd, len(found), query.Limit)
					return printHeadlines(cmd.OutOrStdout(), found, o.asJSON)
				}
				found, err := c.Explain(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printStory(cmd.OutOrStdout(), found, o.asJSON)
			})
		},
	}
	o.register(cmd)
	registerLimit(cmd, &query.Limit, 20, "without an ID: how many decisions to list at the most")
	cmd.Flags().StringVar(&query.Task, "task", "", "without an ID: only decisions about this `task`, by its ID or a part of its name")
	cmd.Flags().StringVar(&query.Event, "event", "", "without an ID: only decisions about this `event`, such as failed")
	return cmd
}

// printHeadlines prints the newest decisions.
func printHeadlines(out io.Writer, list []trail.Headline, asJSON bool) error {
	if asJSON {
		return printJSON(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no such decision is recorded. Successes that no destination carries are only listed with --task or --event; journal.trailFor says how long decisions are kept")
		return err
	}
	table := newTable("DECIDED", "EXECUTION", "EVENT", "STATE", "TASK")
	for _, h := range list {
		table.row(h.Summary, moment(h.At), h.ExecutionID, words(h.Event), words(string(h.State)), h.TaskName)
	}
	return table.print(out)
}

// errUnknown is returned when there is nothing to explain.
var errUnknown = errors.New("nothing is known of this execution")

// printStory prints a story, or the latest executions when the ID is that of a task.
// For an unknown execution it prints the story and returns errUnknown.
func printStory(out io.Writer, s trail.Story, asJSON bool) error {
	var err error
	switch {
	case asJSON:
		err = printJSON(out, s)
	case len(s.OfTask) > 0:
		err = listExecutions(out, s)
	default:
		tellStory(out, s)
	}
	if err == nil && s.State == trail.Unknown && len(s.OfTask) == 0 {
		err = errUnknown
	}
	return err
}

// listExecutions prints the latest executions of a task, the newest first, and the hints.
func listExecutions(out io.Writer, s trail.Story) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(table, "task %s: its latest executions are\n", shown(s.ExecutionID))
	for _, b := range slices.Backward(s.OfTask) {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", moment(b.At), shown(b.ExecutionID), words(string(b.State)), shown(b.Summary))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, hint := range s.Hints {
		if !strings.HasPrefix(hint, trail.HintOfTask) {
			fmt.Fprintf(out, "- %s\n", shown(hint))
		}
	}
	return nil
}

func tellStory(out io.Writer, s trail.Story) {
	fmt.Fprintf(out, "execution %s: %s\n  %s\n", shown(s.ExecutionID), words(string(s.State)), shown(s.Summary))
	for _, line := range [][2]string{{"task", s.TaskName}, {"task ID", s.TaskID}, {"type", s.TaskType}, {"app", s.AppName}, {"node", s.Node}} {
		if line[1] != "" {
			fmt.Fprintf(out, "  %-8s %s\n", line[0], shown(line[1]))
		}
	}
	if len(s.Steps) > 0 {
		fmt.Fprintf(out, "\nwhat happened (%s)\n", s.Steps[0].At.Local().Format("2006-01-02 MST"))
	}
	for _, step := range s.Steps {
		text := step.Text
		if step.Destination != "" {
			text = step.Destination + ": " + text
		}
		fmt.Fprintf(out, "  %s  %-10s  %s\n", step.At.Local().Format("15:04:05.000"), words(step.What), shown(text))
		if step.Payload != "" {
			fmt.Fprintf(out, "  %26s%s\n", "", shown(step.Payload))
		}
	}
	if len(s.Notices)+len(s.NotNotified) > 0 {
		fmt.Fprint(out, "\nwho is notified, and who is not\n")
	}
	for _, n := range s.Notices {
		tellDestination(out, words(string(n.State)), n.Destination, n.Recipient, n.Reason)
	}
	for _, v := range s.NotNotified {
		tellDestination(out, "not notified", v.Destination, "", v.Reason)
	}
	if len(s.Hints) > 0 {
		fmt.Fprint(out, "\n")
	}
	for _, hint := range s.Hints {
		fmt.Fprintf(out, "- %s\n", shown(hint))
	}
}

// words is a label for people.
func words(label string) string { return strings.ReplaceAll(shown(label), "_", " ") }

// tellDestination prints one line about one receiver.
func tellDestination(out io.Writer, state, destination, recipient, reason string) {
	said := slices.DeleteFunc([]string{destination, recipient, reason}, func(part string) bool { return part == "" })
	fmt.Fprintf(out, "  %-10s  %s\n", state, shown(strings.Join(said, ": ")))
}
