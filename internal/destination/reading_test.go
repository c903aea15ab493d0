package destination_test

import (
	"testing"
	"time"

	"butler/internal/destination"
	"butler/messages"
)

func TestRoute_readingsAreOfUseForAWhile(t *testing.T) {
	quarter := now.Add(15 * time.Minute)
	for _, row := range []struct {
		name  string
		alert messages.Alert
		store bool
		want  time.Time
	}{
		{"the state of a service", messages.Alert{Kind: messages.ServiceStatus}, false, quarter},
		{"the state of the licence", messages.Alert{Kind: messages.LicenseStatus}, false, quarter},
		{"a reading that is kept", messages.Alert{Kind: messages.ServiceStatus}, true, quarter},
		{"a measurement", messages.Alert{Kind: messages.UDPQueue}, true, quarter},
		{"a licence that was released", messages.Alert{Kind: messages.LicenseReleased}, true, time.Time{}},
		{"a test", messages.Alert{Kind: messages.ServiceStatus, Test: true}, false, time.Time{}},
		{"a service that has stopped", messages.Alert{Kind: messages.ServiceStopped}, false, time.Time{}},
		{"a licence that ends soon", messages.Alert{Kind: messages.LicenseExpiring}, false, time.Time{}},
		{"a task", messages.Alert{Kind: failed}, false, time.Time{}},
	} {
		tab := table(t, destination.Instance{Name: "one", Kinds: []messages.AlertKind{row.alert.Kind}, Store: row.store})
		notices, _ := tab.Route(&row.alert, true, now)
		if len(notices) != 1 || !notices[0].Expires.Equal(row.want) {
			t.Errorf("%s: want one notice until %v, got %+v", row.name, row.want, notices)
		}
	}
}
