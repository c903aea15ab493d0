package files

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// swapRounds is how often a file is replaced while the operations run.
const swapRounds = 400

// swapping replaces path by link and back, repeatedly, and calls do repeatedly until that
// has ended.
func (s site) swapping(path, link string, do func(round int)) {
	s.t.Helper()
	var swapper sync.WaitGroup
	done := make(chan struct{})
	swapper.Go(func() {
		defer close(done)
		for range swapRounds {
			// Errors are expected, because the operations move the files, too.
			_ = os.Rename(s.path(path), s.path("parked"))
			_ = os.Rename(s.path(link), s.path(path))
			_ = os.Rename(s.path(path), s.path(link))
			_ = os.Rename(s.path("parked"), s.path(path))
		}
	})
	defer swapper.Wait()
	for round := 0; ; round++ {
		select {
		case <-done:
			return
		default:
			do(round)
		}
	}
}

// Every operation runs on and through a path that is swapped for a link to the outside.
func TestAttack_swappedWhileItIsUsed(t *testing.T) {
	tests := []struct{ name, path, target string }{
		{"directory on the way", "in/sub", "../secret"},
		{"directory in a tree", "in/tree/sub", "../../secret"},
		{"directory far away", "in/sub", "/etc"},
		{"file", "in/sub/s.txt", "../../secret/s.txt"},
		{"destination", "out/sub", "../secret"},
	}
	for _, tt := range tests {
		for _, device := range devices {
			t.Run(tt.name+", "+device.name, func(t *testing.T) {
				s := newSite(t)
				for _, name := range []string{"in/sub/s.txt", "in/tree/sub/s.txt", "out/sub/s.txt", "in/a"} {
					s.write(name, "public")
				}
				s.link(tt.target, "evil")
				outside := s.tree("secret")
				a := device.approved(s)
				s.swapping(tt.path, "evil", func(round int) { s.everything(a, round) })
				s.wantTree("secret", outside...)
				for _, line := range append(s.tree("in"), s.tree("out")...) {
					if strings.Contains(line, ": ") && !strings.HasSuffix(line, ": public") {
						t.Errorf("want nothing from the outside, got %s", line)
					}
				}
			})
		}
	}
}

// everything calls every operation, and checks that no error reveals the outside.
func (s site) everything(a *Approved, round int) {
	ctx := s.t.Context()
	fresh := "out/" + string(rune('a'+round%26))
	overwrite := round%2 == 0
	var answers []error
	add := func(_ Result, err error) { answers = append(answers, err) }
	add(a.Copy(ctx, CopyRequest{From: s.path("in/sub/s.txt"), To: s.path(fresh + ".txt"), Overwrite: overwrite}))
	add(a.Copy(ctx, CopyRequest{From: s.path("in/tree"), To: s.path(fresh + ".tree"), Overwrite: overwrite, PreserveTimestamp: true}))
	add(a.Copy(ctx, CopyRequest{From: s.path("in/sub"), To: s.path(fresh + ".sub"), Overwrite: overwrite}))
	add(a.Copy(ctx, CopyRequest{From: s.path("in/a"), To: s.path("out/sub/s.txt"), Overwrite: overwrite, PreserveTimestamp: true}))
	add(a.Copy(ctx, CopyRequest{From: s.path("in/a"), To: s.path("out/sub/" + strconv.Itoa(round) + "/x/y")}))
	add(a.Move(ctx, MoveRequest{From: s.path("in/sub/s.txt"), To: s.path(fresh + ".moved"), Overwrite: overwrite}))
	add(a.Move(ctx, MoveRequest{From: s.path(fresh + ".moved"), To: s.path("in/sub/s.txt"), Overwrite: overwrite}))
	add(a.Move(ctx, MoveRequest{From: s.path("in/tree/sub"), To: s.path("out/sub/moved"), Overwrite: overwrite}))
	add(a.Move(ctx, MoveRequest{From: s.path("out/sub/moved"), To: s.path("in/tree/sub"), Overwrite: overwrite}))
	answers = append(answers,
		a.DeleteFile(ctx, s.path("out/sub/s.txt")),
		a.DeleteFile(ctx, s.path("in/sub/passwd")),
		a.CreateDir(ctx, s.path("in/sub/made/here")),
		a.CreateDirQVD(ctx, "sub/made"))
	for _, err := range answers {
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			s.t.Errorf("want nothing told of the outside, got %v", err)
		}
	}
}
