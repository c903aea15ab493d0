package expected_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/expected"
	"butler/messages"
)

func TestSeen_whatCannotBeLookedForIsAsItWas(t *testing.T) {
	var (
		tags     = expected.Look{Subject: "tags", Missing: []string{"no tag A"}}
		tasks    = expected.Look{Subject: "tasks", Odd: []string{"no task B"}}
		refused  = expected.Look{Subject: "tags", Err: messages.Failure{Kind: messages.FailureRejected, Text: "status: 403"}}
		away     = expected.Look{Subject: "tags", Err: errors.New("connection refused")}
		fixed    = expected.Look{Subject: "tags"}
		missing  = []string{"no tag A"}
		odd      = []string{"no task B"}
		because  = []string{"the tags cannot be looked for: rejected: status: 403"}
		standing = expected.Standing{Missing: missing, Odd: odd}
		withheld = expected.Standing{Missing: missing, Odd: odd, Refused: because}
		onlyTask = expected.Standing{Odd: odd}
	)
	type step struct {
		look expected.Look
		want expected.Standing
		soon bool
	}
	for name, steps := range map[string][]step{
		"refused after it was seen":               {{tags, standing, false}, {refused, withheld, false}, {refused, withheld, false}},
		"out of reach after it was seen":          {{tags, standing, false}, {away, standing, true}, {tags, standing, false}},
		"refused, and out of reach then":          {{tags, standing, false}, {refused, withheld, false}, {away, withheld, true}},
		"allowed again, and there":                {{tags, standing, false}, {refused, withheld, false}, {fixed, onlyTask, false}},
		"refused from the first look on":          {{refused, expected.Standing{Odd: odd, Refused: because}, false}, {tags, standing, false}},
		"out of reach, while others are answered": {{away, onlyTask, true}, {tags, standing, false}},
	} {
		seen := expected.Seen{}
		for i, s := range steps {
			got, soon := seen.Take([]expected.Look{s.look, tasks})
			if diff := cmp.Diff(s.want, got); diff != "" || soon != s.soon {
				t.Errorf("%s, look %d: want to look again soon %t, got %t (-want +got):\n%s", name, i, s.soon, soon, diff)
			}
		}
	}
}

func TestSeen_knowsNothingBeforeTheFirstAnswer(t *testing.T) {
	seen := expected.Seen{}
	if _, soon := seen.Take([]expected.Look{{Subject: "tags", Err: errors.New("connection refused")}}); !soon || len(seen) != 0 {
		t.Errorf("want nothing seen and another look soon, got %v, %t", seen, soon)
	}
}
