package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"

	"butler/config"
	"butler/deploy"
	"butler/internal/app"
)

// serviceName is what the service is called unless --name says otherwise.
const serviceName = "butler"

// serviceOptions describe the service to install.
type serviceOptions struct{ name, user, configFile string }

func newService() *cobra.Command {
	var o serviceOptions
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Install, start, stop and remove butler as a service of systemd or Windows",
		Example: `  sudo butler service install -c /etc/butler/butler.yaml
  sudo butler service start`,
		Args: noSuchCommand, RunE: showHelp,
	}
	cmd.PersistentFlags().StringVar(&o.name, "name", serviceName, "`name` of the service")
	install := &cobra.Command{
		Use:   "install",
		Short: "Install the service; it starts with the machine from then on",
		Long: `Checks the configuration, and installs a service that runs this program with it.

On Linux it is a hardened systemd unit; --print shows it. The check uses the variables
in the environment file of the unit, /etc/butler/secrets.env. On Windows the service
runs as LocalSystem, is restarted after a failure, and shuts down cleanly when it is
stopped.`,
		Args: noArguments,
	}
	install.Flags().StringVarP(&o.configFile, "configfile", "c", "", "configuration `file` (.yaml)")
	install.Flags().StringVar(&o.user, "user", "butler", "`account` that the systemd unit runs as")
	show := install.Flags().Bool("print", false, "print the systemd unit and install nothing")
	install.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.configFile == "" {
			return errors.New("-c is needed: the configuration file that the service runs with")
		}
		if *show {
			unit, err := o.unit()
			if err == nil {
				_, err = fmt.Fprint(cmd.OutOrStdout(), unit)
			}
			return err
		}
		return o.install(cmd)
	}
	cmd.AddCommand(install)
	for _, act := range []struct {
		use, short, done string
		do               func(service.Service) error
	}{
		{"start", "Start the service", "started", start},
		{"stop", "Stop the service cleanly", "stopped", service.Service.Stop},
		{"uninstall", "Stop and remove the service; configuration and journal stay", "removed", uninstall},
	} {
		cmd.AddCommand(&cobra.Command{Use: act.use, Short: act.short, Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := o.service("")
			if err == nil {
				err = act.do(s)
			}
			if err != nil {
				return fmt.Errorf("%s the service %s: %w", act.use, o.name, advised(err))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "service %s %s\n", o.name, act.done)
			return err
		}})
	}
	return cmd
}

// install checks the configuration and then installs the service.
func (o serviceOptions) install(cmd *cobra.Command) error {
	unit, err := o.unit()
	if err != nil {
		return err
	}
	environ := os.Environ()
	if runtime.GOOS == "linux" {
		secrets, err := environmentFiles(unit)
		if err != nil {
			return err
		}
		environ = append(environ, secrets...)
	}
	cfg, err := config.Load(config.Options{
		Path: o.configFile, Environ: environ, ReservedEnv: []string{configEnv}, Schemas: app.Schemas(),
		Inspect: func(cfg *config.Config) []config.Finding {
			found := app.Inspection{}.Findings(cfg)
			switch runtime.GOOS {
			case "linux":
				found = append(found, confined(cfg)...)
			case "windows":
				found = append(found, unheard(cfg)...)
			}
			return found
		},
	})
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), warning)
	}
	if runtime.GOOS == "linux" {
		if _, err := user.Lookup(o.user); err != nil {
			return fmt.Errorf("there is no account %s: make it with useradd --system --home-dir /var/lib/butler --shell /usr/sbin/nologin %s", o.user, o.user)
		}
	}
	s, err := o.service(unit)
	if err == nil {
		err = s.Install()
	}
	if err != nil {
		return fmt.Errorf("install the service %s: %w", o.name, advised(err))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "service %s installed; start it with: butler service start --name %s\n", o.name, o.name)
	return err
}

// advised adds to an error what to do about it if rights are missing.
func advised(err error) error {
	switch {
	case !errors.Is(err, fs.ErrPermission):
		return err
	case runtime.GOOS == "windows":
		return fmt.Errorf("%w (run this command as administrator)", err)
	}
	return fmt.Errorf("%w (run this command with sudo)", err)
}

// How long start watches on Windows, and how often it asks. Systemd itself waits until
// the service is ready.
const (
	startWatch = 3 * time.Second
	startPoll  = 200 * time.Millisecond
)

// start starts the service. Windows takes it for running as soon as its process exists,
// so a service of Windows is watched for a moment: most causes of a failure end it at once.
func start(s service.Service) error {
	if err := s.Start(); err != nil || runtime.GOOS != "windows" {
		return err
	}
	return stays(s)
}

// stays returns an error when a service that was just started ends.
func stays(s service.Service) error {
	for range startWatch / startPoll {
		time.Sleep(startPoll)
		if status, err := s.Status(); err == nil && status == service.StatusStopped {
			return errors.New("it ended again at once: the reason is in the event log Application, with the name of the service as source, and in the log files")
		}
	}
	return nil
}

// uninstall stops the service before it removes it: a process that nobody manages any
// more would go on, and keep the journal.
func uninstall(s service.Service) error {
	if status, err := s.Status(); err == nil && status == service.StatusRunning {
		if err := s.Stop(); err != nil {
			return fmt.Errorf("stop it first: %w", err)
		}
	}
	return s.Uninstall()
}

// Where the systemd unit lets the service write, and the directories that it hides.
const stateDirectory = "/var/lib/butler"

var hiddenDirectories = []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"}

// confined warns when the unit hides the configuration from the service, or keeps it
// from writing the journal, the log files or the schedules. The operator may change
// the unit, so these are warnings only.
func confined(cfg *config.Config) []config.Finding {
	var out []config.Finding
	warn := func(path, reason, suggestion string) {
		out = append(out, config.Finding{Path: path, Reason: reason, Suggestion: suggestion, Warning: true})
	}
	if hidden(cfg.BaseDir()) {
		warn("", "the service cannot see this file: its unit hides "+strings.Join(hiddenDirectories, ", "), "move it, for example to /etc/butler")
	}
	writes := func(key, path string) {
		if path != "" && !below(stateDirectory, path) {
			warn(key, fmt.Sprintf("the service cannot write to %s: its unit lets it write only to %s", path, stateDirectory),
				"choose a path there, or add this one to ReadWritePaths of the unit")
		}
	}
	if section := cfg.Journal(); !section.InMemory {
		writes("journal.directory", section.Directory)
	}
	if section := cfg.Log(); section.ToFiles {
		writes("logDirectory", section.Directory)
	}
	if section := cfg.Scheduler(); section.Enable {
		writes("scheduler.configfile", section.ConfigFile)
	}
	return out
}

// unheard warns of a service of Windows, which has no console, that logs to no file.
func unheard(cfg *config.Config) []config.Finding {
	if cfg.Log().ToFiles {
		return nil
	}
	return []config.Finding{{
		Path: "fileLogging", Warning: true,
		Reason: "is off, and nobody sees the console of a service", Suggestion: "set it to true, and logDirectory",
	}}
}

// hidden reports whether the unit hides a path from the service.
func hidden(path string) bool {
	return slices.ContainsFunc(hiddenDirectories, func(d string) bool { return below(d, path) })
}

// below reports whether a path is the directory or inside it.
func below(directory, path string) bool {
	return path == directory || strings.HasPrefix(path, directory+"/")
}

// service returns the service as the service manager of this system sees it.
func (o serviceOptions) service(unit string) (service.Service, error) {
	path, err := filepath.Abs(o.configFile)
	if err != nil {
		return nil, err
	}
	s, err := service.New(noProgram{}, &service.Config{
		Name: o.name, DisplayName: displayName(o.name), Description: "Alerts for Qlik Sense tasks",
		Arguments: []string{"run", "-c", path},
		Option: service.KeyValue{
			"SystemdScript": unit, "OnFailure": "restart", "OnFailureDelayDuration": "5s", "OnFailureResetPeriod": 60,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("find out how services are managed here: %w", err)
	}
	if p := s.Platform(); p != "linux-systemd" && p != "windows-service" {
		return nil, fmt.Errorf("services of %s are not supported; systemd and Windows are", p)
	}
	return s, nil
}

// displayName returns what lists of services show. Windows refuses a second service with
// the same one.
func displayName(name string) string {
	const product = "Butler for Qlik Sense"
	if name == serviceName {
		return product
	}
	return product + " (" + name + ")"
}

// unit returns the systemd unit for this program and the configuration.
func (o serviceOptions) unit() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find out where this program is: %w", err)
	}
	path, err := filepath.Abs(o.configFile)
	if err != nil {
		return "", err
	}
	return unitFor(program, path, o.user)
}

func unitFor(program, configFile, account string) (string, error) {
	for _, s := range []string{program, configFile, account} {
		if s == "" || strings.ContainsAny(s, "\r\n\x00{}") {
			return "", fmt.Errorf("%q cannot be used in a systemd unit", s)
		}
	}
	return strings.NewReplacer(
		"/usr/local/bin/butler", quotedForUnit(program), "/etc/butler/butler.yaml", quotedForUnit(configFile), "User=butler", "User="+account,
	).Replace(deploy.Unit), nil
}

// environmentFiles returns the variables from the environment files of a unit. The
// service will have them, but the process under sudo does not. A file may be absent.
func environmentFiles(unit string) ([]string, error) {
	var out []string
	for line := range strings.Lines(unit) {
		file, ok := strings.CutPrefix(strings.TrimSpace(line), "EnvironmentFile=-")
		if !ok {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the variables of the service: %w", err)
		}
		out = append(out, variables(string(text))...)
	}
	return out, nil
}

// variables reads lines of NAME=value as systemd does: a value may be in quotes,
// and a line that begins with # or ; is a comment.
func variables(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.ContainsAny(name[:min(1, len(name))], "#;") {
			continue
		}
		value = strings.TrimSpace(value)
		if end := len(value) - 1; end > 0 && value[0] == value[end] && strings.ContainsAny(value[:1], `"'`) {
			value = value[1:end]
		}
		out = append(out, strings.TrimSpace(name)+"="+value)
	}
	return out
}

// quotedForUnit quotes a word of a command line in a unit where necessary.
func quotedForUnit(word string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(word)
	if escaped == word && !strings.ContainsAny(word, " \t'") {
		return word
	}
	return `"` + escaped + `"`
}

// noProgram stands in for the program when the service manager is only asked to
// install, start, stop or remove the service.
type noProgram struct{}

func (noProgram) Start(service.Service) error { return nil }
func (noProgram) Stop(service.Service) error  { return nil }
