package cloud

import (
	"slices"

	"butler/internal/trail"
)

// outcomes are the descriptions of the outcomes for people.
var outcomes = map[string]string{
	outcomeAlerted:    "a failed app reload in Qlik Cloud, alert decided",
	outcomeNobodyTold: "a failed app reload in Qlik Cloud, nobody is told",
	outcomeNoRoute:    "a failed app reload in Qlik Cloud, which no destination wants",
}

// step returns the trail entry of a decision.
func (t told) step() *trail.Decision {
	d := &trail.Decision{
		Head:    trail.Head{Key: t.alert.Key, ExecutionID: t.alert.Cloud.ReloadID, At: t.at},
		AppName: t.alert.App.Name, Outcome: t.outcome, Text: outcomes[t.outcome], Alert: t.alert.Kind,
		Degraded: slices.Clone(t.alert.Degraded),
	}
	for _, n := range t.notices {
		d.Told = append(d.Told, trail.Told{ID: n.ID, Instance: n.Instance, Recipient: n.Recipient})
	}
	for _, v := range t.without {
		d.NotTold = append(d.NotTold, trail.NotTold{Instance: v.Instance, Reason: v.Names()})
	}
	return d
}
