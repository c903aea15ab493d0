//go:build linux

package app_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// calamitous applies calamities to the process of a service.
type calamitous struct {
	t    *testing.T
	v    *service
	disk *disk
	// weather disturbs the systems around the service.
	weather *weather
	// wall is the file with the offset of the wall clock of the process in seconds, "" for
	// none.
	wall string
	// blocked are the spans in which a datagram may be missed.
	blocked []span
}

// newCalamitous prepares a service before its start. Clock jumps need a special build of
// the program, which takes minutes the first time.
func newCalamitous(t *testing.T, v *service, clock bool) *calamitous {
	t.Helper()
	c := &calamitous{t: t, v: v, disk: newDisk(t, v)}
	edit(t, v.config, "directory: journal", "directory: "+c.disk.dir)
	v.journal = c.disk.dir
	if !clock {
		t.Log("no clock jumps: they are part of runs by BUTLER_CHAOS_MINUTES")
		return c
	}
	c.wall = filepath.Join(t.TempDir(), "wall")
	must(t, os.WriteFile(c.wall, []byte("0"), 0o600))
	v.binary = shiftingProgram(t)
	v.env = []string{"CHAOS_WALL=" + c.wall}
	return c
}

// clock formats the time since the first start.
func (c *calamitous) clock() string {
	return (&oracle{start: c.v.lives[0].began}).when(time.Now())
}

// befall applies one calamity, and returns when the service accepts events again.
func (c *calamitous) befall(what calamity) {
	c.t.Helper()
	begin := time.Now()
	switch what.kind {
	case killed:
		c.v.kill()
		c.v.start()
	case killedTwice:
		c.v.kill()
		c.v.start()
		pause(c.t, what.lasts)
		c.v.kill()
		c.v.start()
	case terminated:
		if code := c.v.terminate(20 * time.Second); code != 0 {
			c.v.errorf("want exit code 0 after SIGTERM under load, got %d", code)
		}
		c.v.start()
	case frozen:
		c.freeze(what.lasts, false)
	case frozenKilled:
		c.freeze(what.lasts, true)
	case diskFull, diskReadOnly:
		c.disk.spoil(what.kind)
		pause(c.t, what.lasts)
		c.disk.repair()
	case diskFullKilled, diskReadOnlyKilled:
		c.disk.spoil(what.kind)
		pause(c.t, what.lasts)
		c.v.kill()
		c.v.start()
		c.disk.spoil(what.kind) // a limit applies to one process only
		c.sufferedStart(what.lasts)
		c.disk.repair()
		c.startAgain()
	case clockJump:
		c.jump(what.shift)
	case qrsAway:
		c.weather.repositoryAway(c.t.Context(), what.lasts)
		return // not blocked: no datagram may be missed
	default:
		c.t.Fatalf("BUG: a calamity that nobody can make: %q", what.kind)
	}
	c.v.ready()
	c.blocked = append(c.blocked, span{begin, time.Now()})
}

// freeze stops the process and then continues or kills it.
func (c *calamitous) freeze(d time.Duration, kill bool) {
	c.t.Helper()
	from := time.Now()
	must(c.t, c.v.process.Process.Signal(syscall.SIGSTOP))
	pause(c.t, d)
	if kill {
		c.v.kill()
		c.v.start()
		return
	}
	must(c.t, c.v.process.Process.Signal(syscall.SIGCONT))
	c.v.freezes = append(c.v.freezes, span{from, time.Now()})
}

// sufferedStart lets a process run on a spoilt disk. It may end with an error.
func (c *calamitous) sufferedStart(d time.Duration) {
	c.t.Helper()
	select {
	case err := <-c.v.exited:
		c.startFailed(err)
	case <-time.After(d):
	}
}

// startFailed notes the end of a process that could not start.
func (c *calamitous) startFailed(err error) {
	c.t.Helper()
	c.v.now().ending = time.Now()
	if code := c.v.gone(err); code == 0 {
		c.v.errorf("want a failure told by a process that could not start, got exit code 0")
	}
	c.v.now().killed = true // it was not asked to end
	c.t.Logf("    it did not start: %s", c.v.tail(1))
}

// startAgain acts as a supervisor after the disk is repaired: it starts a process that has
// ended. One that still saw the spoilt disk may be about to end.
func (c *calamitous) startAgain() {
	c.t.Helper()
	for c.v.process != nil {
		select {
		case err := <-c.v.exited:
			c.startFailed(err)
		case <-time.After(5 * time.Millisecond):
			if status, _, err := c.v.get("/readyz"); err == nil && status == http.StatusOK {
				return
			}
		}
	}
	c.v.start()
}

// jump moves the wall clock of the process.
func (c *calamitous) jump(to time.Duration) {
	if c.wall == "" {
		return
	}
	part := c.wall + ".part"
	must(c.t, os.WriteFile(part, []byte(strconv.Itoa(int(to/time.Second))), 0o600))
	must(c.t, os.Rename(part, c.wall))
}

// shiftingProgram builds the program with a wall clock that a file shifts. This affects
// only the wall time of the standard library, not timers, deadlines and differences of
// times, as on a machine whose clock is set.
func shiftingProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("BUTLER_CHAOS_PROGRAM"); path != "" { // an earlier build
		return path
	}
	dir := t.TempDir()
	overlay := writeShiftOverlay(t, dir)
	path := filepath.Join(dir, "butler")
	out, err := exec.Command("go", "build", "-overlay", overlay, "-o", path, "butler/cmd/butler").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program with a clock that jumps: %v\n%s", err, out)
	}
	return path
}
