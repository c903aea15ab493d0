package app

import (
	"errors"
	"testing"

	"go.uber.org/zap"

	"butler/api/operations"
	"butler/messages"
)

func TestAdmin_tellsWhatWasDoneApartFromAFailureOfTheWhole(t *testing.T) {
	d := admin{gen: &generation{App: &App{log: zap.NewNop()}}}
	good := messages.ParkedResult{ID: "a"}
	bad := messages.ParkedResult{ID: "b", Failure: messages.Failure{Kind: messages.FailureNotFound, Text: "no such parked notice"}}
	if done, err := d.count("replayed", []messages.ParkedResult{good, good}); done != 2 || err != nil {
		t.Errorf("want both done, got %d, %v", done, err)
	}
	done, err := d.count("replayed", []messages.ParkedResult{good, bad})
	if _, partly := errors.AsType[operations.PartlyError](err); !partly || done != 1 || err.Error() != "b: no such parked notice" {
		t.Errorf("want one done and the other's failure, got %d, %v", done, err)
	}
}

// The command shows the failure in one line, and a destination that is gone has
// thousands of parked notices.
func TestAdmin_tellsOnceWhatKeepsManyNoticesParked(t *testing.T) {
	d := admin{gen: &generation{App: &App{log: zap.NewNop()}}}
	failed := func(id messages.NoticeID, text string) messages.ParkedResult {
		return messages.ParkedResult{ID: id, Failure: messages.Failure{Kind: messages.FailureRejected, Text: text}}
	}
	_, err := d.count("replayed", []messages.ParkedResult{
		failed("a", "slack/gone is not configured"), failed("b", "no such parked notice"), failed("c", "slack/gone is not configured"),
	})
	if want := "a: slack/gone is not configured (and 1 more); b: no such parked notice"; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}
