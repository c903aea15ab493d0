package starttask

import (
	"context"
	"strings"
	"testing"

	"butler/messages"
)

func TestPostponed_isWhatMayPassAndRepeatsNothing(t *testing.T) {
	for name, row := range map[string]struct {
		request Request
		fails   string // the beginning of the calls that fail
		err     error
		want    bool
	}{
		"nothing is wrong":                      {Request{IDs: []string{idOf(1)}}, "none", errDown, false},
		"Qlik Sense is away":                    {Request{IDs: []string{idOf(1)}}, "", errDown, true},
		"Qlik Sense is away for a tag":          {Request{Tags: []string{"nightly"}}, "", errDown, true},
		"Qlik Sense refuses":                    {Request{IDs: []string{idOf(1)}}, "", answerError{messages.FailureRejected, 403}, false},
		"a start of which nobody knows the end": {Request{IDs: []string{idOf(1)}}, "start ", errDown, false},
		"no ID":                                 {Request{IDs: []string{"x"}}, "", errDown, false},
	} {
		s := team(t)
		s.fail = func(_ context.Context, call string) error {
			if strings.HasPrefix(call, row.fails) {
				return row.err
			}
			return nil
		}
		if err := s.starter().Start(t.Context(), caller(), row.request).Postponed(); (err != nil) != row.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
