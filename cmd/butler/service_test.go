package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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

func TestProgram_stopWaitsForTheOrderlyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		drained := false
		p := &program{stop: cancel, ended: make(chan int, 1), run: func() int { <-ctx.Done(); drained = true; return 0 }}
		if err := p.Start(nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(nil); err != nil || !drained {
			t.Errorf("want the end waited for, got drained %t, %v", drained, err)
		}
	})
}
