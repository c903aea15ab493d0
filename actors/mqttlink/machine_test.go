package mqttlink

import (
	"strings"
	"testing"
	"time"

	"butler/messages"
)

func TestMachine_ignoresOutcomesOfAttemptsBeforeACrash(t *testing.T) {
	for name, f := range map[string]messages.Failure{
		"done": {}, "to be tried again": {Kind: messages.FailureUnavailable}, "refused": {Kind: messages.FailureRejected},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Rows: []Row{{Name: "start_task", Topic: "start"}}}.withDefaults()
			m := newMachine(o, 2)
			if effects := m.finished(time.Time{}, 0, job{MQTTMessageArrived: messages.MQTTMessageArrived{ID: 1}, Attempt: 1}, f); effects != nil {
				t.Errorf("want nothing done about it, got %+v", effects)
			}
			if at := m.next(); !at.IsZero() {
				t.Errorf("want no other attempt, got one at %s", at)
			}
			handles := 0
			for id := range uint64(2) {
				for _, e := range m.arrived(messages.MQTTMessageArrived{ID: 2 + id, Topic: "start"}) {
					if _, ok := e.(handle); ok {
						handles++
					}
				}
			}
			if handles != o.Rows[0].Concurrency {
				t.Errorf("want %d handled at a time, got %d", o.Rows[0].Concurrency, handles)
			}
		})
	}
}

func TestLink_makesNothingForALineThatIsNotWritten(t *testing.T) {
	l := &link{opts: Options{Name: "main"}.withDefaults()}
	j := job{MQTTMessageArrived: messages.MQTTMessageArrived{Topic: "start", Payload: strings.Repeat("x", 1000)}}
	if got := testing.AllocsPerRun(100, func() {
		l.received(j)
		l.tell(tell{row: otherRow, result: ignored, job: j})
		l.tell(tell{row: "start_task", result: handled, job: j})
	}); got > 0 {
		t.Errorf("want nothing allocated for a message, got %v times", got)
	}
}
