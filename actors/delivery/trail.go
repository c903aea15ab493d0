package delivery

import (
	"butler/internal/trail"
	"butler/messages"
)

// noteAttempt writes an attempt to the trail. Readings are left out: they are taken
// all the time and belong to no execution.
func (d *delivery) noteAttempt(a attempted) {
	if d.opts.Trail == nil {
		return
	}
	for i := range a.notices {
		n := &a.notices[i]
		if n.Alert.Key == "" || n.Alert.Kind.Reading() {
			continue
		}
		said := a.results[i].err
		if a.labels[i] == "" && a.idle != nil {
			said = a.idle[i]
		}
		d.opts.Trail.Write(&trail.Attempt{
			Head:   trail.Head{Key: n.Alert.Key, ExecutionID: n.Alert.Event.ExecutionID, At: a.at},
			Notice: n.ID, Instance: n.Instance, Number: a.sent[i].attempt, Took: a.took,
			Failure: a.labels[i], Err: said,
		})
	}
}

// noteEnd writes the end of a notice to the trail. For a delivered one the accepted
// attempt is there already.
func noteEnd(steps *trail.Trail, end messages.NoticeSettled) {
	if end.Outcome == messages.NoticeDelivered || end.Kind.Reading() {
		return
	}
	steps.Write(trail.NewEnd(end))
}
