package app_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"butler/api/operations"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/qlik"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
	"butler/messages"
)

const firstHook = "webhook/reload_task_failed/1"

// twoHooksSite starts a service whose first webhook does not work and has a message that
// waits, and whose second one has got its own. remove and putBack change the file.
func twoHooksSite(t *testing.T) (s *site, file string, remove, putBack func()) {
	t.Helper()
	s = siteOf(t)
	file, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, Off: []string{"email", "slack", "influxdb", "disklog"}})
	must(t, err)
	const failed = "/hook/failed\", httpMethod: POST}"
	second := `- {description: Ticket system, webhookURL: "` + s.sim.HTTP.URL() + failed
	first := strings.Replace(second, failed, "/hook/broken\", httpMethod: POST}", 1) + "\n        "
	edit(t, file, second, first+second)
	s.sim.HTTP.Faults().Set(edge.Rule{Name: "broken", Kind: edge.Status, Status: 503, PathPrefix: "/hook/broken"})
	s.startFile(file)
	s.failure("/hook/failed", 1)
	s.until("the first webhook refusing its message", func() bool { return s.calls("/hook/broken") > 0 })
	return s, file, func() { edit(t, file, first, "") }, func() { edit(t, file, second, first+second) }
}

// wantFirstParked wants that what waited for the removed webhook is parked, that nobody
// else gets it, and that the other one goes on under its name.
func (s *site) wantFirstParked() {
	s.t.Helper()
	parked := func() (list []operations.ParkedNotice) {
		s.get("/admin/parked", &list)
		return list
	}
	s.until("the waiting message parked or sent to the other webhook", func() bool { return len(parked()) == 1 || s.calls("/hook/failed") > 1 })
	if p := parked(); len(p) != 1 || p[0].Destination != firstHook || !strings.Contains(p[0].Reason, "not configured any more") {
		s.t.Fatalf("want the message of the first webhook parked because it is gone, got %+v", p)
	}
	s.idle(1)
	if n := s.calls("/hook/failed"); n != 1 {
		s.t.Errorf("want the second webhook to get its own message only, it got %d", n)
	}
	s.failure("/hook/failed", 2)
	s.idle(2)
	if told := s.told(); told["webhook/reload_task_failed/2"] != 2 || told[firstHook] != 0 {
		s.t.Errorf("want both messages of the second webhook under its old name, got %v", told)
	}
}

func TestNumbers_aRemovedWebhookLeavesItsMessagesToNobody(t *testing.T) {
	t.Run("reload", func(t *testing.T) {
		s, _, remove, putBack := twoHooksSite(t)
		remove()
		s.reload()
		s.wantFirstParked()
		var destinations []operations.Destination
		s.get("/admin/destinations", &destinations)
		at := slices.IndexFunc(destinations, func(d operations.Destination) bool { return d.Instance == "webhook/reload_task_failed/2" })
		if at < 0 || destinations[at].Path != "webhookNotification.reloadTaskFailure.webhooks[0]" {
			t.Errorf("want the second webhook shown with its key of now, got %+v", destinations)
		}
		s.sim.HTTP.Faults().Remove("broken")
		putBack()
		s.reload()
		before := s.calls("/hook/broken")
		s.wantReplayed()
		s.until("the replayed message at its own address", func() bool { return s.calls("/hook/broken") == before+1 })
	})
	t.Run("restart", func(t *testing.T) {
		s, file, remove, putBack := twoHooksSite(t)
		s.stopApp()
		remove()
		s.startFile(file)
		s.wantFirstParked()
		s.stopApp()
		s.sim.HTTP.Faults().Remove("broken")
		before := s.calls("/hook/broken")
		putBack()
		s.offline(func(a app.OfflineAdmin) error {
			_, err := a.ReplayParked(t.Context(), firstHook, nil)
			return err
		})
		s.startFile(file)
		s.until("the replayed message at its own address", func() bool { return s.calls("/hook/broken") == before+1 })
	})
}

// wantReplayed replays all parked notices.
func (s *site) wantReplayed() {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.app.OperationsAddress()+"/admin/parked/replay", strings.NewReader(`{"instance":"`+firstHook+`"}`))
	must(s.t, err)
	req.Header.Set("X-Butler-Admin", "1")
	answer, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		s.t.Errorf("want the parked notice replayed, got %s", answer.Status)
	}
}

func TestNumbers_aRefusedReloadChangesNoName(t *testing.T) {
	s, file, remove, putBack := twoHooksSite(t)
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	port := fmt.Sprintf("portTaskFailure: %d", taken.LocalAddr().(*net.UDPAddr).Port)
	remove()
	edit(t, file, "portTaskFailure: 0", port)
	if result := s.app.Reload(app.ByAPI); result.Applied {
		t.Fatal("want the reload refused after the destinations were built, because the port is in use")
	}
	edit(t, file, port, "portTaskFailure: 0")
	putBack()
	s.reload()
	s.sim.HTTP.Faults().Remove("broken")
	s.until("the message that waited sent to the first webhook", func() bool { return s.told()[firstHook] == 1 })
	if n := s.calls("/hook/failed"); n != 1 {
		t.Errorf("want the second webhook to get its own message only, it got %d", n)
	}
}

// A record that cannot be read does not keep the service from starting, and nobody gets
// what waits for another one.
func TestNumbers_anUnreadableRecordParksWhatWaits(t *testing.T) {
	s, file, remove, _ := twoHooksSite(t)
	s.stopApp()
	store, err := jetstream.Open(t.Context(), jetstream.Options{Dir: s.dir + "/journal"})
	must(t, err)
	log, err := store.Open(t.Context(), "ledger", journal.Limits{})
	must(t, err)
	ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
	must(t, err)
	ledger.Commit([]journal.Op{{Bucket: "list_numbers", Key: "webhook/reload_task_failed", Value: []byte("\x02of a later release")}}, func(error) {})
	must(t, ledger.Close(context.Background()))
	must(t, store.Close())
	remove()
	s.startFile(file)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.until("a message of the second webhook under a new name", func() bool { return s.told()["webhook/reload_task_failed/2"] == 2 })
	if n := s.calls("/hook/failed"); n != 2 {
		t.Errorf("want the second webhook to get its own messages only, it got %d", n)
	}
	s.logged("the numbers of a list of destinations cannot be read: its entries get new ones, and what waits for them is parked")
}
