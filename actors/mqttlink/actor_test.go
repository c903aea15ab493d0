package mqttlink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/actors/mqttlink"
	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/backoff"
	"butler/messages"
)

// connection hands out messages and knows which of them are settled.
type connection struct {
	mu      sync.Mutex
	last    uint64
	open    []messages.MQTTMessageArrived
	settled []string // payloads, in order
	send    func(messages.MQTTMessageArrived)
}

func (c *connection) Settle(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.open {
		if m.ID == id {
			c.open = append(c.open[:i:i], c.open[i+1:]...)
			c.settled = append(c.settled, m.Payload)
			return
		}
	}
}

func (c *connection) Resume() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.last + 1
	for i := range c.open {
		c.last++
		c.open[i].ID = c.last
		c.send(c.open[i])
	}
	return first
}

// stage is an actor on a connection, with a log of what its handlers did.
type stage struct {
	*connection
	kit   *actorkit.Kit
	logs  *observer.ObservedLogs
	stats *actorkit.Stats
	reg   *prometheus.Registry
	pid   *actor.PID

	began   []string // "row payload"
	fixed   bool     // what was away is back
	waiting []string // what OnWaiting was told, when it changed
}

// play runs an actor in a bubble. Its handlers do what the text after the first
// word of a message says.
func play(t *testing.T, rows []mqttlink.Row, act func(*testing.T, *stage)) {
	t.Helper()
	playWith(t, 3, rows, act)
}

func playWith(t *testing.T, attempts int, rows []mqttlink.Row, act func(*testing.T, *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{connection: &connection{}, reg: prometheus.NewRegistry()}
		s.kit, s.logs, s.stats = actortest.Kit(t)
		for i := range rows {
			rows[i].Handle = s.handle(rows[i].Name)
		}
		props := mqttlink.Props(mqttlink.Options{
			Kit: s.kit, Name: "main", Connection: s.connection, Rows: rows, Log: s.kit.Log, Metrics: mqttlink.NewMetrics(s.reg),
			Attempts: attempts, OnWaiting: s.onWaiting, Retry: backoff.Policy{Base: time.Minute, Max: time.Minute, Min: time.Minute},
		}).Clone(actor.WithGuardian(actor.NewOneForOneStrategy(100, time.Minute, actor.DefaultDecider)))
		s.send = func(m messages.MQTTMessageArrived) { s.kit.System.Root.Send(s.pid, m) }
		s.pid = s.kit.System.Root.Spawn(props)
		synctest.Wait()
		act(t, s)
		s.kit.System.Root.Stop(s.pid)
		time.Sleep(time.Hour)
		if s.stats.Bugs() != 0 {
			t.Errorf("%d bugs", s.stats.Bugs())
		}
	})
}

func (s *stage) onWaiting(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || s.waiting[len(s.waiting)-1] != why {
		s.waiting = append(s.waiting, why)
	}
}

func (s *stage) handle(row string) func(context.Context, messages.MQTTMessageArrived) error {
	return func(ctx context.Context, m messages.MQTTMessageArrived) error {
		s.mu.Lock()
		s.began = append(s.began, row+" "+m.Payload)
		fixed := s.fixed
		s.mu.Unlock()
		_, what, _ := strings.Cut(m.Payload, " ")
		switch what {
		case "slow":
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
		case "endless":
			<-ctx.Done()
			return ctx.Err()
		case "away":
			if !fixed {
				return errors.New("out of reach")
			}
		case "bad":
			return messages.Failure{Kind: messages.FailureRejected, Text: "no task"}
		case "panic":
			panic("on purpose")
		}
		return nil
	}
}

// arrive sends a message to the actor.
func (s *stage) arrive(topic, payload string, change ...func(*messages.MQTTMessageArrived)) {
	s.mu.Lock()
	s.last++
	m := messages.MQTTMessageArrived{ID: s.last, Topic: topic, Payload: payload, At: time.Now()}
	for _, c := range change {
		c(&m)
	}
	s.open = append(s.open, m)
	s.mu.Unlock()
	s.send(m)
	synctest.Wait()
}

func (s *stage) expect(t *testing.T, what string, want []string, got *[]string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func starts() []mqttlink.Row {
	return []mqttlink.Row{{Name: "start_task", Topic: "qliksense/start_task", IgnoreRetained: true, Concurrency: 2}}
}

func TestLink_routesByTopic(t *testing.T) {
	rows := []mqttlink.Row{
		{Name: "exact", Topic: "a/b"},
		{Name: "below", Topic: "cloud/reload", Below: true},
		{Name: "slash", Topic: "x/", Below: true},
	}
	for topic, want := range map[string]string{
		"a/b": "exact", "a/b/c": "", "a": "", "a/bc": "", "A/b": "",
		"cloud/reload": "below", "cloud/reload/tenant-1": "below", "cloud/reloadX": "", "cloud/reload/": "below",
		"x/": "slash", "x/y": "slash", "x": "",
	} {
		play(t, append([]mqttlink.Row(nil), rows...), func(t *testing.T, s *stage) {
			s.arrive(topic, "m")
			var began []string
			if want != "" {
				began = []string{want + " m"}
			}
			s.expect(t, topic+": begun", began, &s.began)
			s.expect(t, topic+": settled", []string{"m"}, &s.settled)
		})
	}
}

func TestLink_settlesWhenTheHandlerIsDone(t *testing.T) {
	play(t, starts(), func(t *testing.T, s *stage) {
		s.arrive("qliksense/start_task", "1 slow")
		s.expect(t, "settled too early", nil, &s.settled)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		s.expect(t, "settled", []string{"1 slow"}, &s.settled)
	})
}

func TestLink_handlesSomeAtATimeInTheOrderOfArrivalAndBlocksNobody(t *testing.T) {
	rows := append(starts(), mqttlink.Row{Name: "other", Topic: "other"})
	play(t, rows, func(t *testing.T, s *stage) {
		for n := range 4 {
			s.arrive("qliksense/start_task", fmt.Sprintf("%d slow", n))
			time.Sleep(time.Second)
		}
		s.arrive("other", "quick")
		s.expect(t, "begun", []string{"start_task 0 slow", "start_task 1 slow", "other quick"}, &s.began)
		s.expect(t, "settled", []string{"quick"}, &s.settled)
		time.Sleep(21 * time.Second)
		synctest.Wait()
		s.expect(t, "begun later", []string{"start_task 0 slow", "start_task 1 slow", "other quick", "start_task 2 slow", "start_task 3 slow"}, &s.began)
	})
}

func TestLink_triesAgainWhatMayPass(t *testing.T) {
	play(t, starts(), func(t *testing.T, s *stage) {
		s.arrive("qliksense/start_task", "1 away")
		s.arrive("qliksense/start_task", "2")
		s.expect(t, "the one behind it", []string{"2"}, &s.settled)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		s.expect(t, "attempts", []string{"start_task 1 away", "start_task 2", "start_task 1 away", "start_task 1 away"}, &s.began)
		s.expect(t, "given up", []string{"2", "1 away"}, &s.settled)
		if s.logs.FilterMessage("MQTT message is given up").Len() != 1 || s.logs.FilterMessage("MQTT message could not be handled yet").Len() != 2 {
			t.Errorf("the log says %v", s.logs.All())
		}
	})
}

func TestLink_neverGivesUpWhatMustNotBeLost(t *testing.T) {
	const events = 40
	rows := []mqttlink.Row{{Name: "cloud_event", Topic: "qscloud/app/reload", Concurrency: 64}}
	playWith(t, mqttlink.Unlimited, rows, func(t *testing.T, s *stage) {
		for n := range events {
			s.arrive("qscloud/app/reload", fmt.Sprintf("%d away", n))
		}
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		s.expect(t, "acknowledged in half a day", nil, &s.settled)
		s.expect(t, "told", []string{"", "out of reach"}, &s.waiting)
		s.wantWaiting(t, events)
		s.mu.Lock()
		if attempts := len(s.began); attempts < 12*60*events-2*events || attempts > 12*60*events+2*events {
			t.Errorf("want an attempt a minute for each, got %d in all", attempts)
		}
		s.fixed = true
		s.mu.Unlock()
		if n := s.logs.FilterLevelExact(zap.WarnLevel).Len(); n != events {
			t.Errorf("want one warning for each, got %d", n)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		s.mu.Lock()
		if len(s.settled) != events || len(s.open) != 0 {
			t.Errorf("%d are acknowledged, %d are not", len(s.settled), len(s.open))
		}
		s.mu.Unlock()
		s.expect(t, "told", []string{"", "out of reach", ""}, &s.waiting)
		s.wantWaiting(t, 0)
	})
}

func TestLink_tellsAfterACrashWhatWaitsThen(t *testing.T) {
	playWith(t, mqttlink.Unlimited, starts(), func(t *testing.T, s *stage) {
		s.arrive("qliksense/start_task", "1 away")
		s.mu.Lock()
		s.fixed = true
		s.mu.Unlock()
		s.crash(t)
		s.expect(t, "acknowledged", []string{"1 away"}, &s.settled)
		s.expect(t, "told", []string{"", "out of reach", ""}, &s.waiting)
		s.wantWaiting(t, 0)
	})
}

// crash does to the actor what its supervisor does after a panic.
func (s *stage) crash(t *testing.T) {
	t.Helper()
	process, ok := s.kit.System.ProcessRegistry.Get(s.pid)
	if !ok {
		t.Fatal("the actor is gone")
	}
	process.SendSystemMessage(s.pid, &actor.Restart{})
	synctest.Wait()
}

func (s *stage) wantWaiting(t *testing.T, want int) {
	t.Helper()
	text := fmt.Sprintf(`
# HELP butler_mqtt_messages_waiting Messages of an MQTT broker that could not be handled yet and are retried.
# TYPE butler_mqtt_messages_waiting gauge
butler_mqtt_messages_waiting{connection="main"} %d
`, want)
	if err := testutil.GatherAndCompare(s.reg, strings.NewReader(text), "butler_mqtt_messages_waiting"); err != nil {
		t.Error(err)
	}
}

func TestLink_endsAHandlerThatTakesTooLong(t *testing.T) {
	play(t, starts(), func(t *testing.T, s *stage) {
		s.arrive("qliksense/start_task", "1 endless")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		s.expect(t, "given up", []string{"1 endless"}, &s.settled)
	})
}

func TestLink_refusesWhatIsWrongAndSurvivesAPanic(t *testing.T) {
	for payload, want := range map[string]string{"1 bad": "no task", "1 panic": "on purpose"} {
		play(t, starts(), func(t *testing.T, s *stage) {
			s.arrive("qliksense/start_task", payload)
			s.expect(t, "begun once", []string{"start_task " + payload}, &s.began)
			s.expect(t, "settled", []string{payload}, &s.settled)
			refusals := s.logs.FilterMessage("MQTT message is refused").All()
			if len(refusals) != 1 || !strings.Contains(fmt.Sprint(refusals[0].ContextMap()["err"]), want) {
				t.Errorf("want a refusal that says %q, got %v", want, refusals)
			}
		})
	}
}

func TestLink_ignoresRetainedMessagesWhereItIsTo(t *testing.T) {
	kept := func(m *messages.MQTTMessageArrived) { m.Retained = true }
	play(t, append(starts(), mqttlink.Row{Name: "all", Topic: "all"}), func(t *testing.T, s *stage) {
		s.arrive("qliksense/start_task", "1", kept)
		s.arrive("all", "2", kept)
		s.expect(t, "begun", []string{"all 2"}, &s.began)
		s.expect(t, "settled", []string{"1", "2"}, &s.settled)
		if lines := s.logs.FilterLevelExact(zap.WarnLevel).Len(); lines != 1 {
			t.Errorf("want one warning, got %d", lines)
		}
	})
}

func TestLink_takesUpAfterACrashWhatIsNotSettled(t *testing.T) {
	play(t, starts(), func(t *testing.T, s *stage) {
		for n := range 3 {
			s.arrive("qliksense/start_task", fmt.Sprintf("%d slow", n))
		}
		s.kit.System.Root.Send(s.pid, messages.MQTTMessageArrived{ID: 0, Topic: "qliksense/start_task", Payload: "of a connection long ago"})
		s.crash(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.settled) != 3 || len(s.open) != 0 {
			t.Errorf("settled %v, open %v", s.settled, s.open)
		}
		for _, b := range s.began {
			if strings.Contains(b, "long ago") {
				t.Error("a message under an ID of before is handled")
			}
		}
	})
}

func TestMetrics_countByRowAndResult(t *testing.T) {
	play(t, starts(), func(t *testing.T, s *stage) {
		for _, payload := range []string{"1", "2 bad"} {
			s.arrive("qliksense/start_task", payload)
		}
		s.arrive("elsewhere", "3")
		got, err := testutil.GatherAndCount(s.reg, "butler_mqtt_messages_received_total")
		if err != nil || got != 7 {
			t.Errorf("want six results of a row and one of none, got %d, %v", got, err)
		}
		families, err := s.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]float64{}
		for _, m := range families[0].GetMetric() {
			name := ""
			for _, l := range m.GetLabel() {
				name += l.GetValue() + " "
			}
			if v := m.GetCounter().GetValue(); v > 0 {
				counts[strings.TrimSpace(name)] = v
			}
		}
		want := map[string]float64{"main handled start_task": 1, "main refused start_task": 1, "main ignored other": 1}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Error(diff)
		}
	})
}
