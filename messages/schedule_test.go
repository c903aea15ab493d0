package messages

import (
	"encoding/json"
	"testing"
)

func TestSchedule_hasTheJSONOfTheAPI(t *testing.T) {
	full := Schedule{
		ID: "morning-1", Created: "2031-03-01T10:00:00.000Z", Name: "Nightly", Cron: "0 0 2 * * *", Timezone: "Europe/Oslo",
		TaskID: "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77", StartupState: "stopped", Tags: []string{"n"}, LastKnownState: ScheduleStopped,
	}
	for want, s := range map[string]Schedule{
		`{"id":"morning-1","created":"2031-03-01T10:00:00.000Z","name":"Nightly","cronSchedule":"0 0 2 * * *","timezone":"Europe/Oslo",` +
			`"qlikSenseTaskId":"5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77","startupState":"stopped","tags":["n"],"lastKnownState":"stopped"}`: full,
		`{"id":"1","name":"","cronSchedule":"","qlikSenseTaskId":"","startupState":"","tags":[],"lastKnownState":"started"}`: {ID: "1", Tags: []string{}, LastKnownState: ScheduleStarted},
	} {
		if got, err := json.Marshal(s); err != nil || string(got) != want {
			t.Errorf("want %s, got %s, %v", want, got, err)
		}
	}
}
