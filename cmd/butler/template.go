package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"butler/internal/app"
	"butler/internal/tryout"
)

// previewOptions are the options of template preview.
type previewOptions struct {
	adminOptions
	tryout.PreviewOptions
	event, form, execution, template, page string
}

// The forms of a sample alert.
const (
	formComplete = "complete"
	formDegraded = "degraded"
)

func newTemplate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "template",
		Short: "See what messages look like without sending them, and change that",
		Args:  noSuchCommand,
		RunE:  showHelp,
	}
	cmd.AddCommand(newPreview(), newExport())
	return cmd
}

func newPreview() *cobra.Command {
	var o previewOptions
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show what would be sent through a destination; send nothing",
		Long: `Prints the message that a destination would send, as its provider gets it (JSON is
indented): for a sample alert, or with --execution for an execution that is still in
the journal. That is the recorded alert if one is waiting or parked, and otherwise the
alert that follows from the event alone. The journal is read through the running
service, or directly when the service does not run.

A template that cannot be used is reported with file, line and reason, and the exit
code is 1; the message that would be sent instead is printed. Notes about the message
go to standard error.`,
		Example: `  butler template preview -c butler.yaml --destination slack/reload_task_failed
  butler template preview -c butler.yaml --destination email/reload_task_failed --html page.html
  butler template preview -c butler.yaml --destination slack/reload_task_failed --template new.handlebars
  butler template preview -c butler.yaml --destination email/reload_task_failed --execution 0f1e...`,
		Args: usageArgs(noArguments),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.show(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.SetFlagErrorFunc(usageOption)
	f := cmd.Flags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` (.yaml); also "+configEnv)
	f.StringVar(&o.address, "address", "", "`host:port` of the service's operations server, for --execution")
	f.StringVar(&o.Destination, "destination", "", "destination `instance`, such as email/reload_task_failed")
	f.StringVar(&o.event, "event", "", "alert `kind` to show, such as reload_task_failed; by default the first of the destination")
	f.StringVar(&o.form, "form", formComplete, "sample to show: complete, or degraded with only what the event says")
	f.StringVar(&o.execution, "execution", "", "show the alert of this execution `ID` instead of a sample")
	f.StringVar(&o.template, "template", "", "try this template `file` instead of the configured one")
	f.StringVar(&o.page, "html", "", "write the HTML part of a mail to this `file`, for a browser")
	return cmd
}

// read checks the options.
func (o *previewOptions) read() error {
	switch {
	case o.Destination == "":
		return errors.New("--destination is needed: see butler check for the names")
	case o.form != formComplete && o.form != formDegraded:
		return fmt.Errorf("--form %s is neither %s nor %s", shown(o.form), formComplete, formDegraded)
	case o.execution != "" && o.form != formComplete:
		return errors.New("--form is for samples and cannot be combined with --execution")
	}
	o.Degraded = o.form == formDegraded
	if o.event != "" {
		kinds, err := kindsOf([]string{o.event})
		if err != nil {
			return err
		}
		o.Kind = kinds[0]
	}
	if o.template != "" {
		absolute, err := filepath.Abs(o.template)
		if err != nil {
			return err
		}
		o.Template = absolute
	}
	return nil
}

// show prints the message to out, and notes and problems to notes.
func (o *previewOptions) show(ctx context.Context, out, notes io.Writer) error {
	if err := o.read(); err != nil {
		return usageError{err}
	}
	if o.execution != "" {
		err := o.with(ctx, func(c adminClient) error {
			found, err := c.Alerts(ctx, o.execution)
			if err != nil {
				return err
			}
			return convert(found, &o.Stored)
		})
		if err != nil {
			return err
		}
	}
	o.run.skipVerification = true // problems of other destinations do not matter here
	cfg, err := o.run.load(nil)
	if err != nil {
		return err
	}
	for _, p := range cfg.Ignored() {
		fmt.Fprintf(notes, "%v\n", p)
	}
	preview, err := app.ShowMessage(cfg, o.PreviewOptions)
	if err != nil {
		return err
	}
	for _, note := range preview.Notes {
		fmt.Fprintf(notes, "note: %s\n", shown(note))
	}
	if _, err := fmt.Fprintln(out, shownText(preview.Text)); err != nil {
		return err
	}
	if o.page != "" {
		if err := writePage(o.page, preview.Text); err != nil {
			return err
		}
	}
	if len(preview.Problems) == 0 {
		return nil
	}
	for _, problem := range preview.Problems {
		fmt.Fprintf(notes, "butler: %s\n", shown(problem))
	}
	return errReported
}

// shownText is like shown, for text of several lines. JSON is indented.
func shownText(text string) string {
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(text), "", "  ") == nil {
		text = indented.String()
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r), r == '\n', r == '\t':
			return r
		case r == '\r':
			return -1
		}
		return '?'
	}, strings.TrimRight(text, "\r\n"))
}

// writePage writes the HTML part of a mail to a file.
func writePage(file, message string) error {
	page, err := pageOf(message)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return os.WriteFile(file, page, 0o600)
}

var errNoPage = errors.New("the message has no HTML part, only mails do")

// pageOf returns the HTML part of a mail.
func pageOf(message string) ([]byte, error) {
	m, err := mail.ReadMessage(strings.NewReader(message))
	if err != nil {
		return nil, errNoPage
	}
	media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(media, "multipart/") {
		return nil, errNoPage
	}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := parts.NextPart() // which decodes it, too
		if err != nil {
			return nil, errNoPage
		}
		if media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); media != "text/html" {
			continue
		}
		var page bytes.Buffer
		_, err = page.ReadFrom(part)
		return bytes.ReplaceAll(page.Bytes(), []byte("\r\n"), []byte("\n")), err
	}
}

// convert decodes alerts into their type, whether they came over HTTP or from the journal.
func convert(found, into any) error {
	raw, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
