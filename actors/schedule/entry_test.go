package schedule

import (
	"strings"
	"testing"
	"time"

	"butler/messages"
)

func TestStatusText_turnsNothingAround(t *testing.T) {
	e := newEntry(messages.Schedule{ID: "night\u202e\n\x1b[2J", Cron: "* * * * *", TaskID: "11111111-2222-4333-8444-555555555555"}, time.UTC, nil)
	got := statusText([]*entry{e})
	if want := "'night [2J': * * * * * status: Stopped"; !strings.Contains(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}
