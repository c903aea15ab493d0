package cloud

import (
	"slices"

	"butler/internal/trail"
)

// outcomes are the descriptions of the outcomes for people.
var outcomes = map[string]string{
	outcomeAlerted:        "a failed app reload in Qlik Cloud, alert decided",
	outcomeNobodyNotified: "a failed app reload in Qlik Cloud, nobody is notified",
	outcomeNoRoute:        "a failed app reload in Qlik Cloud, which no destination wants",
}

// step returns the trail entry of a decision.
func (t told) step() *trail.Decision {
	d := &trail.Decision{
		Head:    trail.Head{Key: t.alert.Key, ExecutionID: t.alert.Cloud.ReloadID, At: t.at},
		AppName: t.alert.App.Name, Outcome: t.outcome, Text: outcomes[t.outcome], Alert: t.alert.Kind,
		Degraded: slices.Clone(t.alert.Degraded),
	}
	for _, n := range t.notices {
		d.Notified = append(d.Notified, trail.Notified{ID: n.ID, Instance: n.Instance, Recipient: n.Recipient})
	}
	for _, v := range t.without {
		d.NotNotified = append(d.NotNotified, trail.NotNotified{Instance: v.Instance, Reason: v.Names()})
	}
	return d
}
