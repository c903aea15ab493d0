package main

import (
	"errors"
	"testing"
)

func TestEndsWith_hasBeenTold(t *testing.T) {
	if err := error(exitStatus(2)); !errors.Is(err, errReported) {
		t.Error("the program would say it again")
	}
}
