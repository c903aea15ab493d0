package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"butler/bench"
	"butler/bench/report"
)

// screen shows the progress of a run: one changing line on a terminal, one line a scenario
// elsewhere.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	// shown is the length of the changing line.
	shown int
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	return &screen{out: out, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Write implements io.Writer for whole lines, which stay on the screen.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	if _, err := io.WriteString(s.out, report.Plain(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// progress replaces the changing line.
func (s *screen) progress(p bench.Progress) {
	if !s.terminal {
		return
	}
	text := fmt.Sprintf("  %s  %5.1f s  sent %d  received %d  missing %d", p.Title, p.At, p.Sent, p.Received, p.Missing)
	if p.Pending >= 0 {
		text += fmt.Sprintf("  undecided %.0f", p.Pending)
	}
	if p.Queued >= 0 {
		text += fmt.Sprintf("  undelivered %.0f", p.Queued)
	}
	if p.RSS >= 0 {
		text += fmt.Sprintf("  %.0f MiB  %.2f cores", p.RSS, max(0, p.CPU))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	s.shown = len(text)
	fmt.Fprint(s.out, report.Plain(text))
}

func (s *screen) clearLocked() {
	if s.shown > 0 {
		fmt.Fprint(s.out, "\r"+strings.Repeat(" ", s.shown)+"\r")
		s.shown = 0
	}
}
