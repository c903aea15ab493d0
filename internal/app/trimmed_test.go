package app_test

import (
	"time"

	"butler/internal/udp"
)

// recallTrimmed puts back what the journal gave up to make room while its disk was
// full. Only handled events go, the oldest first. Of what was sent before the oldest
// that is left, that was accepted which could not be missed, what the service decided
// about, and what somebody was notified of; the rest is in doubt and counted.
func (o *oracle) recallTrimmed() error {
	if !o.trimmed {
		return nil
	}
	kept := map[string]int{}
	for _, a := range o.accepted {
		kept[a.payload]++
	}
	told := map[string]bool{}
	for _, r := range o.receipts {
		told[r.id()] = true
	}
	oldest := time.Now()
	for _, d := range o.sent {
		if kept[string(d.payload)] > 0 {
			oldest = d.at
			break
		}
	}
	for _, d := range o.sent {
		if !d.at.Before(oldest) {
			return nil
		}
		if !d.welcome {
			continue
		}
		event, rejection := udp.Parse(d.payload, udp.ParseOptions{RecoverSemicolons: true})
		if rejection != nil {
			return rejection
		}
		event.At = d.at
		a := acceptedAs(event, d.payload)
		if _, ok := timeOf(event); !ok {
			a.timeless = archiveEnd(event)
		}
		if !o.servedAt(d.at) && !o.decided[a.id()] && !o.toldOf(a, told) {
			o.forgotten++
			continue
		}
		o.accepted = append(o.accepted, a)
	}
	return nil
}

// toldOf reports whether anybody was notified of an event.
func (o *oracle) toldOf(a acceptedEvent, told map[string]bool) bool {
	e := o.executions[a.execution]
	if e == nil {
		return false
	}
	for _, notice := range append(o.tells(e, a.family), o.tells(e.unknown(), a.family)...) {
		if told[a.execution+" "+notice] {
			return true
		}
	}
	return false
}
