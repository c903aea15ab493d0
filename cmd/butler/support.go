package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"butler/api/operations"
	"butler/config"
	"butler/internal/app"
)

func newSupportBundle() *cobra.Command {
	var o adminOptions
	var target string
	var options app.SupportOptions
	var logs []string
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Write a zip file with diagnostics for whoever helps you, without secrets",
		Long: `Writes a zip file with what somebody needs to diagnose a problem: version, machine,
the configuration in effect with everything private masked, the state of the running
service, the end of its log, its certificates, a list of the files of its journal,
and what butler doctor finds. Its README.txt describes the content. It works whether
the service runs or not, and changes nothing.

Secrets are masked: those of the configuration wherever they occur, and whatever
looks like one. Run it with the environment of the service, so that it knows the
values of ${env:...}.`,
		Example: `  butler support-bundle -c butler.yaml
  journalctl -u butler -o cat --since -1d | butler support-bundle -c /etc/butler/butler.yaml --log -`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := target
			if path == "" {
				path = "butler-support-" + time.Now().UTC().Format("20060102T150405Z") + ".zip"
			}
			return o.bundle(cmd, path, logs, options)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.run.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` of the service; also "+configEnv)
	f.StringVar(&o.address, "address", "", "`host:port` of the service's operations server, instead of that of the configuration")
	f.StringVarP(&target, "output", "o", "", "`file` to write; it must not exist yet")
	f.BoolVar(&options.Offline, "offline", false, "skip the checks that contact other machines")
	f.StringArrayVar(&logs, "log", nil, "also add the end of this log `file`; - is standard input; may be repeated")
	return cmd
}

// bundle writes the bundle to a file that only its owner may read.
func (o *adminOptions) bundle(cmd *cobra.Command, path string, logs []string, options app.SupportOptions) (err error) {
	options.Config, options.Problem = o.whatCanBeLoaded()
	var service remote
	switch {
	case o.address != "":
		if service, err = o.addressed(); err != nil {
			return err
		}
	case options.Config != nil && options.Config.Operations().Enable:
		service = o.service(options.Config)
	}
	options.Ask = service.text
	for _, name := range logs {
		from := cmd.InOrStdin()
		if name != "-" {
			file, err := os.Open(name)
			if err != nil {
				return err
			}
			defer file.Close()
			from = file
		}
		options.Logs = append(options.Logs, app.SupportLog{Name: fmt.Sprintf("further-%d.log", len(options.Logs)+1), From: from})
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(app.WriteSupportBundle(cmd.Context(), file, options), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	if options.Config == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%v\nbutler: there is no configuration in the bundle, and its secrets are not known: only what looks like a secret is masked\n", options.Problem)
	} else if len(options.Config.Ignored()) > 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "butler: the configuration has problems here, see configuration-check.txt in the bundle; a secret that it takes from a variable or a file that is not there is not known, and only masked if it looks like one")
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s written; secrets are masked, names of tasks and machines are not: see its README.txt\n", filepath.Clean(path))
	return err
}

// whatCanBeLoaded returns the configuration in spite of its problems, or nil and the
// reason.
func (o *adminOptions) whatCanBeLoaded() (*config.Config, error) {
	o.run.skipVerification = true
	return o.run.load(app.Inspection{Elsewhere: true}.Findings)
}

// supportTimeout bounds one call to the service, maxSupportAnswer its answer.
const (
	supportTimeout   = 10 * time.Second
	maxSupportAnswer = 8 << 20
)

// text returns what the operations server answers, whatever the status.
func (r remote) text(ctx context.Context, path string) (string, error) {
	if r.address == "" {
		return "", errors.New("it is not known where to reach the service: operations.enable is false, or the configuration cannot be read; name its address with --address")
	}
	ctx, cancel := context.WithTimeout(ctx, supportTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+path, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set(operations.AdminHeader, "1")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	r.tellOther(os.Stderr, resp.Header)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSupportAnswer))
	if resp.StatusCode != http.StatusOK && err == nil {
		err = fmt.Errorf("the service answered %s", resp.Status)
	}
	var lines bytes.Buffer
	if json.Indent(&lines, body, "", " ") == nil {
		body = lines.Bytes() // long lines are cut in the bundle
	}
	return string(body) + "\n", err
}
