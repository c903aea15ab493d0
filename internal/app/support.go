package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"butler/config"
	"butler/internal/buildinfo"
	"butler/internal/doctor"
	"butler/internal/journal/jetstream"
	"butler/internal/logx"
	"butler/internal/support"
)

// SupportOptions configure a support bundle.
type SupportOptions struct {
	// Config is the configuration, loaded in spite of its problems; nil when it cannot
	// be read at all. Problem is the error of loading it, nil without one.
	Config  *config.Config
	Problem error
	// Ask sends a GET request to the operations server of the running service and
	// returns the body of the response.
	Ask func(ctx context.Context, path string) (string, error)
	// Offline skips the checks that contact other machines.
	Offline bool
	// Logs are further logs to include.
	Logs []SupportLog
}

// SupportLog is a log that the service does not write itself, under its name in the
// bundle.
type SupportLog struct {
	Name string
	From io.Reader
}

const (
	// supportTime bounds the whole collection.
	supportTime = time.Minute
	// supportCheck bounds each check of the doctor; they run concurrently.
	supportCheck = 10 * time.Second
	// supportLogs bounds, in bytes, the log files together and each further log.
	supportLogs = 6 << 20
)

// answersOfService are the paths of the operations server that are included.
var answersOfService = []struct{ path, file, about string }{
	{"/health", "service/health.json", "every component with its state and reason"},
	{"/readyz", "service/readyz.txt", "whether events are taken"},
	{"/metrics", "service/metrics.txt", "all numbers"},
	{"/admin/destinations", "service/destinations.json", "what waits for each destination, and its last error"},
	{"/admin/parked?limit=100", "service/parked.json", "messages that could not be delivered, without their content"},
	{"/admin/quarantine?limit=100", "service/quarantine.json", "datagrams that were refused, and why"},
	{"/admin/profile/goroutine", "service/goroutines.txt", "what every goroutine is doing"},
}

// WriteSupportBundle writes a zip file that describes this installation for support,
// without its secrets. It changes nothing and does not open the journal, so it works
// whether or not the service runs.
func WriteSupportBundle(ctx context.Context, out io.Writer, o SupportOptions) error {
	ctx, cancel := context.WithTimeout(ctx, supportTime)
	defer cancel()
	now := time.Now()
	var secrets []string
	if o.Config != nil {
		var err error
		if secrets, err = o.Config.Secrets(); err != nil {
			return fmt.Errorf("find out what is secret: %w", err)
		}
	}
	b := support.New(out, support.NewScrubber(secrets), now)
	b.Add("version.txt", "what this program is", buildinfo.Read().Describe())
	b.Add("platform.txt", "the machine", platform())
	supportConfig(b, o)
	if o.Config != nil {
		b.Add("certificates.txt", "certificates that the configuration names: subject and end, never keys", support.Certificates(namedFiles(o.Config), now))
		supportJournal(b, o.Config.Journal())
		b.Add("doctor.txt", "what butler doctor finds", Diagnose(ctx, o.Config, doctor.Options{Offline: o.Offline, Timeout: supportCheck}).Text())
	}
	for _, a := range answersOfService {
		b.Try(a.file, a.about, func() (string, error) { return o.Ask(ctx, a.path) })
	}
	supportLog(b, o)
	return b.Close(fmt.Sprintf(supportPreface, now.UTC().Format(time.RFC3339)))
}

// supportPreface begins the README of a bundle.
const supportPreface = `Support bundle of butler, made at %s

Passwords, tokens, keys, web addresses that are keys and everything that the
configuration takes from ${env:...} and ${file:...} stand here as ***. In
configuration.yaml hosts, users and recipients are masked, too. Logs, metrics and
lists do name tasks, apps, machines and recipients: look through them before you
give the bundle to somebody whom that does not concern.

A file that says "not complete" tells why. "connection refused" in service/ means
that the service did not run, or that operations.port is another one.
`

// supportConfig adds the configuration in effect, and what is wrong with it.
func supportConfig(b *support.Bundle, o SupportOptions) {
	var notes strings.Builder
	if o.Problem != nil {
		fmt.Fprintf(&notes, "%v\n", o.Problem)
	}
	if o.Config == nil {
		b.Add("configuration-check.txt", "why there is no configuration", notes.String())
		return
	}
	b.Try("configuration.yaml", "the configuration in effect, and where each value came from", func() (string, error) {
		shown, err := o.Config.Shown(config.MaskPrivate)
		return shown.YAML, err
	})
	for _, p := range slices.Concat(o.Config.Ignored(), o.Config.Warnings()) {
		fmt.Fprintln(&notes, p)
	}
	for _, line := range o.Config.Notes() {
		fmt.Fprintln(&notes, "note:", line)
	}
	if notes.Len() == 0 {
		notes.WriteString("no problems\n")
	}
	b.Add("configuration-check.txt", "what is wrong with the configuration, as this user and environment see it", notes.String())
}

// supportJournal adds what can be read from the journal's files without opening it.
func supportJournal(b *support.Bundle, section config.Journal) {
	if section.InMemory {
		return
	}
	b.Try("journal/files.txt", "the files of the journal", func() (string, error) { return support.List(section.Directory) })
	b.Try("journal/statistics.txt", "the logs of the journal; exact after an orderly end, else from the last start", func() (string, error) {
		streams, orderly, err := jetstream.Survey(section.Directory)
		var out strings.Builder
		fmt.Fprintf(&out, "ended in order: %t\n", orderly)
		for _, s := range streams {
			fmt.Fprintf(&out, "%s: records from %d up to before %d, %d missing, %d files of %d bytes\n", s.Stream, s.First, s.Next, s.Missing, s.Blocks, s.Bytes)
		}
		return out.String(), err
	})
	crashes, err := support.Logs(section.Directory, "crash*.txt", supportLogs)
	for _, file := range crashes {
		if file.Text != "" {
			b.Add("journal/"+file.Name, "how a process ended that crashed", file.Text)
		}
	}
	if err != nil {
		b.Add("journal/crashes.txt", "why there are no reports of crashes", err.Error()+"\n")
	}
}

// supportLog adds the newest lines of the log.
func supportLog(b *support.Bundle, o SupportOptions) {
	if o.Config != nil && o.Config.Log().ToFiles {
		files, err := support.Logs(o.Config.Log().Directory, logx.FilePattern, supportLogs)
		for _, file := range files {
			b.Add("logs/"+file.Name, "the newest lines of this day", file.Text)
		}
		if err != nil {
			b.Add("logs/problem.txt", "why logs are missing", err.Error()+"\n")
		}
	} else if len(o.Logs) == 0 {
		b.Add("logs/none.txt", "why there is no log", "The service writes no log files (fileLogging). Where systemd has the log:\n"+
			"  journalctl -u butler -o cat --since -1d | butler support-bundle -c FILE --log -\n")
	}
	for _, log := range o.Logs {
		b.Try("logs/"+log.Name, "a log that --log named", func() (string, error) { return support.Tail(log.From, supportLogs) })
	}
}

// platform describes the machine, one fact per line.
func platform() string {
	facts := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(hostBasics(), hostDetails()) {
		f.AddTo(facts)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(facts.Fields)) {
		fmt.Fprintf(&out, "%s: %v\n", name, facts.Fields[name])
	}
	return out.String()
}

func namedFiles(cfg *config.Config) []support.NamedFile {
	var out []support.NamedFile
	for _, f := range cfg.NamedFiles() {
		out = append(out, support.NamedFile{Key: f.Path, Path: f.File})
	}
	return out
}
