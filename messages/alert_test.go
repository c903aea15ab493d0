package messages_test

import (
	"testing"

	"butler/internal/qlik"
	"butler/messages"
)

func TestExecution_hasEnded(t *testing.T) {
	for _, row := range []struct {
		name   string
		status qlik.ExecutionStatus
		detail string
		want   bool
	}{
		{"running", qlik.StatusStarted, "Changing task state from Triggered to Started", false},
		{"failed", qlik.StatusFinishedFail, "", true},
		{"to be tried again", qlik.StatusRetry, "", true},
		{"tried again", qlik.StatusStarted, "Changing task state from Started to FinishedFail", true},
		{"about to be tried again", qlik.StatusTriggered, "Changing task state from Started to Retry", true},
		{"a state that nobody knows", qlik.StatusStarted, "Changing task state from Started to Paused", false},
		{"another text", qlik.StatusStarted, "Trying to FinishedFail", false},
	} {
		e := messages.Execution{Known: true, Status: row.status, Details: []messages.ExecutionDetail{{Message: "Reload started"}, {Message: row.detail}}}
		if got := e.HasEnded(); got != row.want {
			t.Errorf("%s: ended is %v", row.name, got)
		}
	}
}
