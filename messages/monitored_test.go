package messages

import (
	"testing"
	"time"
)

func TestObserved_everyObservationHasItsOwnID(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	service := func(name string) Alert { return Alert{Kind: ServiceStatus, Service: Service{Host: "h", Name: name}} }
	seen := map[AlertID]string{}
	for what, a := range map[string]Alert{
		"one service": service("a").Observed(at, 0), "another": service("b").Observed(at, 0),
		"later": service("a").Observed(at.Add(time.Nanosecond), 0), "the second": service("a").Observed(at, 1),
		"another kind": Alert{Kind: ServiceStopped, Service: Service{Host: "h", Name: "a"}}.Observed(at, 0),
	} {
		if before, twice := seen[a.ID]; twice {
			t.Errorf("%s has the ID of %s", what, before)
		}
		seen[a.ID] = what
	}
	if a, b := service("a").Observed(at, 0), service("a").Observed(at.In(time.FixedZone("", 3600)), 0); a.ID != b.ID {
		t.Error("the same sight has two IDs")
	}
}

func TestMeasuredKinds_areNotTaskEvents(t *testing.T) {
	for _, kind := range MeasuredKinds() {
		a := Alert{Kind: kind}
		if a.TaskEvent() || a.Subject() == "" {
			t.Errorf("%s counts as a task event", kind)
		}
		if kind.Reading() != (kind != LicenseReleased) {
			t.Errorf("%s: want a reading, unless it happened once", kind)
		}
	}
}
