//go:build linux

package app_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/sim/edge"
)

// What a soak is made of.
const (
	// soakRate is datagrams a second, callRate calls of the REST API.
	soakRate, callRate = 50, 20
	// soakReadings is how many readings a run takes.
	soakReadings = 120
)

// soakConfig serves keys and schedules beside the alerts.
const soakConfig = `  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: %d, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {keyValueStore: true, scheduler: {getSchedule: true, getScheduleStatusAll: true}}
  scheduler: {enable: true, configfile: schedule.yaml}
`

// gauge is one figure of a process over time.
type gauge struct {
	name string
	read func() float64
	// share and slack are how far it may grow between the second quarter of a run
	// and the last: a share of what it was, and so much beside.
	share, slack float64
	// hourly is how much it may grow an hour after the first quarter, 0 for what is not
	// judged so. In less than an hour everything still warms up.
	hourly float64
	// early says that it has its size after seconds, and is judged in a short run, too.
	early  bool
	values []float64
}

// slope returns the growth per hour by least squares, from readings every so often.
func slope(values []float64, every time.Duration) float64 {
	n, sx, sy, sxx, sxy := float64(len(values)), 0.0, 0.0, 0.0, 0.0
	for i, y := range values {
		x := float64(i) * every.Hours()
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

func mean(values []float64) (m float64) {
	for _, v := range values {
		m += v / float64(len(values))
	}
	return m
}

// judge tells how a gauge went, and whether it is flat. The first quarter warms up.
func (g *gauge) judge(every time.Duration) (line string, flat bool) {
	quarter := len(g.values) / 4
	before, after := mean(g.values[quarter:2*quarter]), mean(g.values[3*quarter:])
	growth := slope(g.values[quarter:], every)
	flat = after <= before*(1+g.share)+g.slack
	if long := every*time.Duration(len(g.values)) >= time.Hour; long && g.hourly > 0 && growth > g.hourly {
		flat = false
	}
	return fmt.Sprintf("%-16s %10.1f in the second quarter, %10.1f in the last, slope %+.1f an hour", g.name, before, after, growth), flat
}

func TestGauge_findsWhatGrows(t *testing.T) {
	flat, growing := &gauge{share: 0.1}, &gauge{share: 0.1}
	for i := range 40 {
		flat.values = append(flat.values, 100+float64(i%3))
		growing.values = append(growing.values, 100+float64(i))
	}
	if line, ok := flat.judge(time.Minute); !ok {
		t.Errorf("want flat: %s", line)
	}
	if line, ok := growing.judge(time.Minute); ok || !strings.Contains(line, "+60.0 an hour") {
		t.Errorf("want growth of 60 an hour found, got %s", line)
	}
	growing.share, growing.hourly = 1, 59
	if line, ok := growing.judge(time.Minute); !ok {
		t.Errorf("want the slope of 40 minutes not judged: %s", line)
	}
	if line, ok := growing.judge(2 * time.Minute); !ok {
		t.Errorf("want growth of 30 an hour allowed: %s", line)
	}
	growing.hourly = 29
	if line, ok := growing.judge(2 * time.Minute); ok {
		t.Errorf("want growth of 30 an hour found: %s", line)
	}
}

// TestSoak_staysFlat runs for BUTLER_SOAK, such as 1h.
func TestSoak_staysFlat(t *testing.T) {
	length := 8 * time.Second
	asked := os.Getenv("BUTLER_SOAK")
	if asked != "" {
		var err error
		length, err = time.ParseDuration(asked)
		must(t, err)
	}
	seed := seedOf(t)
	s := crashSiteOf(t, seed, tasksFor(soakRate, length), shortHistory)
	v := crashService(t, s, demo.Settings{PollEvery: "1s", LogLevel: "warn"})
	port := porttest.Of(t, "tcp")
	// Little is kept, so that what is kept reaches its steady size soon.
	edit(t, v.config, "journal: {", "journal: {keepFor: 20s, trailFor: 30s, ")
	edit(t, v.config, "delivery: {", "delivery: {parkedKeepFor: 30s, ")
	edit(t, v.config, "portTaskFailure:", "deduplication: {ttlMinutes: 1}, portTaskFailure:")
	for range 2 { // Slack's windows, one for each task that was told of
		edit(t, v.config, "rateLimit: 3600,", "rateLimit: 30,")
	}
	appendTo(t, v.config, fmt.Sprintf(soakConfig, port))
	task := s.World.TaskID(firstBulkTask)
	must(t, os.WriteFile(filepath.Join(v.dir, "schedule.yaml"), []byte(everySecond(task)), 0o600))
	f := newTraffic(t, v, crashMix, seed)
	v.start()
	v.ready()
	stop := load(t, f, soakRate)
	calls := v.call(port)

	gauges := v.gauges()
	every := length / soakReadings
	for range soakReadings {
		pause(t, every)
		for _, g := range gauges {
			g.values = append(g.values, g.read())
		}
	}
	stop()
	good, made := calls()
	t.Logf("%s: %d datagrams, %d of %d calls answered", length, f.count(), good, made)
	if good < made-1 { // the last may be cut off
		t.Errorf("want every call of the REST API answered well, got %d of %d", good, made)
	}
	for _, g := range gauges {
		line, flat := g.judge(every)
		t.Log(line)
		if !flat && (g.early || asked != "") { // in a run of seconds the rest only warms up
			t.Errorf("%s is not flat", g.name)
		}
	}
	v.end()
}

// gauges are what has to stay flat. The hourly growth of the heap and of the journal is
// a little more than that of the hour in docs/reliability.md.
func (v *service) gauges() []*gauge {
	pid := v.process.Process.Pid
	return []*gauge{
		{name: "memory, MiB", share: 0.15, slack: 16, read: func() float64 { return float64(residentMemory(pid)) / (1 << 20) }},
		{name: "live heap, MiB", share: 0.15, slack: 8, hourly: 22, read: func() float64 {
			return float64(v.metrics().liveHeap()) / (1 << 20)
		}},
		{name: "goroutines", share: 0.1, slack: 20, early: true, read: func() float64 { return v.metric("go_goroutines") }},
		{name: "file descriptors", share: 0.1, slack: 20, early: true, read: func() float64 {
			entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			return float64(len(entries))
		}},
		{name: "journal, MiB", share: 0.25, slack: 8, hourly: 18, read: func() float64 { return float64(size(v.journal)) / (1 << 20) }},
	}
}

// metric returns the value of a metric without labels, 0 when it cannot be had.
func (v *service) metric(name string) (value float64) {
	_, page, err := v.get("/metrics")
	if _, text, ok := strings.Cut(page, "\n"+name+" "); err == nil && ok {
		_, _ = fmt.Sscan(text, &value)
	}
	return value
}

// size returns how much the files below a directory hold.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // what went away meanwhile has no size
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// call puts, gets and lists until the returned function is called, which returns
// how many calls were answered well, and how many were made.
func (v *service) call(port int) func() (good, made int) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var good, made int
	root := fmt.Sprintf("http://127.0.0.1:%d/v4/", port)
	go func() {
		defer close(done)
		for n := 0; edge.Pause(ctx, time.Second/callRate); n++ {
			method, path, body := http.MethodGet, "schedules", ""
			switch n % 4 {
			case 0, 1:
				method, path, body = http.MethodPost, "keyvalues/soak", fmt.Sprintf(`{"key":"k%d","value":"v%d","ttl":%d}`, n%500, n, 2000+n%20_000)
			case 2:
				path = fmt.Sprintf("keyvalues/soak?key=k%d", (n-1)%500)
			}
			req, err := http.NewRequestWithContext(ctx, method, root+path, strings.NewReader(body))
			if err != nil {
				continue
			}
			if body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			made++
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode < http.StatusBadRequest {
					good++
				}
			}
		}
	}()
	return func() (int, int) {
		cancel()
		<-done
		return good, made
	}
}
