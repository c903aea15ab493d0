package app_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/sim"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
)

// The limits of a crash test.
const (
	// defaultKills is how often the service is killed without BUTLER_CHAOS_KILLS.
	defaultKills = 20
	// drainTime bounds every wait for the service, even on a busy machine. Slack and Teams
	// take at most one message a second, of up to two hundred after two minutes of chaos.
	drainTime = 6 * time.Minute
	// loadRate is the load in datagrams a second.
	loadRate = 200
)

// How many notices one instance of a destination may have in flight.
const (
	usualInFlight  = 8 // delivery.maxInFlight: webhooks, mails of one kind, messages to the broker
	slackInFlight  = 2
	pointsInFlight = 2 * 500 // two batches of one measurement
)

// rejectedAddresses are recipients that the mail server refuses permanently.
var rejectedAddresses = []string{"j.ortiz@example.org", "zoe@example.com"}

// impatient has the settings with which a run of many failures ends soon.
var impatient = fmt.Sprintf(`  delivery: {retryInitial: 50ms, retryMax: 500ms, breakerOpenFor: 200ms, maxInFlight: %d}
  qrs: {timeout: 2s, breakerOpenFor: 200ms}
`, usualInFlight)

// patient makes the service look up the final state of a success until it is
// available, since look-ups often fail in this weather.
const patient = "finalStateAttempts: 100\n    finalStateInterval: 200ms\n    distributePollInterval"

func kills(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("BUTLER_CHAOS_KILLS")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return 3
	}
	return defaultKills
}

var crashSeed = flag.Uint64("crash.seed", 0, "seed of the crash tests; 0 takes a new one")

// seedOf returns the seed of a run and logs how to repeat it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := *crashSeed
	if text := os.Getenv("BUTLER_CHAOS_SEED"); seed == 0 && text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	t.Logf("repeat with: go test ./internal/app -run '^%s$' -crash.seed %d", t.Name(), seed)
	return seed
}

// crashService returns a service that uses every destination of a site except o.Off.
// Slack takes one message a second, so it gets only one per task.
func crashService(t *testing.T, s *sim.Sim, o demo.Settings) *service {
	t.Helper()
	o.Extra = impatient
	v := newService(t, s, o)
	v.stalled = watchMachine(t)
	for _, section := range []string{"reloadTaskFailure", "reloadTaskAborted"} {
		begin := section + ": {enable: true, rateLimit: "
		edit(t, v.config, begin+strconv.Itoa(o.RateLimit)+", webhookURL", begin+"3600, webhookURL")
	}
	return v
}

// crashSite starts a simulated site that records everything that reaches it.
func crashSite(t *testing.T, seed uint64) *sim.Sim {
	t.Helper()
	return crashSiteOf(t, seed, 40_000, wholeHistory)
}

// tasksFor returns how many tasks a site needs for crashMix: a distribute task runs
// once, and one task in 40 is one of those that succeed.
func tasksFor(rate int, length time.Duration) int {
	return max(40_000, 3*rate*int(length/time.Second))
}

// How many messages each sink of a site keeps: all of a run, for the oracle, or some,
// where they are not read.
const (
	wholeHistory = 1 << 20
	shortHistory = 100
)

// crashSiteOf starts a site with that many tasks, whose sinks keep history messages.
func crashSiteOf(t *testing.T, seed uint64, tasks, history int) *sim.Sim {
	t.Helper()
	s, err := sim.New(sim.Options{
		Seed: seed, CertDir: filepath.Join(t.TempDir(), "cert"), World: world.Options{Tasks: tasks},
		HTTP: sink.HTTPOptions{History: history}, SMTP: sink.SMTPOptions{History: history},
		Influx: sink.InfluxOptions{History: history}, MQTT: sink.MQTTOptions{History: history},
	})
	must(t, err)
	must(t, s.Start())
	t.Cleanup(s.Stop)
	for _, address := range rejectedAddresses {
		s.SMTP.Reject(address, 550)
	}
	return s
}

// load sends datagrams in the background until the returned function is called.
func load(t *testing.T, f *traffic, rate int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() { failed <- f.run(ctx, rate) }()
	return func() {
		cancel()
		must(t, <-failed)
	}
}

// report fails the test with the problems that the oracle finds.
func report(t *testing.T, v *service, o *oracle) {
	t.Helper()
	problems := o.judge()
	accepted := map[string]bool{}
	for _, a := range o.accepted {
		accepted[a.payload] = true
	}
	welcome := map[string]bool{}
	for _, d := range o.sent {
		if d.welcome {
			welcome[string(d.payload)] = true
		}
	}
	told := map[string]bool{}
	for _, r := range o.receipts {
		told[r.id()] = true
	}
	t.Logf("%d processes; %d datagrams sent, %d of %d events accepted, %d seen decided; %d notices delivered in %d deliveries, %d parked; %d script logs archived, %d not fetched",
		len(o.lives), len(o.sent), len(accepted), len(welcome), len(o.decided), len(told), len(o.receipts), len(o.parked), len(o.archive), len(o.logless))
	if d := total(o.stalled); d > 0 {
		t.Logf("the machine stood still %d times, for %s altogether", len(o.stalled), d.Round(time.Millisecond))
	}
	v.complain(problems)
}

// complain fails the test with problems, of which it shows the first ones.
func (v *service) complain(problems []string) {
	v.t.Helper()
	const shown = 10
	for i, p := range problems {
		if i == shown {
			v.errorf("and %d more problems", len(problems)-shown)
			break
		}
		v.errorf("%s", p)
	}
}

// end waits until nothing is left to do, and stops the service in an orderly way.
func (v *service) end() {
	v.t.Helper()
	v.idle()
	v.wantsNoBug()
	if code := v.terminate(20 * time.Second); code != 0 {
		v.errorf("want exit code 0 after SIGTERM, got %d", code)
	}
}

func TestCrash_killedUnderLoadLosesNothingAndRepeatsOnlyWhatWasInFlight(t *testing.T) {
	seed := seedOf(t)
	s := crashSite(t, seed)
	v := crashService(t, s, demo.Settings{PollEvery: "1s"})
	edit(t, v.config, "distributePollInterval", patient)
	f := newTraffic(t, v, crashMix, seed)
	w := newWeather(t, s)
	random := rand.New(rand.NewPCG(seed, 0xdead))

	v.start()
	v.ready()
	stop := load(t, f, loadRate)
	w.begin(seed)
	n := kills(t)
	for i := range n {
		switch throw := random.IntN(10); {
		case i == n/2: // long enough for datagrams that must be accepted
			v.ready()
			pause(t, storeTime+2*settleTime)
		case throw < 3: // possibly before it is ready
			pause(t, time.Duration(random.IntN(400))*time.Millisecond)
		case throw < 8:
			v.ready()
			pause(t, time.Duration(50+random.IntN(550))*time.Millisecond)
		default:
			v.ready()
			pause(t, time.Duration(600+random.IntN(1400))*time.Millisecond)
		}
		v.kill()
		v.start()
	}
	v.ready()
	w.end()
	pause(t, 2*time.Second)
	stop()
	v.end()
	report(t, v, gather(t, v, f, w))
}

// pause waits for d while the service runs.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	edge.Pause(t.Context(), d)
}

func TestCrash_terminatedUnderLoadEndsInOrder(t *testing.T) {
	seed := seedOf(t)
	v := crashService(t, crashSite(t, seed), demo.Settings{PollEvery: "1s"})
	f := newTraffic(t, v, crashMix, seed)
	v.start()
	v.ready()
	stop := load(t, f, loadRate)
	pause(t, 2500*time.Millisecond)
	if code := v.terminate(12 * time.Second); code != 0 {
		t.Errorf("want exit code 0 after SIGTERM under load, got %d", code)
	}
	stop()
	v.start()
	v.ready()
	v.end()
	report(t, v, gather(t, v, f, nil))
}

func TestCrash_backlogIsTakenUpAfterARestart(t *testing.T) {
	const events = 3000
	seed := seedOf(t)
	s := crashSite(t, seed)
	v := crashService(t, s, demo.Settings{PollEvery: "1s"})
	f := newTraffic(t, v, crashMix, seed)
	w := newWeather(t, s)
	w.down(sinkHTTP, sinkMail, sinkInflux)
	v.start()
	v.ready()
	stop := load(t, f, 1000)
	v.until("the traffic sent", func() bool { return f.count() >= events })
	stop()
	f.volley(t, crashMix[3], 200)
	v.until("a large backlog", func() bool { return v.metrics()["butler_notification_queue_length"] > events/2 })
	v.kill()
	v.start()
	v.ready()
	w.end()
	v.end()
	report(t, v, gather(t, v, f, w))
}

func TestCrash_suppressionAddsUp(t *testing.T) {
	seed := seedOf(t)
	v := crashService(t, crashSite(t, seed), demo.Settings{RateLimit: 1, Off: []string{"disklog", "email", "influxdb"}})
	mix := crashMix[:2] // reloads that fail or are aborted
	f := newTraffic(t, v, mix, seed)
	random := rand.New(rand.NewPCG(seed, 0xdead))
	v.start()
	v.ready()
	stop := load(t, f, loadRate)
	for range min(kills(t), 5) {
		v.ready()
		pause(t, time.Duration(300+random.IntN(1000))*time.Millisecond)
		v.kill()
		v.start()
	}
	v.ready()
	stop()
	v.end()
	o := gather(t, v, f, nil)
	o.checkWindows(sinkHTTP)
	o.checkWindows(sinkSlack)
	v.complain(o.problems)
}

func TestCrash_aFullJournalIsALoudStateThatEnds(t *testing.T) {
	seed := seedOf(t)
	s := crashSite(t, seed)
	v := crashService(t, s, demo.Settings{Off: []string{"slack", "disklog", "email"}, DegradedAfter: "10m"})
	edit(t, v.config, "journal: {", "journal: {maxBytes: 64MiB, keepBytes: 32MiB, ")
	must(t, s.QRS.Outage(true))
	f := newTraffic(t, v, crashMix[3:4], seed)
	v.start()
	v.ready()
	f.padding = 50_000
	v.until("the journal full", func() bool {
		f.burst(t, 20)
		return v.metrics()[`butler_udp_packets_rejected_total{reason="journal_unavailable"}`] > 0
	})
	status, body, err := v.get("/readyz")
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, "journal") {
		t.Errorf("want the service not ready because of the journal, got %d %q, %v", status, body, err)
	}
	if status, _, err = v.get("/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("want the process alive, got %d, %v", status, err)
	}
	must(t, s.QRS.Outage(false))
	v.until("room again", func() bool {
		status, _, err := v.get("/readyz")
		return err == nil && status == http.StatusOK
	})
	before := v.metrics()["butler_events_received_total"]
	f.padding = 0
	f.burst(t, 10)
	v.until("events accepted again", func() bool { return v.metrics()["butler_events_received_total"] > before })
	v.idle()
	m := v.metrics()
	accepted := int(m["butler_events_received_total"] - m["butler_events_duplicate_total"])
	v.end()
	points := &oracle{}
	points.readPoints(t, s.Influx)
	if len(points.receipts) != accepted || len(points.stored) != accepted {
		t.Errorf("want all %d accepted events told, once each, got %d, of which %d are kept", accepted, len(points.receipts), len(points.stored))
	}
	if len(v.lives) != 1 {
		t.Errorf("want one process through it all, got %d", len(v.lives))
	}
}

// edit changes a text in a file.
func edit(t *testing.T, path, old, changed string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("want %q in %s", old, path)
	}
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, changed, 1)), 0o600))
}
