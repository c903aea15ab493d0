package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"butler/internal/address"
	"butler/internal/udp"
	"butler/messages"
)

func newSend() *cobra.Command {
	var o runOptions
	var to string
	var raw string
	e := messages.TaskEvent{}
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Send one task event by hand, as a Qlik Sense node would",
		Long: `Sends one datagram, to try out a configuration: the service treats it as if a node
had sent it. A datagram gets no answer: look at the log of the service, or at
"butler quarantine list" when it was refused.

It goes to udpServerConfig.serverHost and portTaskFailure of the configuration; without
a file that is port 9998 of this machine. The service refuses it if
enableSourceValidation is on and allowedSources does not have the address of this
machine; send says so.`,
		Example: `  butler send -c butler.yaml --task-id f1e2d3c4-b5a6-7890-1234-567890abcdef --task-name "Daily sales"
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
			target, err := intakeOf(&o, to)
			if err != nil {
				return err
			}
			from, err := sendDatagram(cmd.Context(), target.address, payload)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "sent %d bytes to %s\n%s\n", len(payload), target.address, payload); err != nil {
				return err
			}
			if !target.admits(cmd.Context(), from) {
				_, err = fmt.Fprintf(cmd.ErrOrStderr(), "the service refuses this event: it comes from %s, which udpServerConfig.allowedSources does not have\n", from)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.configFile, "configfile", "c", os.Getenv(configEnv), "configuration `file` of the service, to find it; also "+configEnv)
	f.StringVar(&to, "to", "", "`host:port` of the service, instead of the one of the configuration")
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

// intake is where a service takes events.
type intake struct {
	address string
	// sources is its allow-list of senders, nil when anybody may send or it is not known.
	sources []string
}

// intakeOf returns the intake at an address, or without one that of the configuration.
func intakeOf(o *runOptions, to string) (intake, error) {
	if to != "" {
		return intake{address: to}, nil
	}
	o.skipVerification = true // other problems of the configuration do not matter here
	cfg, err := o.load(nil)
	if err != nil {
		return intake{}, err
	}
	section := cfg.UDP()
	switch {
	case !section.Enable:
		return intake{}, errors.New("the service takes no events: set udpServerConfig.enable to true")
	case section.Port == 0:
		return intake{}, errors.New("udpServerConfig.portTaskFailure is 0, so the log of the service has the port: name it with --to")
	}
	host := address.Reachable(section.Host)
	if host == "localhost" {
		host = "127.0.0.1" // and never ::1, where a socket for IPv4 does not listen
	}
	out := intake{address: address.Join(host, section.Port)}
	if section.ValidateSources {
		out.sources = section.AllowedSources
	}
	return out, nil
}

// admits reports whether a sender may send, as far as this can be known here.
func (i intake) admits(ctx context.Context, from netip.Addr) bool {
	list, err := udp.NewAllowList(i.sources, net.DefaultResolver)
	if err != nil {
		return true // of an empty list, too: nobody checks
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	allowed, err := list.Resolve(ctx, nil)
	return err != nil || !allowed.Complete() || allowed.Contains(from)
}

// resolveTime bounds the look-up of host names in the allow-list.
const resolveTime = 2 * time.Second

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

// sendDatagram sends payload and returns the address that it came from. It returns an
// error when nobody listens at the address and the network says so.
func sendDatagram(ctx context.Context, to string, payload []byte) (netip.Addr, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("open a socket to %s: %w", to, err)
	}
	defer conn.Close()
	if _, err := conn.Write(payload); err != nil {
		return netip.Addr{}, fmt.Errorf("send to %s: %w", to, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(refusalTime)); err != nil {
		return netip.Addr{}, err
	}
	if _, err := conn.Read(make([]byte, 1)); nobodyListens(err) {
		return netip.Addr{}, fmt.Errorf("nobody listens on %s: does the service run there, and is udpServerConfig.enable true?", to)
	}
	from, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return from.Addr(), err
}

// hostName returns the name of this machine, for events sent by hand.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
