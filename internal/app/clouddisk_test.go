//go:build linux

package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/sim/sink"
)

// An event that cannot be written is not acknowledged: it waits, that is told,
// and it is alerted when the disk works again.
func TestCloud_waitsWithEventsOfTheBrokerUntilTheDiskTakesThem(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	gateway, more := gatewayBroker(t, s)
	v := newService(t, s.sim, demo.Settings{
		Off: []string{"influxdb", "disklog"}, Extra: fmt.Sprintf(cloudConfig, porttest.Of(t, "tcp"), from.URL(), "", s.sim.HTTP.URL()) + more,
	})
	v.start()
	v.ready()
	v.until("the subscription", func() bool { return gateway.Subscribed("qscloud/app/reload/ten-1") })

	d := &disk{t: t, v: v}
	must(t, d.forbid())
	publish := func(reload string) { must(t, gateway.Publish("qscloud/app/reload/ten-1", from.Event(reload, "error"))) }
	health := func() string { _, page, _ := v.get("/health"); return page }
	publish("r-9") // it meets the broken disk, and is waited with
	v.until("a ledger that cannot be written", func() bool { m := v.metrics(); return m != nil && m["butler_journal_writable"] == 0 })
	const events = 3
	for n := range events {
		publish(fmt.Sprintf("r-%d", n+1))
	}
	v.until("all events waiting", func() bool {
		m := v.metrics()
		return m[`butler_mqtt_messages_waiting{connection="cloud"}`] == events && m[`butler_mqtt_messages_received_total{connection="cloud",result="retried",row="cloud_event"}`] >= events
	})
	if page := health(); !strings.Contains(page, "events of the broker cannot be journalled and are tried again: the journal cannot be written") {
		t.Errorf("want health to tell, got %s", page)
	}
	d.repair()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for n := range events {
		reload := fmt.Sprintf("%q", fmt.Sprintf("r-%d", n+1))
		if _, err := s.sim.HTTP.History().Await(ctx, func(r sink.HTTPRequest) bool { return strings.HasPrefix(r.Path, "/hook/cloud") && r.Mentions(reload) }); err != nil {
			t.Fatalf("nobody was notified of %s: %v", reload, err)
		}
	}
	v.until("none waiting", func() bool {
		m := v.metrics()
		return m != nil && m[`butler_mqtt_messages_waiting{connection="cloud"}`] == 0
	})
	if page := health(); page == "" || strings.Contains(page, "events of the broker cannot be journalled") {
		t.Errorf("want nothing waiting, got %s", page)
	}
	v.wantsNoBug()
}
