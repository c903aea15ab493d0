package main

import (
	"fmt"
	"net"
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
		Example: `  butler send --task-id f1e2d3c4-b5a6-7890-1234-567890abcdef --task-name "Daily sales"
  butler send --type /scheduler-task-success/ --task-id f1e2d3c4-b5a6-7890-1234-567890abcdef
  butler send --raw '/scheduler-reload-failed/;host;...'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			payload := []byte(raw)
			if raw == "" {
				if e.ExecutionID == "" {
					e.ExecutionID = uuid.NewString()
				}
				e.LogTimestamp = strings.Replace(time.Now().Format("2006-01-02 15:04:05.000"), ".", ",", 1)
				composed, err := udp.Compose(e)
				if err != nil {
					return err
				}
				payload = composed
			}
			conn, err := new(net.Dialer).DialContext(cmd.Context(), "udp", to)
			if err != nil {
				return fmt.Errorf("open a socket to %s: %w", to, err)
			}
			defer conn.Close()
			if _, err := conn.Write(payload); err != nil {
				return fmt.Errorf("send to %s: %w", to, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "sent %d bytes to %s\n%s\n", len(payload), to, payload)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "127.0.0.1:9998", "host:port of the service")
	f.StringVar(&raw, "raw", "", "send exactly this text instead")
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

func newAppender() *cobra.Command {
	var host, set string
	var port int
	cmd := &cobra.Command{
		Use:   "appender",
		Short: "Print the log appender file that makes a Qlik Sense node send its task events",
		Long: `Prints LocalLogConfig.xml. Put it into C:\ProgramData\Qlik\Sense\Scheduler on every
node that runs a scheduler; the scheduler reads it without a restart.`,
		Example: `  butler appender --host 10.0.0.5 > LocalLogConfig.xml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			xml, err := udp.AppenderXML(host, port, udp.AppenderSet(set))
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(xml)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "address of the machine that runs the service, as the nodes see it")
	f.IntVar(&port, "port", 9998, "its UDP port")
	f.StringVar(&set, "set", string(udp.AppendersAll), "which events")
	_ = cmd.MarkFlagRequired("host")
	return cmd
}
