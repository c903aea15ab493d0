package app

import (
	"errors"
	"testing"

	"go.uber.org/zap"

	"butler/api"
	"butler/messages"
)

func TestAdmin_tellsWhatWasDoneApartFromAFailureOfTheWhole(t *testing.T) {
	d := admin{app: &App{core: &core{log: zap.NewNop()}}}
	good := messages.ParkedResult{ID: "a"}
	bad := messages.ParkedResult{ID: "b", Failure: messages.Failure{Kind: messages.FailureNotFound, Text: "no such parked notice"}}
	if done, err := d.count("replayed", []messages.ParkedResult{good, good}); done != 2 || err != nil {
		t.Errorf("want both done, got %d, %v", done, err)
	}
	done, err := d.count("replayed", []messages.ParkedResult{good, bad})
	if _, partly := errors.AsType[api.PartlyError](err); !partly || done != 1 || err.Error() != "b: no such parked notice" {
		t.Errorf("want one done and the other's failure, got %d, %v", done, err)
	}
}
