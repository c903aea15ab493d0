package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"butler/messages"
)

// failing holds, by ID, the schedules whose newest run could not start its task, and
// why. A schedule leaves it when a run succeeds, or when it is stopped or deleted.
type failing struct {
	reasons map[string]string
	told    string
}

// maxFailing is how many schedules are named.
const maxFailing = 3

func (f *failing) ended(r run, failure messages.Failure) {
	if !failure.Failed() {
		delete(f.reasons, r.Schedule)
		return
	}
	if f.reasons == nil {
		f.reasons = map[string]string{}
	}
	f.reasons[r.Schedule] = fmt.Sprintf("%q (%s): %s", r.Name, r.Schedule, failure.Text)
}

// news returns the text for Options.OnStarts, and whether it has changed.
func (f *failing) news(runs func(id string) bool) (reason string, changed bool) {
	maps.DeleteFunc(f.reasons, func(id, _ string) bool { return !runs(id) })
	var named []string
	for _, id := range slices.Sorted(maps.Keys(f.reasons)) {
		named = append(named, f.reasons[id])
	}
	if more := len(named) - maxFailing; more > 0 {
		named = append(named[:maxFailing], fmt.Sprintf("and %d more", more))
	}
	if len(named) > 0 {
		reason = "schedules whose newest run could not start its task: " + strings.Join(named, "; ")
	}
	changed, f.told = reason != f.told, reason
	return reason, changed
}
