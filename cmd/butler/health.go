package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout bounds the whole check.
const healthTimeout = 2 * time.Second

func newHealth() *cobra.Command {
	var o runOptions
	var port int
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Check whether the running service is healthy; for containers",
		Long: `Asks the service on this machine, at dockerHealthCheck.port of its configuration,
whether it is healthy. The exit code is 0 when it is, and 1 when it is not, does not
answer within two seconds, or dockerHealthCheck.enable is not true.`,
		Example: `  butler health -c butler.yaml
  HEALTHCHECK CMD ["butler", "health"]      in a container file, with ` + configEnv + ` set`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port == 0 {
				found, err := o.healthPort()
				if err != nil {
					return err
				}
				port = found
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			return askHealth(ctx, port, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&o.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` of the service; also "+configEnv)
	cmd.Flags().IntVar(&port, "port", 0, "ask at this `port` instead of the one of the configuration")
	return cmd
}

// healthPort returns the port that the configuration names.
func (o *runOptions) healthPort() (int, error) {
	o.skipVerification = true // other problems of the configuration do not matter here
	cfg, err := o.load(nil)
	if err != nil {
		return 0, err
	}
	section := cfg.HealthCheck()
	if !section.Enable {
		return 0, errors.New("the health check is switched off: set dockerHealthCheck.enable to true")
	}
	return section.Port, nil
}

// maxHealthAnswer bounds what is read of an answer.
const maxHealthAnswer = 64 << 10

// askHealth prints the status, and returns an error unless the service is healthy.
func askHealth(ctx context.Context, port int, out io.Writer) error {
	address := net.JoinHostPort("localhost", strconv.Itoa(port))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/health", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if nobodyListens(err) {
		return fmt.Errorf("the service does not run, or not with this file or at this port: name another with -c or --port: %w", err)
	}
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	defer resp.Body.Close()
	var answer struct{ Status, Reason string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxHealthAnswer)).Decode(&answer); err != nil {
		return fmt.Errorf("%s answers %s and no JSON: is this the health check of butler?", address, resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the service is %s: %s", shown(answer.Status), shown(answer.Reason))
	}
	_, err = fmt.Fprintln(out, shown(answer.Status))
	return err
}
