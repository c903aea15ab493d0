package demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"butler/internal/app"
	"butler/messages"
)

// colour is an ANSI sequence.
type colour string

// The colours of the demo.
const (
	bold   colour = "\x1b[1m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
	red    colour = "\x1b[31m"
	grey   colour = "\x1b[90m"
	plain  colour = "\x1b[0m"
)

// screen writes lines, one at a time.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

func (s *screen) line(c colour, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if s.colour {
		text = string(c) + text + string(plain)
	}
	fmt.Fprintf(s.out, "%s  %s\n", time.Now().Format("15:04:05.000"), text)
}

// text writes a block verbatim.
func (s *screen) text(block string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, block)
}

// tally counts notices by destination instance and outcome.
type tally map[string]map[messages.NoticeOutcome]int

func (t tally) count(n messages.NoticeSettled) {
	if t[n.Instance] == nil {
		t[n.Instance] = map[messages.NoticeOutcome]int{}
	}
	t[n.Instance][n.Outcome]++
}

// introduce lists the parts of the demo.
func (s *show) introduce(service *app.App) {
	s.text(fmt.Sprintf(`
butler demo: the service and a simulated Qlik Sense site, on this machine only.

  task events    udp %s     try: butler send --to %s --task-id %s
  state          http://%s/     open it in a browser: what was decided, who was notified, and why
  metrics        http://%s/metrics
  repository     https://%s  (mutual TLS)
  destinations   e-mail, Slack, Teams, a webhook, SIGNL4, New Relic, a pager, InfluxDB, script logs on disk
`, service.UDPAddress(), service.UDPAddress(), s.site.World.TaskID(0), service.OperationsAddress(), service.OperationsAddress(), s.site.QRS.Addr()))
}

// conclude shows a mail as its recipient sees it, and the tally by destination.
func (s *show) conclude() {
	s.text("\n" + s.sample())
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "\n%d events\n\n%-46s %9s %10s %9s\n", s.events, "DESTINATION", "DELIVERED", "SUPPRESSED", "PARKED")
	sum := map[messages.NoticeOutcome]int{}
	for _, name := range slices.Sorted(maps.Keys(s.tally)) {
		row := s.tally[name]
		fmt.Fprintf(&out, "%-46s %9d %10d %9d\n", name, row[messages.NoticeDelivered], row[messages.NoticeSuppressed], row[messages.NoticeParked])
		for outcome, n := range row {
			sum[outcome] += n
		}
	}
	fmt.Fprintf(&out, "%-46s %9d %10d %9d", "in all", sum[messages.NoticeDelivered], sum[messages.NoticeSuppressed], sum[messages.NoticeParked])
	s.text(out.String())
}

// sampleLines is how many lines of a mail the demo quotes.
const sampleLines = 16

// sample quotes the first mail about a failure.
func (s *show) sample() string {
	for _, m := range s.site.SMTP.Messages().All() {
		if !strings.Contains(m.Subject, "failed") {
			continue
		}
		lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(m.Text, "\r\n", "\n")), "\n")
		if len(lines) > sampleLines {
			lines = append(lines[:sampleLines], "...")
		}
		return fmt.Sprintf("One of the mails (its text part):\n\n  | To: %s\n  | Subject: %s\n  |\n  | %s",
			m.Recipients[0], m.Subject, strings.Join(lines, "\n  | "))
	}
	return "No mail about a failure was sent yet."
}
