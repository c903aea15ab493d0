package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestDoctor_reportsNothingWhenItIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out strings.Builder
	err := (&doctorOptions{}).diagnose(ctx, &out)
	var told strings.Builder
	complain(&told, err)
	if _, usage := errors.AsType[usageError](err); !usage || out.Len() > 0 || !strings.Contains(told.String(), "interrupted") {
		t.Errorf("want it told and exit code 2, got %q, %v and\n%s", told.String(), err, out.String())
	}
}

func TestEndsWith_hasBeenTold(t *testing.T) {
	if err := error(exitStatus(2)); !errors.Is(err, errReported) {
		t.Error("the program would say it again")
	}
}
