package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"butler/internal/cron"
	"butler/internal/qlik"
	"butler/internal/text"
	"butler/messages"
)

// entry is a schedule of the file with what the machine knows of it.
type entry struct {
	// schedule is as it is in the file.
	schedule messages.Schedule
	times    cron.Schedule
	// problem says why it cannot run, "" when it can.
	problem string
	// due is when it runs next; zero while it is stopped.
	due time.Time
	// mark is the time up to which its runs are done.
	mark mark
}

// newEntry parses a schedule. If old has the same times, its parsed ones are reused.
func newEntry(s messages.Schedule, home *time.Location, old *entry) *entry {
	e := &entry{schedule: s, mark: mark{ID: s.ID, Spec: specOf(s)}}
	if old != nil && old.mark.Spec == e.mark.Spec && old.schedule.TaskID == s.TaskID {
		e.times, e.problem = old.times, old.problem
		return e
	}
	var err error
	if e.times, err = timesOf(s, home); err != nil {
		e.problem = err.Error()
	}
	return e
}

// specOf returns a text that is equal for schedules with equal due times.
func specOf(s messages.Schedule) string { return s.Cron + " in " + s.Timezone }

// timesOf parses the due times of a schedule, and returns all reasons why it cannot run.
func timesOf(s messages.Schedule, home *time.Location) (cron.Schedule, error) {
	var (
		zone     = home
		problems []error
		err      error
	)
	if s.Timezone != "" {
		if zone, err = cron.Zone(s.Timezone); err != nil {
			problems, zone = append(problems, fmt.Errorf("timezone: %w", err)), time.UTC
		}
	}
	times, err := cron.Parse(s.Cron, zone)
	if err != nil {
		problems = append(problems, fmt.Errorf("cronSchedule: %w", err))
	}
	if !qlik.IsGUID(s.TaskID) {
		problems = append(problems, errors.New("qlikSenseTaskId: it is not a task ID; copy the 36 characters from the task in the QMC"))
	}
	return times, errors.Join(problems...)
}

// Fit returns why a schedule of the file cannot run, nil when it can.
func Fit(s messages.Schedule) error {
	_, err := timesOf(s, time.UTC)
	return err
}

// running reports whether the schedule is started and can run.
func (e *entry) running() bool {
	return e.problem == "" && e.schedule.Wanted() == messages.ScheduleStarted
}

// shown returns the schedule with its present state.
func (e *entry) shown() messages.Schedule {
	s := e.schedule
	if s.LastKnownState = messages.ScheduleStopped; e.running() {
		s.LastKnownState = messages.ScheduleStarted
	}
	return s
}

// Limits for new schedules.
const (
	maxName = 500 // bytes
	maxTags = 100
)

// check returns all problems of a new schedule.
func check(s messages.Schedule) error {
	var problems []error
	for _, property := range []struct{ key, value string }{
		{"name", s.Name}, {"cronSchedule", s.Cron}, {"timezone", s.Timezone}, {"qlikSenseTaskId", s.TaskID}, {"startupState", s.StartupState},
	} {
		if property.value == "" {
			problems = append(problems, errors.New(property.key+": it is missing"))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	if !slices.Contains([]string{"start", "started", "stop", "stopped"}, s.StartupState) {
		problems = append(problems, errors.New("startupState: write start, started, stop or stopped"))
	}
	if !plain(s.Name) {
		problems = append(problems, fmt.Errorf("name: write up to %d bytes of text on one line", maxName))
	}
	if len(s.Tags) > maxTags || slices.ContainsFunc(s.Tags, func(tag string) bool { return !plain(tag) }) {
		problems = append(problems, fmt.Errorf("tags: write up to %d, each up to %d bytes of text on one line", maxTags, maxName))
	}
	_, err := timesOf(s, time.UTC)
	return errors.Join(append(problems, err)...)
}

func plain(text string) bool {
	return len(text) <= maxName && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// statusText returns a line for each schedule that can run, between braces. Line breaks
// in IDs are removed.
func statusText(entries []*entry) string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, e := range entries {
		if e.problem != "" {
			continue
		}
		state := "Stopped"
		if e.running() {
			state = "Running"
		}
		fmt.Fprintf(&b, "'%s': %s status: %s \n", oneLine(e.schedule.ID), oneLine(e.schedule.Cron), state)
	}
	b.WriteString("}")
	return b.String()
}

func oneLine(s string) string { return text.Line(s, len(s)) }
