package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf16"

	"github.com/kardianos/service"

	"butler/config"
	"butler/deploy"
)

func TestUnitFor_fillsInTheHardenedUnit(t *testing.T) {
	same, err := unitFor("/usr/local/bin/butler", "/etc/butler/butler.yaml", "butler")
	if err != nil || same != deploy.Unit {
		t.Errorf("want the unit of the handbook for its own paths, got %v\n%s", err, same)
	}
	got, err := unitFor("/opt/my butler/butler", "/srv/50%/$a.yaml", "qlik")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`ExecStart="/opt/my butler/butler" run -c "/srv/50%%/$$a.yaml"`,
		`ExecStartPre="/opt/my butler/butler" check "/srv/50%%/$$a.yaml"`, "User=qlik", "NoNewPrivileges=yes", "ProtectSystem=strict",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("want the line %s in the unit, got\n%s", line, got)
		}
	}
	for _, bad := range [][3]string{{"/b\nUser=root", "/c", "u"}, {"/b", "/c{{d}}", "u"}, {"/b", "/c", ""}} {
		if _, err := unitFor(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("want %q refused", bad)
		}
	}
}

func TestEnvironmentFiles_areReadAsSystemdReadsThem(t *testing.T) {
	if got, want := strings.Count(deploy.Unit, "\nEnvironmentFile=-/etc/butler/secrets.env\n"), 1; got != want {
		t.Errorf("want %d file in the form that is read here, got %d", want, got)
	}
	file := filepath.Join(t.TempDir(), "secrets.env")
	unit := "[Service]\nEnvironmentFile=-" + file + "\n"
	if got, err := environmentFiles(unit); err != nil || len(got) != 0 {
		t.Errorf("want nothing of a file that is not there, got %q, %v", got, err)
	}
	text := "# of the service\n; and\n\nSLACK_WEBHOOK=https://hooks.example.com/a=b\n QUOTED = \"a b\" \nSINGLE='#x'\nEMPTY=\nnothing\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"SLACK_WEBHOOK=https://hooks.example.com/a=b", "QUOTED=a b", "SINGLE=#x", "EMPTY="}
	if got, err := environmentFiles(unit); err != nil || !slices.Equal(want, got) {
		t.Errorf("want %q, got %q, %v", want, got, err)
	}
	if _, err := environmentFiles("EnvironmentFile=-" + t.TempDir()); err == nil {
		t.Error("want a file that cannot be read told")
	}
}

// managed is a service of a system that notes what is done with it.
type managed struct {
	service.Service
	status  service.Status
	noStop  error
	actions []string
	// endsAfter is how often it is asked for its status before it has ended; 0 means never.
	endsAfter int
}

func (m *managed) Status() (service.Status, error) {
	if m.endsAfter--; m.endsAfter == 0 {
		m.status = service.StatusStopped
	}
	return m.status, nil
}

func (m *managed) Stop() error {
	m.actions = append(m.actions, "stop")
	return m.noStop
}

func (m *managed) Uninstall() error {
	m.actions = append(m.actions, "uninstall")
	return nil
}

func TestUninstall_leavesNoProcessBehind(t *testing.T) {
	for _, c := range []struct {
		service managed
		want    []string
		fails   bool
	}{
		{managed{status: service.StatusRunning}, []string{"stop", "uninstall"}, false},
		{managed{status: service.StatusStopped}, []string{"uninstall"}, false},
		{managed{status: service.StatusRunning, noStop: errors.New("hangs")}, []string{"stop"}, true},
	} {
		if err := uninstall(&c.service); (err != nil) != c.fails || !slices.Equal(c.service.actions, c.want) {
			t.Errorf("%v: want %q, got %q, %v", c.service.status, c.want, c.service.actions, err)
		}
	}
}

func TestFailure_isToldTheSystem(t *testing.T) {
	var complaints bytes.Buffer
	if code := execute(t.Context(), []string{"run", "-c", filepath.Join(t.TempDir(), "missing.yaml")}, &complaints); code == 0 {
		t.Fatal("want a run without a configuration refused")
	}
	if got := eventText(complaints.String()); !strings.Contains(got, "missing.yaml: cannot be opened") {
		t.Errorf("want the reason in the log, got %q", got)
	}
	const most = 31_839
	if units := utf16.Encode([]rune(eventText("zero\x00" + strings.Repeat("\U0001F4A5", maxEventText)))); len(units) > most || slices.Contains(units, 0) {
		t.Errorf("want at most %d units and no zero, got %d", most, len(units))
	}
}

func TestStays_tellsAServiceThatEndsAtOnce(t *testing.T) {
	for endsAfter, fails := range map[int]bool{0: false, 1: true, 3: true} {
		synctest.Test(t, func(t *testing.T) {
			m := managed{status: service.StatusRunning, endsAfter: endsAfter}
			if err := stays(&m); (err != nil) != fails {
				t.Errorf("%d: want an error: %t, got %v", endsAfter, fails, err)
			}
		})
	}
}

func TestAdvised_tellsWhoMayManageServices(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "butler.service", Err: fs.ErrPermission}
	if got := advised(denied); !errors.Is(got, denied) || !strings.Contains(got.Error(), "(run this command ") {
		t.Errorf("want it said who may do it, got %v", got)
	}
	if other := errors.New("no such service"); !errors.Is(advised(other), other) || advised(other).Error() != other.Error() {
		t.Errorf("want other errors as they are, got %v", advised(other))
	}
}

// Windows refuses two services with one display name.
func TestDisplayName_isThatOfOneService(t *testing.T) {
	for name, want := range map[string]string{"butler": "Butler for Qlik Sense", "butler-test": "Butler for Qlik Sense (butler-test)"} {
		if got := displayName(name); got != want {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
	}
}

func TestInstall_warnsOfAServiceThatNobodyHears(t *testing.T) {
	for text, want := range map[string]int{"{}": 1, "{fileLogging: true}": 0} {
		file := filepath.Join(t.TempDir(), "butler.yaml")
		if err := os.WriteFile(file, []byte("Butler: "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Options{Path: file})
		if err != nil {
			t.Fatal(err)
		}
		if got := unheard(cfg); len(got) != want || want > 0 && !got[0].Warning {
			t.Errorf("%s: want %d warnings, got %+v", text, want, got)
		}
	}
}
