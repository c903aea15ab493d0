package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"

	"butler/config"
	"butler/deploy"
	"butler/internal/app"
)

// serviceOptions say what is installed.
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
	cmd.PersistentFlags().StringVar(&o.name, "name", "butler", "`name` of the service")
	install := &cobra.Command{
		Use:   "install",
		Short: "Install the service; it starts with the machine from then on",
		Long: `Checks the configuration, and installs a service that runs this program with it.

On Linux it is a hardened unit of systemd; --print shows it. The check knows the
variables of the file that the unit names, /etc/butler/secrets.env. On Windows it runs as
LocalSystem, is restarted after a failure, and a stop of it is an orderly end.`,
		Args: cobra.NoArgs,
	}
	install.Flags().StringVarP(&o.configFile, "configfile", "c", "", "configuration `file` (.yaml)")
	install.Flags().StringVar(&o.user, "user", "butler", "`account` that the unit of systemd runs as")
	show := install.Flags().Bool("print", false, "print the unit of systemd and install nothing")
	_ = install.MarkFlagRequired("configfile")
	install.RunE = func(cmd *cobra.Command, _ []string) error {
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
		{"start", "Start the service", "started", service.Service.Start},
		{"stop", "Stop the service in an orderly way", "stopped", service.Service.Stop},
		{"uninstall", "Remove the service; configuration and journal stay", "removed", service.Service.Uninstall},
	} {
		cmd.AddCommand(&cobra.Command{Use: act.use, Short: act.short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := o.service("")
			if err == nil {
				err = act.do(s)
			}
			if err != nil {
				return fmt.Errorf("%s the service %s: %w", act.use, o.name, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "service %s %s\n", o.name, act.done)
			return err
		}})
	}
	return cmd
}

// install checks what is to run before anything is installed.
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
			if runtime.GOOS == "linux" {
				found = append(found, confined(cfg)...)
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
		return fmt.Errorf("install the service %s: %w", o.name, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "service %s installed; start it with: butler service start --name %s\n", o.name, o.name)
	return err
}

// Where the unit of systemd lets the service write, and what it hides from it.
const stateDirectory = "/var/lib/butler"

var hiddenDirectories = []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"}

// confined warns where the unit hides the configuration, or does not let the journal,
// the files of the log or the schedules be written. The unit may be changed, so none of
// it is a problem.
func confined(cfg *config.Config) []config.Finding {
	var out []config.Finding
	warn := func(path, reason, suggestion string) {
		out = append(out, config.Finding{Path: path, Reason: reason, Suggestion: suggestion, Warning: true})
	}
	if hidden(cfg.BaseDir()) {
		warn("", "the service does not see this file: its unit hides "+strings.Join(hiddenDirectories, ", "), "move it, to /etc/butler say")
	}
	writes := func(key, path string) {
		if path != "" && !below(stateDirectory, path) {
			warn(key, fmt.Sprintf("the service cannot write to %s: its unit lets it write to %s alone", path, stateDirectory),
				"name a place there, or add this one to ReadWritePaths of the unit")
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

// hidden reports whether the service does not see a path.
func hidden(path string) bool {
	return slices.ContainsFunc(hiddenDirectories, func(d string) bool { return below(d, path) })
}

// below reports whether a path is a directory or in it.
func below(directory, path string) bool {
	return path == directory || strings.HasPrefix(path, directory+"/")
}

// service describes the service to the system.
func (o serviceOptions) service(unit string) (service.Service, error) {
	path, err := filepath.Abs(o.configFile)
	if err != nil {
		return nil, err
	}
	s, err := service.New(idle{}, &service.Config{
		Name: o.name, DisplayName: "Butler for Qlik Sense", Description: "Alerts for Qlik Sense tasks",
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

// unit returns the unit of systemd for this program and a configuration.
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
			return "", fmt.Errorf("%q cannot stand in a unit of systemd", s)
		}
	}
	return strings.NewReplacer(
		"/usr/local/bin/butler", quotedForUnit(program), "/etc/butler/butler.yaml", quotedForUnit(configFile), "User=butler", "User="+account,
	).Replace(deploy.Unit), nil
}

// environmentFiles returns the variables that the files of a unit set: the service
// has them, while sudo hands over hardly any of those of the shell. A file that is
// not there sets none.
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

// quotedForUnit quotes a word of a command line of systemd where it has to be.
func quotedForUnit(word string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(word)
	if escaped == word && !strings.ContainsAny(word, " \t'") {
		return word
	}
	return `"` + escaped + `"`
}

// idle is what the system is told of when it is only asked for something.
type idle struct{}

func (idle) Start(service.Service) error { return nil }
func (idle) Stop(service.Service) error  { return nil }

// supervised runs the program under the service manager of Windows when that
// has started it; false means that somebody else has.
func supervised(run func(context.Context) int) (code int, ok bool) {
	if runtime.GOOS != "windows" || service.Interactive() {
		return 0, false
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{run: func() int { return run(ctx) }, stop: cancel, ended: make(chan int, 1)}
	s, err := service.New(p, &service.Config{Name: "butler"})
	if err != nil {
		return 1, true
	}
	if err := s.Run(); err != nil {
		return 1, true
	}
	return 0, true
}

// program is the service as Windows controls it.
type program struct {
	run   func() int
	stop  context.CancelFunc
	ended chan int
}

// Start implements service.Interface. A service that ends by itself ends the
// process, so that Windows sees a failure and starts it again.
func (p *program) Start(service.Service) error {
	stopping := make(chan int, 1)
	go func() { stopping <- p.run() }()
	go func() {
		code := <-stopping
		p.ended <- code
		if code != 0 {
			os.Exit(code)
		}
	}()
	return nil
}

// Stop implements service.Interface: it waits for the orderly end, which is
// bounded by delivery.shutdownTimeout.
func (p *program) Stop(service.Service) error {
	p.stop()
	if code := <-p.ended; code != 0 {
		return errors.New("the service did not end in order; see its log")
	}
	return nil
}
