package cron

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Frequency is a parsed schedule text. The zero value is never due.
type Frequency struct {
	// times are those of the calendar, in UTC.
	times []Schedule
	// interval is what passes from one time to the next where the calendar does
	// not come out even.
	interval time.Duration
	// from and until bound the times of the calendar, in minutes of a day; until is
	// no longer within, and 0 for the end of the day.
	from, until int
}

// ParseText reads a schedule text in any case. Its clauses hold together:
//
//	every [N] second(s)|minute(s)|hour(s)|day(s)|week(s)|month(s)|year(s)
//	every weekday|weekend
//	on DAY [and DAY]..., on DAY to DAY
//	on the first|last|N [and N]... day of the month
//	at TIME [and TIME]...
//	after TIME, before TIME
//
// An interval that divides the next larger unit follows the calendar in UTC:
// "every 15 minutes" is due at :00, :15, :30 and :45, "every 24 hours" at
// midnight, "every week" on Mondays. Of any other, such as "every 45 minutes",
// Next is that much later than its argument, the last run or the start.
func ParseText(text string) (Frequency, error) {
	p, err := readText(text)
	if err != nil {
		return Frequency{}, fmt.Errorf("schedule %s: %w", quoted(text), err)
	}
	f, err := p.frequency()
	if err != nil {
		return Frequency{}, fmt.Errorf("schedule %s: %w", quoted(text), err)
	}
	return f, nil
}

// Next implements Timetable.
func (f Frequency) Next(after time.Time) time.Time {
	if f.interval > 0 {
		return after.Add(f.interval)
	}
	for range maxDays {
		at := f.first(after)
		day := time.Date(at.Year(), at.Month(), at.Day(), 0, f.from, 0, 0, time.UTC)
		switch minute := at.Hour()*60 + at.Minute(); {
		case at.IsZero(), minute >= f.from && (f.until == 0 || minute < f.until):
			return at
		case minute >= f.from:
			day = day.AddDate(0, 0, 1)
		}
		after = day.Add(-time.Second)
	}
	return time.Time{}
}

// maxDays is how many days are looked at for a time within the bounds; after as
// many there is none.
const maxDays = 100

// first returns the first time of the calendar after the given one.
func (f Frequency) first(after time.Time) time.Time {
	var first time.Time
	for _, s := range f.times {
		if at := s.Next(after); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// unit is a unit of time in a schedule text.
type unit struct {
	words []string
	// up is how many make one of the next unit; 0 when that is not always so.
	up int
	// long is how long one is; 0 when that differs.
	long time.Duration
}

// units are sorted by length.
var units = [...]unit{
	{words: []string{"second", "seconds", "s", "sec", "secs"}, up: 60, long: time.Second},
	{words: []string{"minute", "minutes", "m", "min", "mins"}, up: 60, long: time.Minute},
	{words: []string{"hour", "hours", "h", "hr", "hrs"}, up: 24, long: time.Hour},
	{words: []string{"day", "days", "d"}, up: 7, long: 24 * time.Hour},
	{words: []string{"week", "weeks"}, long: 7 * 24 * time.Hour},
	{words: []string{"month", "months"}, up: 12},
	{words: []string{"year", "years"}},
}

// Indexes of units.
const (
	seconds = iota
	minutes
	hours
	days
	weeks
	months
	years
)

// clauses are what a schedule text says.
type clauses struct {
	count, unit int      // of "every N unit"; count 0 means that it says no such thing
	at          [][2]int // hours and minutes
	weekdays    uint64
	days        uint64 // of the month
	last        bool   // the last day of the month, too
	from, until int    // minutes of the day; until 0 means that there is no end
}

// dated reports whether days of the month are selected.
func (c clauses) dated() bool { return c.days != 0 || c.last }

// longest is the longest interval.
const longest = 10 * 365 * 24 * time.Hour

var errMixed = errors.New("the parts do not go together; write one interval, or days and times")

// frequency is what the clauses say together.
func (c clauses) frequency() (Frequency, error) {
	if c.until > 0 && c.from >= c.until {
		return Frequency{}, fmt.Errorf("after %s before %s goes over midnight, which cannot be written: the first has to be earlier", clock(c.from), clock(c.until))
	}
	if c.dated() && c.weekdays != 0 {
		return Frequency{}, errMixed
	}
	f, err := c.unbounded()
	if err != nil || c.from == 0 && c.until == 0 {
		return f, err
	}
	if f.interval > 0 {
		return Frequency{}, errMixed
	}
	f.from, f.until = c.from, c.until
	if f.Next(time.Unix(0, 0)).IsZero() {
		return Frequency{}, errors.New("it is never due: none of its times is within the bounds")
	}
	return f, nil
}

// clock shows minutes of a day.
func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// unbounded is what the clauses say but for after and before.
func (c clauses) unbounded() (Frequency, error) {
	if c.count == 0 {
		return c.daily(), nil
	}
	for units[c.unit].up > 0 && c.count%units[c.unit].up == 0 {
		c.count, c.unit = c.count/units[c.unit].up, c.unit+1
	}
	u := units[c.unit]
	switch {
	case c.unit <= hours && len(c.at) > 0, c.unit >= weeks && c.weekdays != 0, c.unit == weeks && c.dated():
		return Frequency{}, errMixed
	case c.unit <= hours && u.up%c.count == 0:
		return c.within(), nil
	case c.unit <= weeks && c.count == 1:
		if c.unit == weeks {
			c.weekdays = 1 << time.Monday
		}
		return c.daily(), nil
	case c.unit == months && u.up%c.count == 0, c.unit == years && c.count == 1:
		return c.monthly(), nil
	case u.long == 0:
		return Frequency{}, errors.New("months and years that do not come out even are not supported; write 1, 2, 3, 4, 6 or 12 months")
	case len(c.at) > 0 || c.weekdays != 0 || c.dated():
		return Frequency{}, errMixed
	case c.count > int(longest/u.long):
		return Frequency{}, errors.New("the interval is longer than ten years")
	}
	return Frequency{interval: time.Duration(c.count) * u.long}, nil
}

// within is every so many seconds, minutes or hours, on the days that are selected.
func (c clauses) within() Frequency {
	s := c.onDays()
	switch c.unit {
	case seconds:
		s.second, s.minute, s.hour = second.steps(0, 59, c.count), minute.all(), hour.all()
	case minutes:
		s.minute, s.hour = minute.steps(0, 59, c.count), hour.all()
	case hours:
		s.hour = hour.steps(0, 23, c.count)
	}
	return Frequency{times: []Schedule{s}}
}

// daily is at the times of day, on the days that are selected.
func (c clauses) daily() Frequency { return c.timed(c.onDays()) }

// monthly is on the first day of every so many months, from January on.
func (c clauses) monthly() Frequency {
	s := c.onDays()
	if !c.dated() {
		s.day = 1 << 1
	}
	if s.month = 1; c.unit == months {
		s.month = month.steps(0, 11, c.count)
	}
	return c.timed(s)
}

// onDays is midnight of the days that are selected.
func (c clauses) onDays() Schedule {
	s := Schedule{second: 1, minute: 1, hour: 1, day: dayOfMonth.all(), month: month.all(), weekday: c.weekdays, zone: time.UTC}
	if s.weekday == 0 {
		s.weekday = dayOfWeek.all()
	}
	if c.dated() {
		s.day, s.last = c.days, c.last
	}
	return s
}

func (c clauses) timed(s Schedule) Frequency {
	if len(c.at) == 0 {
		return Frequency{times: []Schedule{s}}
	}
	var f Frequency
	for _, t := range c.at {
		s.hour, s.minute = 1<<t[0], 1<<t[1]
		if !slices.Contains(f.times, s) {
			f.times = append(f.times, s)
		}
	}
	return f
}

// textForms is what an error proposes.
const textForms = `write for instance "every 30 seconds", "every 6 hours", "at 07:30", "at 22:00 every weekday", "at 06:00 on the last day of the month" or "every hour after 07:00 before 19:00"`

func unknown(word string) error {
	if word == "" {
		return errors.New("it ends too early; " + textForms)
	}
	return fmt.Errorf("%s is not understood; %s", quoted(strings.TrimSpace(word)), textForms)
}
