package outbox_test

import (
	"strings"
	"testing"
	"time"

	"butler/internal/outbox"
	"butler/messages"
)

// storedAs lists the alerts of an execution as "ID waiting" or "ID parked".
func storedAs(t *testing.T, o *outbox.Outbox, key messages.ExecutionKey) string {
	t.Helper()
	found, err := o.Alerts(func(k messages.ExecutionKey) bool { return k == key })
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range found {
		state := "waiting"
		if s.Parked {
			state = "parked"
		}
		out = append(out, string(s.Alert.ID)+" "+state)
	}
	return strings.Join(out, ", ")
}

func TestAlerts_existUntilTheLastNoticeIsRemoved(t *testing.T) {
	_, o := recorded(t)
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"recorded", func() {}, "alert1 waiting"},
		{"one of two is parked", func() { o.Settle(email, parked("n1"), ignore) }, "alert1 waiting"},
		{"the other is delivered", func() { o.Settle(slack, delivered("n2"), ignore) }, "alert1 parked"},
		{"the parked one is dropped", func() {
			if _, err := o.Drop(t.Context(), "n1"); err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		step.do()
		if got := storedAs(t, o, "exec1"); got != step.want {
			t.Errorf("%s: want %q, got %q", step.name, step.want, got)
		}
	}
}

func TestAlerts_areThoseOfTheExecutionWaitingOnesFirst(t *testing.T) {
	_, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	o.Settle(slack, parked("n2"), ignore)
	for i, a := range []messages.Alert{
		{ID: "late", Kind: messages.ReloadTaskSucceeded, Key: "exec1", DecidedAt: noon.Add(time.Minute)},
		{ID: "early", Kind: messages.ReloadTaskAborted, Key: "exec1", DecidedAt: noon},
		{ID: "other", Kind: messages.ReloadTaskAborted, Key: "exec2", DecidedAt: noon},
	} {
		id := messages.NoticeID("m" + string(rune('1'+i)))
		o.Record(outbox.Decision{Alert: &a, Notices: []messages.NoticeHead{{ID: id, Instance: slack.Instance}}}, nil, func(error) {})
	}
	if want, got := "early waiting, late waiting, alert1 parked", storedAs(t, o, "exec1"); got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
