package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"butler/api/operations"
	"butler/messages"
)

func newStatus() *cobra.Command {
	var o adminOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the running service and of its destinations",
		Long: `Shows the state of the running service on this machine, every component that is not
up and why, for every destination how much is waiting, since when, and its last
error, and the newest datagram that was refused. With --json it shows every
component. The exit code says only whether the service answered; use 'butler health'
for an exit code that tells whether it is healthy.`,
		Example: "  butler status -c butler.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			service, err := o.running()
			if err != nil {
				return err
			}
			now, err := service.Status(cmd.Context())
			if nobodyListens(err) {
				err = fmt.Errorf("%s: %w", elsewhere, err)
			}
			if err != nil {
				return err
			}
			if o.asJSON {
				return errors.Join(printJSON(cmd.OutOrStdout(), now), now.unlisted)
			}
			return now.print(cmd.OutOrStdout())
		},
	}
	o.register(cmd)
	return cmd
}

// status is the state of the service.
type status struct {
	State        string                   `json:"state"`
	Components   []component              `json:"components"`
	Feed         operations.Feed          `json:"feed"`
	Destinations []operations.Destination `json:"destinations"`
	// Refused is the newest datagram that was refused, if any is kept.
	Refused []messages.QuarantinedDatagram `json:"refused"`
	// unlisted is the error of listing refused datagrams, or what arrives.
	unlisted error
}

// component is the state of one part of the service.
type component struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

func (r remote) Status(ctx context.Context) (status, error) {
	var out status
	err := r.call(ctx, http.MethodGet, "/health", nil, &out)
	if err == nil {
		err = r.call(ctx, http.MethodGet, "/admin/destinations", nil, &out.Destinations)
	}
	if err == nil {
		out.unlisted = errors.Join(
			r.call(ctx, http.MethodGet, "/admin/feed", nil, &out.Feed),
			r.call(ctx, http.MethodGet, "/admin/quarantine?limit=1", nil, &out.Refused),
		)
	}
	return out, err
}

func (s status) print(out io.Writer) error {
	unwell := slices.DeleteFunc(slices.Clone(s.Components), func(c component) bool { return c.State == "up" })
	fmt.Fprintf(out, "%s: %d of %d components are up\n", shown(s.State), len(s.Components)-len(unwell), len(s.Components))
	if !s.Feed.Since.IsZero() {
		fmt.Fprintln(out, shown(s.Feed.Words(time.Now())))
	}
	return errors.Join(printComponents(out, unwell), printDestinations(out, s.Destinations), printRefused(out, s.Refused), s.unlisted)
}

// printRefused shows the newest refused datagram: it may have been an event that
// somebody should be told of.
func printRefused(out io.Writer, newest []messages.QuarantinedDatagram) error {
	if len(newest) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "\na datagram was refused at %s, from %s: %s; see butler quarantine list\n",
		moment(newest[0].At), shown(newest[0].Source), shown(newest[0].Reason))
	return err
}

func printComponents(out io.Writer, list []component) error {
	if len(list) == 0 {
		return nil
	}
	table := newTable("STATE", "SINCE", "COMPONENT")
	for _, c := range list {
		table.row(c.Reason, c.State, moment(c.Since), c.Name)
	}
	_, err := fmt.Fprintln(out)
	return errors.Join(err, table.print(out))
}

func printDestinations(out io.Writer, list []operations.Destination) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "\nnobody is notified: no destination is enabled")
		return err
	}
	table := newTable("DESTINATION", "CONDITION", "WAITING", "SINCE", "PARKED", "DELIVERED LAST")
	for _, d := range list {
		failure := ""
		if d.LastError != "" {
			failure = d.Path + ": " + d.LastError
		}
		table.row(failure, d.Instance, d.Words(moment), strconv.Itoa(d.Queued), moment(d.Oldest), strconv.Itoa(d.Parked), moment(d.LastSuccess))
	}
	_, err := fmt.Fprintln(out)
	return errors.Join(err, table.print(out))
}
