package mqttlink

import (
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
