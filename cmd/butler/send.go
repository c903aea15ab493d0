package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"butler/internal/udp"
	"butler/messages"
)

func newSend() *cobra.Command {
	var to string
	var raw string
	e := messages.TaskEvent{}
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Send one task event by hand, as a Qlik Sense node would",
		Long: `Sends one datagram, to try out a configuration: the service treats it as if a node
had sent it. A datagram gets no answer: look at the log of the service, or at
"butler quarantine list" when it was refused.`,
		Example: `  butler send --task-id f1e2d3c4-b5a6-7890-1234-567890abcdef --task-name "Daily sales"
  butler send --type /scheduler-task-success/ --task-id f1e2d3c4-b5a6-7890-1234-567890abcdef
  butler send --raw '/scheduler-reload-failed/;host;...'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			payload := []byte(raw)
			if !cmd.Flags().Changed("raw") {
				composed, err := compose(e)
				if err != nil {
					return err
				}
				payload = composed
			}
			if err := sendDatagram(cmd.Context(), to, payload); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sent %d bytes to %s\n%s\n", len(payload), to, payload)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "127.0.0.1:9998", "`host:port` of the service")
	f.StringVar(&raw, "raw", "", "send exactly this `text` instead")
	f.StringVar(&e.MessageType, "type", "/scheduler-task-failed/", "message type: "+strings.Join(udp.Identifiers(), " "))
	f.StringVar(&e.HostName, "host", hostName(), "name of the node")
	f.StringVar(&e.TaskName, "task-name", "Test task", "name of the task")
	f.StringVar(&e.TaskID, "task-id", "", "GUID of the task")
	f.StringVar(&e.AppName, "app-name", "", "name of the app")
	f.StringVar(&e.AppID, "app-id", "", "GUID of the app")
	f.StringVar(&e.User, "user", `INTERNAL\sa_scheduler`, `user, DIRECTORY\name`)
	f.StringVar(&e.LogLevel, "level", "WARN", "log level")
	f.StringVar(&e.ExecutionID, "execution-id", "", "GUID of the execution; a new one when not given")
	f.StringVar(&e.LogMessage, "message", "Max retries reached", "log message")
	f.StringVar(&e.SessionID, "session-id", "", "session ID (engine messages)")
	return cmd
}

// compose returns the datagram of an event that happens now, with a new execution ID
// where none is given.
func compose(e messages.TaskEvent) ([]byte, error) {
	if e.TaskID == "" && e.MessageType != engineType {
		return nil, errors.New("--task-id is needed: the GUID of a task, as the QMC shows it")
	}
	if e.ExecutionID == "" {
		e.ExecutionID = uuid.NewString()
	}
	e.LogTimestamp = strings.Replace(time.Now().Format("2006-01-02 15:04:05.000"), ".", ",", 1)
	return udp.Compose(e)
}

// engineType is the one message type without a task.
const engineType = "/engine-reload-failed/"

// refusalTime is how long to wait for the ICMP error that says that nobody listens
// on a port of this machine.
const refusalTime = 100 * time.Millisecond

// sendDatagram sends payload. It returns an error when nobody listens at the address
// and the network says so.
func sendDatagram(ctx context.Context, to string, payload []byte) error {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to)
	if err != nil {
		return fmt.Errorf("open a socket to %s: %w", to, err)
	}
	defer conn.Close()
	if _, err := conn.Write(payload); err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(refusalTime)); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); nobodyListens(err) {
		return fmt.Errorf("nobody listens on %s: does the service run there, and is udpServerConfig.enable true?", to)
	}
	return nil
}

// hostName returns the name of this machine, for events sent by hand.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
