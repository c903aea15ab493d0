package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"butler/internal/app"
	"butler/messages"
)

// adminOptions find what a command is about: the running service, or its
// journal when it does not run.
type adminOptions struct {
	run     runOptions
	address string
	asJSON  bool
}

func (o *adminOptions) register(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVarP(&o.run.configFile, "configfile", "c", "", "the service's configuration file, to find it")
	f.StringVar(&o.address, "address", "", "host:port of the service's operations server, instead of -c")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
}

// adminClient is what the commands do, over HTTP or on the journal itself.
type adminClient interface {
	Parked(ctx context.Context, instance string, limit int) (any, error)
	ReplayParked(ctx context.Context, instance string, ids []string) (int, error)
	DropParked(ctx context.Context, instance string, ids []string) (int, error)
	Quarantine(ctx context.Context, limit int) (any, error)
}

// with calls use with the running service, or with the journal of one that does not run.
func (o *adminOptions) with(ctx context.Context, use func(adminClient) error) error {
	address := o.address
	if address == "" {
		cfg, err := o.run.load()
		if err != nil {
			return err
		}
		operations := cfg.Operations()
		address = net.JoinHostPort(operations.Host, strconv.Itoa(operations.Port))
		if !operations.Enable || operations.Port == 0 {
			return app.Offline(ctx, cfg, func(a app.OfflineAdmin) error { return use(a) })
		}
		err = use(remote{address})
		if errors.Is(err, syscall.ECONNREFUSED) {
			return app.Offline(ctx, cfg, func(a app.OfflineAdmin) error { return use(a) })
		}
		return err
	}
	return use(remote{address})
}

func newParked() *cobra.Command {
	var o adminOptions
	var instance string
	var everything bool
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "List, send again or drop notices that could not be delivered",
	}
	o.register(cmd)
	cmd.PersistentFlags().StringVar(&instance, "destination", "", "only notices of this destination instance, such as email/reload_task_failed")
	limit := 0
	list := &cobra.Command{
		Use: "list", Short: "List parked notices, the oldest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(c adminClient) error {
				found, err := c.Parked(cmd.Context(), instance, limit)
				if err != nil {
					return err
				}
				return printParked(cmd.OutOrStdout(), found, o.asJSON)
			})
		},
	}
	list.Flags().IntVar(&limit, "limit", 100, "how many at the most")
	change := func(name, short, done string, act func(adminClient) func(context.Context, string, []string) (int, error)) *cobra.Command {
		c := &cobra.Command{
			Use: name + " [ID ...]", Short: short,
			RunE: func(cmd *cobra.Command, ids []string) error {
				if len(ids) == 0 && !everything && instance == "" {
					return fmt.Errorf("name the notices, or --destination, or --all")
				}
				return o.with(cmd.Context(), func(c adminClient) error {
					n, err := act(c)(cmd.Context(), instance, ids)
					fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", n, done)
					return err
				})
			},
		}
		c.Flags().BoolVar(&everything, "all", false, "all parked notices")
		return c
	}
	cmd.AddCommand(list,
		change("replay", "Send parked notices again", "sent again", func(c adminClient) func(context.Context, string, []string) (int, error) { return c.ReplayParked }),
		change("drop", "Remove parked notices for good", "dropped", func(c adminClient) func(context.Context, string, []string) (int, error) { return c.DropParked }))
	return cmd
}

func newQuarantine() *cobra.Command {
	var o adminOptions
	limit := 0
	cmd := &cobra.Command{Use: "quarantine", Short: "Look at datagrams that were refused"}
	o.register(cmd)
	list := &cobra.Command{
		Use: "list", Short: "List refused datagrams, the newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(c adminClient) error {
				found, err := c.Quarantine(cmd.Context(), limit)
				if err != nil {
					return err
				}
				return printQuarantine(cmd.OutOrStdout(), found, o.asJSON)
			})
		},
	}
	list.Flags().IntVar(&limit, "limit", 100, "how many at the most")
	cmd.AddCommand(list)
	return cmd
}

func printParked(out io.Writer, found any, asJSON bool) error {
	var list []app.ParkedNotice
	if err := convert(found, &list); err != nil || asJSON {
		return errors.Join(err, printJSON(out, found))
	}
	if len(list) == 0 {
		fmt.Fprintln(out, "no notice is parked")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPARKED\tDESTINATION\tRECIPIENT\tALERT\tTASK\tATTEMPTS\tREASON")
	for _, p := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", p.ID, p.ParkedAt.Local().Format(time.DateTime),
			p.Destination, p.Recipient, p.Alert, p.TaskName, p.Attempts, p.Reason)
	}
	return table.Flush()
}

func printQuarantine(out io.Writer, found any, asJSON bool) error {
	var list []messages.QuarantinedDatagram
	if err := convert(found, &list); err != nil || asJSON {
		return errors.Join(err, printJSON(out, found))
	}
	if len(list) == 0 {
		fmt.Fprintln(out, "no datagram was refused")
		return nil
	}
	for _, q := range list {
		cut := ""
		if q.Cut {
			cut = " ..."
		}
		fmt.Fprintf(out, "%s  %s  %s  %d bytes\n  %s\n  %s%s\n", q.At.Local().Format(time.DateTime), q.Reason, q.Source, q.Size, q.Detail, q.Payload, cut)
	}
	return nil
}

// convert reads a listing into its type, whether it came over HTTP or from the journal.
func convert(found, into any) error {
	raw, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func printJSON(out io.Writer, body any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(body)
}

// remote is the service behind its operations server.
type remote struct{ address string }

func (r remote) Parked(ctx context.Context, instance string, limit int) (any, error) {
	var out []app.ParkedNotice
	err := r.call(ctx, http.MethodGet, "/admin/parked?"+url.Values{"instance": {instance}, "limit": {strconv.Itoa(limit)}}.Encode(), nil, &out)
	return out, err
}

func (r remote) Quarantine(ctx context.Context, limit int) (any, error) {
	var out []messages.QuarantinedDatagram
	err := r.call(ctx, http.MethodGet, "/admin/quarantine?limit="+strconv.Itoa(limit), nil, &out)
	return out, err
}

func (r remote) ReplayParked(ctx context.Context, instance string, ids []string) (int, error) {
	return r.change(ctx, "/admin/parked/replay", instance, ids)
}

func (r remote) DropParked(ctx context.Context, instance string, ids []string) (int, error) {
	return r.change(ctx, "/admin/parked/drop", instance, ids)
}

func (r remote) change(ctx context.Context, path, instance string, ids []string) (int, error) {
	var out struct{ Count int }
	err := r.call(ctx, http.MethodPost, path, map[string]any{"instance": instance, "ids": ids}, &out)
	return out.Count, err
}

// call makes one call to the operations server of this machine.
func (r remote) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Butler-Admin", "1")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var told struct{ Error, Detail, Mend string }
		_ = json.NewDecoder(resp.Body).Decode(&told)
		return fmt.Errorf("%s: %s: %s (%s)", r.address, told.Error, told.Detail, told.Mend)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
