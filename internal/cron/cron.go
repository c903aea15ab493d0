// Package cron owns when something is due: the cron schedules of tasks (Parse),
// and the schedule texts of the monitors, such as "every 30 seconds" (ParseText).
//
// A cron schedule has 5 fields - minute, hour, day of month, month, day of week
// - or 6, with the second first. Months count from 0 (January) to 11, or are
// names; Sunday is 0 or 7. When both kinds of day leave something out, either of
// them is enough. A schedule is a set of local times in a time zone, and every
// one of them is due once: at the first of two instants when clocks are set back,
// at the first valid instant after it when clocks are set forward over it.
//
// It guarantees that Next is strictly later than its argument and answers in
// bounded time, that what Parse accepts becomes due again and again, and that
// its errors name the field, what is wrong with it and what to write instead.
// The time zones are part of the program, so that they are the same everywhere.
// It must never read a clock.
package cron

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
	_ "time/tzdata" // Windows has no zone files of its own
)

// Timetable tells when something is due.
type Timetable interface {
	// Next returns the first time after the given one; the zero time means never.
	Next(after time.Time) time.Time
}

// Every is due again and again, each time that much later. It must be positive.
type Every time.Duration

// Next implements Timetable.
func (e Every) Next(after time.Time) time.Time { return after.Add(time.Duration(e)) }

// Preview returns the next n times after the given one, fewer when there are no more.
func Preview(t Timetable, after time.Time, n int) []time.Time {
	var out []time.Time
	for at := t.Next(after); len(out) < n && !at.IsZero(); at = t.Next(at) {
		out = append(out, at)
	}
	return out
}

// Zone returns the time zone with an IANA name, such as "Europe/Oslo".
func Zone(name string) (*time.Location, error) {
	// LoadLocation takes these two for UTC and for the zone of the machine.
	if name != "" && name != "Local" && len(name) <= maxZone {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("time zone %s: not known; write an IANA name such as Europe/Oslo or UTC", quoted(name))
}

const maxZone = 64

// Schedule is a parsed cron schedule. The zero value is never due.
type Schedule struct {
	// Sets of values, as bits. Months count from 0.
	second, minute, hour, day, month, weekday uint64
	// last is for the last day of the month, whichever that is.
	last bool
	zone *time.Location
}

// horizon is how many years ahead a time is looked for. The longest pause is
// that of a leap day around a century without one.
const horizon = 9

// Next implements Timetable.
func (s Schedule) Next(after time.Time) time.Time {
	if s.zone == nil {
		return time.Time{}
	}
	// The loop takes more than one turn only within a repeated stretch of local
	// time, whose times were due when it passed first.
	for wall := s.following(wallClock(after, s.zone)); !wall.IsZero(); wall = s.following(wall) {
		if at := instant(wall, s.zone); at.After(after) {
			return at
		}
	}
	return time.Time{}
}

// following returns the first matching wall-clock time after wall. Both are
// written as if they were UTC; the zero time means that there is none.
func (s Schedule) following(wall time.Time) time.Time {
	t := wall.Add(time.Second)
	for end := wall.AddDate(horizon, 0, 0); t.Before(end); {
		year, month, day := t.Date()
		if !has(s.month, int(month)-1) {
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if s.onDay(t) {
			if hour, minute, second, ok := s.clock(t.Clock()); ok {
				return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
			}
		}
		t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

func (s Schedule) onDay(t time.Time) bool {
	day, weekday := has(s.day, t.Day()) || s.last && t.AddDate(0, 0, 1).Day() == 1, has(s.weekday, int(t.Weekday()))
	if s.day == dayOfMonth.all() || s.weekday == dayOfWeek.all() {
		return day && weekday
	}
	return day || weekday
}

// clock returns the first matching time of day that is not before the given one.
func (s Schedule) clock(hour, minute, second int) (h, m, sec int, ok bool) {
	for ; hour < 24; hour, minute, second = hour+1, 0, 0 {
		if !has(s.hour, hour) {
			continue
		}
		for ; minute < 60; minute, second = minute+1, 0 {
			if !has(s.minute, minute) {
				continue
			}
			if later := s.second >> second; later != 0 {
				return hour, minute, second + bits.TrailingZeros64(later), true
			}
		}
	}
	return 0, 0, 0, false
}

func has(set uint64, value int) bool { return set>>value&1 == 1 }

// wallClock returns what clocks in the zone show at t, to the second, written as if it were UTC.
func wallClock(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}

// instant returns when clocks in the zone show wall first. Where they are set
// forward over it, that is the moment at which they are.
func instant(wall time.Time, zone *time.Location) time.Time {
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := near.ZoneBounds()
	var earliest time.Time
	for _, probe := range []time.Time{start.Add(-time.Second), near, end} {
		_, offset := probe.In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if wallClock(at, zone).Equal(wall) && (earliest.IsZero() || at.Before(earliest)) {
			earliest = at
		}
	}
	if !earliest.IsZero() {
		return earliest
	}
	// Nobody ever sees wall: near lies before or after the change of clocks, by
	// as much as they are set.
	if wallClock(near, zone).Before(wall) {
		return end
	}
	return start
}

// quoted returns text for an error, in quotes and no longer than a line.
func quoted(text string) string {
	const limit = 40
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
