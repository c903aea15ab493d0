package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"butler/internal/apikey"
	"butler/internal/apikey/keyfile"
	"butler/internal/text"
)

// keyOptions locate the file of API keys.
type keyOptions struct {
	run    runOptions
	asJSON bool
}

// lockTimeout bounds the wait for another process that changes the file.
const lockTimeout = 10 * time.Second

func newAPIKey() *cobra.Command {
	var o keyOptions
	cmd := &cobra.Command{
		Use:   "apikey",
		Short: "Create, list and revoke keys for the REST API",
		Long: `A script or another system calls the REST API with a key. A key has scopes:

  read    read what there is: tasks, apps, schedules, states
  start   start tasks; with --tag only those that have one of these tags
  kv      read and write the key-value store
  files   copy, move and delete files in the approved directories
  events  deliver events of Qlik Cloud
  admin   everything

A key is shown once, when it is created. The file (restServerConfig.auth.keyFile)
holds only a hash of it, so it cannot be shown again. A running service picks up
every change within a second or two.`,
		Example: `  butler apikey create -c butler.yaml --name "load scripts" --scope start,kv --tag finance --expires 90d
  butler apikey list -c butler.yaml
  butler apikey revoke -c butler.yaml 0123456789abcdef`,
		Args: usageArgs(noSuchCommand), RunE: showHelp,
	}
	cmd.SetFlagErrorFunc(usageOption)
	f := cmd.PersistentFlags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` of the service; also "+configEnv)
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	cmd.AddCommand(newKeyCreate(&o), newKeyList(&o), newKeyRevoke(&o))
	return cmd
}

// file returns the file of keys that the configuration names.
func (o *keyOptions) file() (keyfile.File, error) {
	o.run.skipVerification = true // a leaked key can be revoked whatever else is wrong in the file
	cfg, err := o.run.load(nil)
	if err != nil {
		return keyfile.File{}, err
	}
	var path string
	if err := cfg.Section("restServerConfig.auth.keyFile", &path); err != nil {
		return keyfile.File{}, err
	}
	return keyfile.New(cfg.Path(path)), nil
}

// keyChoice holds the options of create.
type keyChoice struct {
	name, expires string
	scopes, tags  []string
}

func newKeyCreate(o *keyOptions) *cobra.Command {
	var choice keyChoice
	cmd := &cobra.Command{
		Use: "create", Short: "Create a key and print it; it cannot be shown again", Args: usageArgs(noArguments),
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := choice.read(time.Now())
			if err != nil {
				return usageError{err}
			}
			return o.create(cmd.Context(), want, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&choice.name, "name", "", "who uses the key, for logs and the list")
	f.StringSliceVar(&choice.scopes, "scope", nil, "what it allows: read, start, kv, files, events, admin; may be repeated")
	f.StringArrayVar(&choice.tags, "tag", nil, "start only tasks with this `tag`; may be repeated")
	f.StringVar(&choice.expires, "expires", "", "how long it is valid, such as 12h, 90d or 4w; by default until it is revoked")
	return cmd
}

// read checks the options.
func (c keyChoice) read(now time.Time) (apikey.Request, error) {
	want := apikey.Request{Name: c.name, Tags: c.tags}
	if err := apikey.CheckName(c.name); err != nil {
		return want, fmt.Errorf("--name: %w%s", err, didYouMean(apikey.TidyName(c.name)))
	}
	for _, given := range c.scopes {
		scope := apikey.Scope(given)
		if all := apikey.Scopes(); !slices.Contains(all, scope) {
			return want, fmt.Errorf("--scope %s is none of %s%s", shown(given), joined(all), didYouMean(text.Nearest(given, texts(all))))
		}
		if !slices.Contains(want.Scopes, scope) {
			want.Scopes = append(want.Scopes, scope)
		}
	}
	if len(want.Scopes) == 0 {
		return want, fmt.Errorf("--scope is needed: %s", joined(apikey.Scopes()))
	}
	if c.expires != "" {
		lifetime, err := lifetimeOf(c.expires)
		if err != nil {
			return want, err
		}
		want.Expires = now.Add(lifetime)
	}
	return want, want.Check(now)
}

func texts(scopes []apikey.Scope) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

func joined(scopes []apikey.Scope) string { return strings.Join(texts(scopes), ", ") }

// didYouMean is the end of an error about something misspelt, "" without a suggestion.
func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", near)
}

// maxLifetime is ten years.
const maxLifetime = 3650 * 24 * time.Hour

// lifetimeOf reads a number of hours, days or weeks.
func lifetimeOf(text string) (time.Duration, error) {
	units := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	digits := strings.TrimRight(text, "hdw")
	n, err := strconv.ParseUint(digits, 10, 16)
	unit, ok := units[text[len(digits):]]
	switch {
	case err == nil && digits == text:
		return 0, fmt.Errorf("--expires %s has no unit (did you mean %sd?)", text, text)
	case err != nil || !ok:
		return 0, fmt.Errorf("--expires %s is not a time such as 12h, 90d or 4w", shown(text))
	case n == 0 || time.Duration(n)*unit > maxLifetime:
		return 0, fmt.Errorf("--expires %s is not between 1h and 3650d", text)
	}
	return time.Duration(n) * unit, nil
}

// create makes a key. Only the key goes to out, so that it can be piped.
func (o *keyOptions) create(ctx context.Context, want apikey.Request, out, notes io.Writer) error {
	file, err := o.file()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	key, text, err := file.Issue(ctx, rand.Reader, want)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = printJSON(out, struct {
			apikey.Key
			Text string `json:"key"`
		}{key, text.Reveal()})
	} else {
		_, err = fmt.Fprintln(out, text.Reveal())
	}
	if err != nil {
		return fmt.Errorf("the key %s is made, but cannot be printed: revoke it and create another: %w", key.ID, err)
	}
	if !o.asJSON {
		fmt.Fprintf(notes, "The key %s of %s is in %s; it allows %s, %s.\nIt cannot be shown again: store it now.\n",
			key.ID, key.Name, file.Path(), allows(key), until(key))
	}
	return nil
}

// allows lists the scopes and tags of a key.
func allows(k apikey.Key) string {
	said := joined(k.Scopes)
	if len(k.Tags) > 0 {
		said += fmt.Sprintf(" (tasks with the tag %s)", shown(strings.Join(k.Tags, " or ")))
	}
	return said
}

func until(k apikey.Key) string {
	if k.Expires.IsZero() {
		return "until it is revoked"
	}
	return "until " + moment(k.Expires)
}

// listedKey is a key with its current state.
type listedKey struct {
	apikey.Key
	// State is active, expired or revoked.
	State string `json:"state"`
}

func newKeyList(o *keyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys, the oldest first", Args: usageArgs(noArguments),
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := o.file()
			if err != nil {
				return err
			}
			ring, err := file.Read()
			if err != nil {
				return err
			}
			list := []listedKey{}
			for _, k := range ring.Keys() {
				state := "active"
				if ended := k.Ended(time.Now()); ended != "" {
					state = string(ended)
				}
				list = append(list, listedKey{k, state})
			}
			if o.asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printKeys(cmd.OutOrStdout(), list, file.Path())
		},
	}
}

func printKeys(out io.Writer, list []listedKey, path string) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(out, "no key is in %s\n", path)
		return err
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tSTATE\tCREATED\tEXPIRES\tSCOPES\tTAGS")
	for _, k := range list {
		expires := "never"
		if !k.Expires.IsZero() {
			expires = moment(k.Expires)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.State, moment(k.Created),
			expires, joined(k.Scopes), shown(strings.Join(k.Tags, ", ")))
	}
	return table.Flush()
}

func newKeyRevoke(o *keyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a key for good", Args: usageArgs(one("the ID of a key, see butler apikey list")),
		Long: `Revokes a key for good: calls with it are refused within a second or two. Instead of
the ID, the key itself may be given.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := o.file()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), lockTimeout)
			defer cancel()
			key, err := file.Revoke(ctx, args[0])
			if errors.Is(err, apikey.ErrNoSuchKey) {
				return fmt.Errorf("%w%s", err, otherKey(file, args[0]))
			}
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(cmd.OutOrStdout(), key)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the key %s of %s is revoked since %s\n", key.ID, key.Name, moment(key.Revoked))
			return err
		},
	}
}

// otherKey suggests the keys that may be meant by an unknown ID.
func otherKey(file keyfile.File, given string) string {
	ring, err := file.Read()
	if err != nil {
		return ""
	}
	var ids, named []string
	for _, k := range ring.Keys() {
		ids = append(ids, k.ID)
		if k.Name == given {
			named = append(named, k.ID)
		}
	}
	if len(named) > 0 {
		return fmt.Sprintf("; keys of this name: %s", strings.Join(named, ", "))
	}
	return didYouMean(text.Nearest(given, ids))
}
