package cron

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxText is how long a schedule may be, in bytes; every value of every field takes less.
const maxText = 1024

// Parse reads a cron schedule that runs in the given zone. Its error joins the
// problems of all fields.
func Parse(text string, zone *time.Location) (Schedule, error) {
	if zone == nil {
		return Schedule{}, errors.New("a schedule needs a time zone")
	}
	if len(text) > maxText {
		return Schedule{}, fmt.Errorf("a cron schedule of %d bytes is too long; write ranges and steps", len(text))
	}
	words := strings.Fields(text)
	switch {
	case len(words) == 1 && strings.HasPrefix(words[0], "@"):
		return Schedule{}, fmt.Errorf("%s is not supported; write the fields, such as \"0 0 * * *\" for midnight", quoted(words[0]))
	case len(words) == 5:
		words = append([]string{"0"}, words...)
	case len(words) != 6:
		return Schedule{}, fmt.Errorf("a cron schedule has 5 fields (minute, hour, day of month, month, day of week) or 6 (second first), not %d", len(words))
	}
	s := Schedule{zone: zone}
	var problems []error
	for i, f := range fields {
		set, err := f.parse(words[i])
		if err != nil {
			problems = append(problems, err)
		}
		*f.of(&s) = set
	}
	if len(problems) == 0 {
		problems = append(problems, checkDays(words[3], s.month))
	}
	if err := errors.Join(problems...); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// field is one of the six.
type field struct {
	name     string
	min, max int
	// names are those of the values from min on.
	names []string
	// limits says in words what is allowed.
	limits string
	of     func(*Schedule) *uint64
}

var (
	second     = field{name: "second", max: 59, limits: "seconds are 0 to 59", of: func(s *Schedule) *uint64 { return &s.second }}
	minute     = field{name: "minute", max: 59, limits: "minutes are 0 to 59", of: func(s *Schedule) *uint64 { return &s.minute }}
	hour       = field{name: "hour", max: 23, limits: "hours are 0 to 23", of: func(s *Schedule) *uint64 { return &s.hour }}
	dayOfMonth = field{name: "day of month", min: 1, max: 31, limits: "days are 1 to 31", of: func(s *Schedule) *uint64 { return &s.day }}
	month      = field{
		name: "month", max: 11, limits: "months are 0 (January) to 11 (December), or jan to dec",
		names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
		of:    func(s *Schedule) *uint64 { return &s.month },
	}
	dayOfWeek = field{
		name: "day of week", max: 6, limits: "days of the week are 0 (Sunday) to 7 (Sunday, too), or sun to sat",
		names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"},
		of:    func(s *Schedule) *uint64 { return &s.weekday },
	}
	fields = [...]*field{&second, &minute, &hour, &dayOfMonth, &month, &dayOfWeek}
)

// all is the set of every value of the field.
func (f *field) all() uint64 { return f.steps(f.min, f.max, 1) }

// steps is the set of every step-th value from low to high. Seven is the Sunday
// after Saturday.
func (f *field) steps(low, high, step int) uint64 {
	var set uint64
	for v := low; v <= high; v += step {
		set |= 1 << (v % f.modulus())
	}
	return set
}

func (f *field) modulus() int {
	if f == &dayOfWeek {
		return 7
	}
	return f.max + 1
}

// highest is the highest number that may be written.
func (f *field) highest() int {
	if f == &dayOfWeek {
		return 7
	}
	return f.max
}

// parse reads a list of items: "*", a value or a range, each with an optional step.
func (f *field) parse(word string) (uint64, error) {
	var set uint64
	for item := range strings.SplitSeq(word, ",") {
		values, err := f.item(item)
		if err != nil {
			return 0, fmt.Errorf("%s %s: %w", f.name, quoted(word), err)
		}
		set |= values
	}
	return set, nil
}

func (f *field) item(item string) (uint64, error) {
	span, step, stepped := strings.Cut(item, "/")
	every := 1
	if stepped {
		n, err := number(step)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("the step %s is not a number from 1; write for instance */5", quoted(step))
		}
		every = n
	}
	first, last, ranged := strings.Cut(span, "-")
	if first == "*" && !ranged {
		return f.steps(f.min, f.max, every), nil
	}
	low, err := f.value(first)
	if err != nil {
		return 0, err
	}
	high := low
	switch {
	case ranged:
		if high, err = f.value(last); err != nil {
			return 0, err
		}
		// As the end of a range, Sunday comes after Saturday.
		if f == &dayOfWeek && strings.EqualFold(last, "sun") && low > 0 {
			high = 7
		}
		// As its beginning, it comes before Monday.
		if f == &dayOfWeek && low == 7 && high < low {
			low = 0
		}
		if high < low {
			return 0, fmt.Errorf("the range %s runs backwards; write %s-%d,%d-%s", quoted(span), first, f.max, f.min, last)
		}
	case stepped:
		high = max(low, f.max)
	}
	return f.steps(low, high, every), nil
}

func (f *field) value(text string) (int, error) {
	if text == "" {
		return 0, errors.New("a value is missing; " + f.limits)
	}
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.min + i, nil
	}
	n, err := number(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a value; %s%s", quoted(text), f.limits, advice(text))
	case f == &month && n == 12:
		return 0, errors.New("12 is out of range; months count from 0, write 11 or dec for December")
	case n < f.min || n > f.highest():
		return 0, fmt.Errorf("%d is out of range; %s", n, f.limits)
	}
	return n, nil
}

// advice corrects what other dialects know.
func advice(text string) string {
	switch {
	case text == "?":
		return "; write * for any"
	case strings.ContainsAny(strings.ToUpper(text), "LW#"):
		return "; L, W and # are not supported"
	}
	return ""
}

var errNoNumber = errors.New("no number")

// number reads up to six digits.
func number(text string) (int, error) {
	if text == "" || len(text) > 6 || strings.Trim(text, "0123456789") != "" {
		return 0, errNoNumber
	}
	return strconv.Atoi(text)
}

// checkDays refuses days that exist in none of the months. The word is known to parse.
func checkDays(word string, months uint64) error {
	last := 0
	for m, days := range [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} {
		if has(months, m) {
			last = max(last, days)
		}
	}
	for item := range strings.SplitSeq(word, ",") {
		days, err := dayOfMonth.item(item)
		if err != nil {
			return err
		}
		if days<<(63-last) == 0 {
			return fmt.Errorf("day of month %s: %s exists in none of the selected months, the longest has %d days; leave it out or add a longer month",
				quoted(word), quoted(item), last)
		}
	}
	return nil
}
