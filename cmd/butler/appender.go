package main

import (
	"errors"

	"github.com/spf13/cobra"

	"butler/internal/udp"
)

func newAppender() *cobra.Command {
	var host, set string
	var port int
	cmd := &cobra.Command{
		Use:   "appender",
		Short: "Print the log appender file that makes a Qlik Sense node send its task events",
		Long: `Prints LocalLogConfig.xml. Put it into C:\ProgramData\Qlik\Sense\Scheduler on every
node that runs a scheduler. If a node has such a file already, add these appenders
and loggers to it. Run a small task on the node to see whether it works: the metric
butler_node_last_event_timestamp_seconds has a line for every node that reports.`,
		Example: `  butler appender --host 10.0.0.5 > LocalLogConfig.xml`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if host == "" {
				return errors.New("--host is needed: the address of the machine that runs the service, as the nodes see it")
			}
			xml, err := udp.AppenderXML(host, port, udp.AppenderSet(set))
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(xml)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "`address` of the machine that runs the service, as the nodes see it")
	f.IntVar(&port, "port", 9998, "its UDP port")
	f.StringVar(&set, "set", string(udp.AppendersAll), "the tasks to report: all, or reload for reload tasks only")
	return cmd
}
