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

// calamitous makes things happen to the process of a service.
type calamitous struct {
	t    *testing.T
	v    *service
	disk *disk
	// weather is around the service.
	weather *weather
	// wall is the file that tells the process how far its wall clock is off, "" when it cannot be.
	wall string
	// blocked are the times in which a datagram may be missed.
	blocked []span
}

// newCalamitous prepares a service that was not started. A clock that jumps needs a
// program of its own, which takes minutes to build the first time.
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

// clock words the time since the first start.
func (c *calamitous) clock() string {
	return (&oracle{start: c.v.lives[0].began}).when(time.Now())
}

// befall makes one thing happen, and returns when the service takes events again.
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
		c.disk.mend()
	case diskFullKilled, diskReadOnlyKilled:
		c.disk.spoil(what.kind)
		pause(c.t, what.lasts)
		c.v.kill()
		c.v.start()
		c.disk.spoil(what.kind) // the limit of a process is not that of the next
		c.sufferedStart(what.lasts)
		c.disk.mend()
		c.startAgain()
	case clockJump:
		c.jump(what.shift)
	case qrsAway:
		c.weather.repositoryAway(c.t.Context(), what.lasts)
		return // no datagram may be missed
	default:
		c.t.Fatalf("BUG: a calamity that nobody can make: %q", what.kind)
	}
	c.v.ready()
	c.blocked = append(c.blocked, span{begin, time.Now()})
}

// freeze stops the process and lets it go on, or kills it where it stands.
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

// sufferedStart gives a process time on a spoilt disk. It may say so and end.
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
	c.v.now().killed = true // nobody asked it to end
	c.t.Logf("    it did not start: %s", c.v.tail(1))
}

// startAgain does what a supervisor does when the disk is mended: it starts the
// process that ended. One that saw the spoilt disk last may be about to end.
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

// shiftingProgram builds the program with a wall clock that a file shifts. Only
// what the standard library says the time is changes: timers, deadlines and
// differences of times do not, as on a machine whose clock is set.
func shiftingProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("BUTLER_CHAOS_PROGRAM"); path != "" { // built in this way before
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
