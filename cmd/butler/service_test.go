package main

import (
	"context"
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
