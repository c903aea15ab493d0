package udp

import (
	"bytes"
	_ "embed" // for the template of the file
	"encoding/xml"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
)

// AppenderSet says which tasks a node shall report.
type AppenderSet string

const (
	// AppendersAll reports every type of task.
	AppendersAll AppenderSet = "all"
	// AppendersReload reports what the scheduler says of sessions, which is where
	// reload tasks live, and leaves out the distribution of apps.
	AppendersReload AppenderSet = "reload"
)

// AppenderSets lists the sets by name.
func AppenderSets() []AppenderSet { return []AppenderSet{AppendersAll, AppendersReload} }

const (
	sessionLogger = "System.Scheduler.Scheduler.Master.Task.TaskSession"
	workerLogger  = "System.Scheduler.Scheduler.Slave.Tasks.ReloadTask"
)

// fieldPattern is fields 2 to 11 in log4net's pattern language.
const fieldPattern = "%hostname;%property{TaskName};%property{AppName};%property{User};" +
	"%property{TaskId};%property{AppId};%date;%level;%property{ExecutionId};%message"

// appender is one log4net appender: which lines it catches and as what it sends them.
type appender struct {
	Name, Purpose string
	// Triggers are texts of the scheduler's log; one of them in a line is enough.
	Triggers   []string
	identifier string
	logger     string
}

// Pattern is the whole datagram in log4net's pattern language.
func (a appender) Pattern() string { return a.identifier + ";" + fieldPattern }

var appenders = map[AppenderSet][]appender{
	AppendersAll: {
		{
			Name: "TaskFailLogger", Purpose: "A task has failed for good: after its last retry, or because it could not start.",
			Triggers:   []string{"Max retries reached", "Failed to start session", "Could not reserve an executor for task"},
			identifier: "/scheduler-task-failed/", logger: sessionLogger,
		},
		{
			Name: "TaskAbortLogger", Purpose: "Somebody or something stops a task.",
			Triggers:   []string{"Execution State Change to Aborting"},
			identifier: "/scheduler-task-aborted/", logger: sessionLogger,
		},
		{
			Name: "TaskSuccessLogger", Purpose: "A task has ended well.",
			Triggers:   []string{"Execution State Change to FinishedSuccess"},
			identifier: "/scheduler-task-success/", logger: sessionLogger,
		},
		{
			Name: "DistributionTaskLogger", Purpose: "A worker is done with the distribution of an app; the outcome is looked up.",
			Triggers:   []string{"Exiting execute of Distribute task request."},
			identifier: "/scheduler-distribute/", logger: workerLogger,
		},
	},
	AppendersReload: {
		{
			Name: "TaskFailureLogger", Purpose: "A reload task has failed for good, after its last retry.",
			Triggers:   []string{"Max retries reached"},
			identifier: "/scheduler-reload-failed/", logger: sessionLogger,
		},
		{
			Name: "AbortedReloadTaskLogger", Purpose: "Somebody or something stops a reload task.",
			Triggers:   []string{"Execution State Change to Aborting"},
			identifier: "/scheduler-reload-aborted/", logger: sessionLogger,
		},
		{
			Name: "ReloadTaskSuccessLogger", Purpose: "A reload task has ended well.",
			Triggers:   []string{"Execution State Change to FinishedSuccess"},
			identifier: "/scheduler-reloadtask-success/", logger: sessionLogger,
		},
	},
}

//go:embed appender.xml.tmpl
var appenderFile string

var appenderTemplate = template.Must(template.New("LocalLogConfig.xml").Funcs(template.FuncMap{
	"attr":    xmlAttribute,
	"comment": func(text string) string { return strings.ReplaceAll(text, "--", "- -") },
}).Parse(appenderFile))

// AppenderXML returns the LocalLogConfig.xml that makes the scheduler of a Qlik
// Sense node send its task events to host and port.
func AppenderXML(host string, port int, set AppenderSet) ([]byte, error) {
	chosen, ok := appenders[set]
	if !ok {
		return nil, fmt.Errorf("appender set %q is none of %v", set, AppenderSets())
	}
	if _, err := netip.ParseAddr(host); err != nil && !isHostName(host) {
		return nil, fmt.Errorf("%q is neither an IP address nor a host name", host)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		return nil, errors.New("nodes cannot send to " + host + ": name the address of this machine")
	}
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("port %d is not between 1 and 65535", port)
	}
	var out bytes.Buffer
	err := appenderTemplate.Execute(&out, struct {
		Host      string
		Port      int
		Appenders []appender
		Loggers   []logger
	}{host, port, chosen, loggersOf(chosen)})
	return out.Bytes(), err
}

// logger is one logger of the scheduler with the appenders that listen to it.
type logger struct {
	Name      string
	Appenders []string
}

// loggersOf groups appenders by logger: a second element of the same name would replace the first.
func loggersOf(chosen []appender) []logger {
	var out []logger
	for _, a := range chosen {
		i := slices.IndexFunc(out, func(l logger) bool { return l.Name == a.logger })
		if i < 0 {
			i = len(out)
			out = append(out, logger{Name: a.logger})
		}
		out[i].Appenders = append(out[i].Appenders, a.Name)
	}
	return out
}

func xmlAttribute(text string) (string, error) {
	var out strings.Builder
	err := xml.EscapeText(&out, []byte(text))
	return out.String(), err
}
