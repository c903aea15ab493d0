//go:build linux

package app_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
)

// The chaos run: everything goes wrong around a service under load, by a plan that
// depends only on the seed, and an oracle outside the process judges the result.

// calamity is one failure of the service itself. The failures of the systems around it
// are the weather.
type calamity struct {
	// calm is the time before it.
	calm time.Duration
	kind string
	// lasts is its duration, 0 if it has none.
	lasts time.Duration
	// shift is the offset of the wall clock after it.
	shift time.Duration
}

func (c calamity) String() string {
	out := fmt.Sprintf("after %4dms %s", c.calm.Milliseconds(), c.kind)
	if c.kind == "clock jump" {
		return out + " to " + c.shift.String()
	}
	if c.lasts > 0 {
		out += fmt.Sprintf(" for %dms", c.lasts.Milliseconds())
	}
	return out
}

// The kinds of calamities. A plan has each at least once if there is time for it.
const (
	killed             = "kill -9"
	killedTwice        = "kill -9, and again while it starts"
	terminated         = "SIGTERM"
	frozen             = "SIGSTOP"
	frozenKilled       = "SIGSTOP, kill -9"
	diskFull           = "full disk"
	diskFullKilled     = "full disk, kill -9, start"
	diskReadOnly       = "read-only disk"
	diskReadOnlyKilled = "read-only disk, kill -9, start"
	clockJump          = "clock jump"
	// qrsAway lasts longer than execution.degradedAfter, which starts again in every
	// process: no other calamity happens meanwhile. Only long plans have it, occasionally.
	qrsAway = "repository away"
)

const (
	// chaosDegraded is execution.degradedAfter.
	chaosDegraded = 20 * time.Second
	// awayFirst is the first index of qrsAway in a plan, awayOne the distance to the next.
	awayFirst, awayOne = 10, 25
)

var calamities = []string{
	killed, frozen, diskFull, diskReadOnly, killedTwice, terminated, frozenKilled, diskFullKilled, diskReadOnlyKilled, clockJump,
}

// chaosPlan returns the calamities of a run of about a length. Its only randomness is
// the seed.
func chaosPlan(seed uint64, length time.Duration, kinds []string) []calamity {
	random := rand.New(rand.NewPCG(seed, 0xca1a))
	between := func(low, high int) time.Duration {
		return time.Duration(low+random.IntN(high-low)) * time.Millisecond
	}
	var plan []calamity
	var bag []string
	for planned := time.Duration(0); planned < length; {
		if len(bag) == 0 { // a bag, so that chance leaves no kind out
			for _, i := range random.Perm(len(kinds)) {
				bag = append(bag, kinds[i])
			}
		}
		c := calamity{kind: bag[0], calm: between(300, 4000), lasts: between(200, 4000)}
		if length > shortChaos && len(plan)%awayOne == awayFirst {
			c.kind, c.lasts = qrsAway, chaosDegraded+between(2000, 8000)
		} else {
			bag = bag[1:]
		}
		switch c.kind {
		case killed, terminated, clockJump:
			c.lasts = 0
		case killedTwice:
			c.lasts = between(10, 800)
		}
		if c.kind == clockJump {
			c.shift = time.Duration(random.IntN(101)-50) * time.Minute
		}
		plan = append(plan, c)
		planned += c.calm + c.lasts + time.Second
	}
	return plan
}

func TestChaosPlan_isAFunctionOfTheSeed(t *testing.T) {
	one, again, other := fmt.Sprint(chaosPlan(7, time.Hour, calamities)), fmt.Sprint(chaosPlan(7, time.Hour, calamities)), fmt.Sprint(chaosPlan(8, time.Hour, calamities))
	if one != again || one == other {
		t.Errorf("want one plan for one seed, got\n%s\n%s\n%s", one, again, other)
	}
	for _, kind := range append(slices.Clone(calamities), qrsAway) {
		if !strings.Contains(fmt.Sprint(chaosPlan(1, 2*time.Minute, calamities)), kind) {
			t.Errorf("want everything in two minutes, got no %s", kind)
		}
	}
}

// chaosKinds returns the calamities in a list separated by semicolons, all for "".
func chaosKinds(only string) ([]string, error) {
	if only == "" {
		return calamities, nil
	}
	kinds := strings.Split(only, ";")
	for _, kind := range kinds {
		if !slices.Contains(calamities, kind) {
			return nil, fmt.Errorf("BUTLER_CHAOS_ONLY names %q, want some of %q", kind, calamities)
		}
	}
	return kinds, nil
}

func TestChaosKinds_areThoseThatCanBefall(t *testing.T) {
	if kinds, err := chaosKinds(diskFull + ";" + clockJump); err != nil || !slices.Equal(kinds, []string{diskFull, clockJump}) {
		t.Errorf("want the two calamities named, got %q, %v", kinds, err)
	}
	if kinds, err := chaosKinds(""); err != nil || len(kinds) != len(calamities) {
		t.Errorf("want all calamities, got %q, %v", kinds, err)
	}
	for _, only := range []string{"ful disk", diskFull + ";", "full disk; kill -9"} {
		if kinds, err := chaosKinds(only); err == nil {
			t.Errorf("want %q refused, got %q", only, kinds)
		}
	}
}

// The length and the load of a run.
const (
	// shortChaos is the default length of a run.
	shortChaos = 12 * time.Second
	// chaosRate is the load in datagrams a second.
	chaosRate = 100
)

// chaosLength returns the length of a run, from BUTLER_CHAOS_MINUTES.
func chaosLength(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("BUTLER_CHAOS_MINUTES")
	if text == "" {
		return shortChaos
	}
	minutes, err := strconv.ParseFloat(text, 64)
	if err != nil || minutes <= 0 {
		t.Fatalf("BUTLER_CHAOS_MINUTES is %q, want a number of minutes", text)
	}
	return time.Duration(minutes * float64(time.Minute))
}

// chaosConfig is the configuration of the broker.
const chaosConfig = `  mqttConfig:
    enable: true
    brokerHost: 127.0.0.1
    brokerPort: %s
    clientId: butler-chaos
    taskFailureSendFull: true
    taskFailureTopic: ""
    taskFailureFullTopic: chaos/failed
    taskAbortedSendFull: true
    taskAbortedTopic: ""
    taskAbortedFullTopic: chaos/aborted
`

func TestChaos_losesNothingAcceptedWhateverHappens(t *testing.T) {
	seed, length := seedOf(t), chaosLength(t)
	kinds, err := chaosKinds(os.Getenv("BUTLER_CHAOS_ONLY"))
	must(t, err)
	s := crashSiteOf(t, seed, tasksFor(chaosRate, 2*length), wholeHistory) // includes the time to get ready again
	_, port, _ := strings.Cut(s.MQTT.Addr(), ":")
	v := crashService(t, s, demo.Settings{PollEvery: "1s", DegradedAfter: chaosDegraded.String()})
	edit(t, v.config, "distributePollInterval", patient)
	edit(t, v.config, "portTaskFailure:", "deduplication: {ttlMinutes: 600}, portTaskFailure:")
	for range 2 { // one Slack message per task, and one more after a jump back
		edit(t, v.config, "rateLimit: 3600,", "rateLimit: 86400,")
	}
	appendTo(t, v.config, fmt.Sprintf(chaosConfig, port))
	c := newCalamitous(t, v, length > shortChaos)
	if seed%2 == 0 {
		newServiceManager(t, v)
		t.Log("the UDP socket stays open between two processes, as under systemd")
	}
	f := newTraffic(t, v, crashMix, seed)
	w := newWeather(t, s)
	w.addBroker(s.MQTT)
	w.stormy, c.weather = length > shortChaos, w

	v.start()
	v.ready()
	stop := load(t, f, chaosRate)
	w.begin(seed)
	watch := v.observe()
	plan := chaosPlan(seed, length, kinds)
	for i, what := range plan {
		pause(t, what.calm)
		t.Logf("%3d %s %s", i+1, c.clock(), what)
		c.befall(what)
	}
	v.ready()
	w.end()
	pause(t, 2*time.Second)
	stop()
	drained := time.Now()
	v.idle()
	t.Logf("everything drained in %s", time.Since(drained).Round(time.Millisecond))
	seen := watch()
	v.end()
	o := gather(t, v, f, w)
	o.broker = true
	o.readPublications(s.MQTT.Publications().All())
	o.watched, o.acknowledged, o.blocked = true, seen.accepted, c.blocked
	if err := o.recallTrimmed(); err != nil {
		v.errorf("read what the journal gave up: %v", err)
	}
	report(t, v, o)
	t.Logf("of %d executions the service gave up looking for what it did not know; %d of unknown tasks were told of as reloads", len(o.gaveUp), o.asReloads())
	memory, grown := seen.growth()
	t.Log(memory)
	v.complain(grown)
}

// appendTo adds lines to a file.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(text)
	must(t, err)
	must(t, file.Close())
}

// addBroker makes the broker part of the weather.
func (w *weather) addBroker(broker *sink.MQTT) {
	w.sinks = append(w.sinks, sinkUnderWeather{sinkMQTT, broker.Faults(), broker.Refuse, []edge.Rule{
		{Kind: edge.Slow, Method: "PUBLISH", Delay: 60 * time.Millisecond},
		{Kind: edge.Hang, Method: "PUBLISH", Times: 2},
	}})
}
