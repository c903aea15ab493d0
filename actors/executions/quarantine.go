package executions

import (
	"encoding/json"
	"fmt"
	"time"

	"butler/internal/quarantine"
	"butler/messages"
)

// quarantined returns the quarantine entries of an execution that is given up.
func (g giveUp) quarantined(now time.Time) []messages.QuarantinedDatagram {
	var out []messages.QuarantinedDatagram
	for _, placed := range g.events {
		detail := fmt.Sprintf("handling the event of execution %s crashed %d times, see the log; nobody was notified of it", g.key, g.crashes)
		raw, err := json.Marshal(placed.Event)
		if err != nil { // a time outside the years that JSON knows
			raw = fmt.Appendf(nil, "%+v", placed.Event)
		}
		one := quarantined(messages.ReasonCrashed, placed.Event.At, detail, raw)
		one.Source = placed.Event.Source
		out = append(out, one)
	}
	if g.snapshot != nil {
		detail := fmt.Sprintf("following execution %s crashed %d times, see the log; this is its recorded state", g.key, g.crashes)
		out = append(out, quarantined(messages.ReasonCrashed, now, detail, g.snapshot))
	}
	return out
}

// quarantined returns the quarantine entry for bytes of the journal.
func quarantined(reason string, at time.Time, detail string, raw []byte) messages.QuarantinedDatagram {
	d := messages.QuarantinedDatagram{Reason: reason, Detail: detail, At: at}
	d.SetPayload(raw, quarantine.MaxGivenUp)
	return d
}
