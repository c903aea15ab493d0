package cron

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// reader takes a schedule text word by word.
type reader struct{ words []string }

// readText reads the clauses of a schedule text.
func readText(text string) (clauses, error) {
	var c clauses
	if len(text) > maxText {
		return c, unknown(text)
	}
	r := &reader{words: split(strings.ToLower(text))}
	if len(r.words) == 0 {
		return c, unknown("")
	}
	for len(r.words) > 0 {
		var err error
		switch {
		case r.accept("every"):
			err = r.every(&c)
		case r.accept("at"):
			err = r.at(&c)
		case r.accept("on"):
			err = r.on(&c)
		case r.accept("after"):
			err = r.bound(&c.from)
		case r.accept("before"):
			err = r.bound(&c.until)
		default:
			err = unknown(r.peek())
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// split parts the text at blanks, and where letters, digits and signs meet: "30s" is two words.
func split(text string) []string {
	class := func(r rune) int {
		switch {
		case unicode.IsSpace(r):
			return 0
		case r >= '0' && r <= '9' || r == ':':
			return 1
		case unicode.IsLetter(r):
			return 2
		}
		return 3
	}
	var (
		words []string
		last  int
	)
	for _, r := range text {
		this := class(r)
		switch {
		case this == 0:
		case this == last && this != 3:
			words[len(words)-1] += string(r)
		default:
			words = append(words, string(r))
		}
		last = this
	}
	return words
}

func (r *reader) peek() string {
	if len(r.words) == 0 {
		return ""
	}
	return r.words[0]
}

func (r *reader) next() string {
	word := r.peek()
	if word != "" {
		r.words = r.words[1:]
	}
	return word
}

// accept takes the next word if it is one of these.
func (r *reader) accept(words ...string) bool {
	if !slices.Contains(words, r.peek()) || len(r.words) == 0 {
		return false
	}
	r.words = r.words[1:]
	return true
}

func (r *reader) every(c *clauses) error {
	switch {
	case r.accept("weekday", "weekdays"):
		return c.restrict(dayOfWeek.steps(1, 5, 1))
	case r.accept("weekend", "weekends"):
		return c.restrict(1<<time.Saturday | 1<<time.Sunday)
	case c.count > 0:
		return errMixed
	}
	c.count = 1
	if n, err := number(r.peek()); err == nil {
		c.count = max(n, 1)
		r.next()
		r.accept("st", "nd", "rd", "th")
	}
	word := r.next()
	c.unit = slices.IndexFunc(units[:], func(u unit) bool { return slices.Contains(u.words, word) })
	if c.unit < 0 {
		return unknown(word)
	}
	return nil
}

// restrict selects days of the week, once.
func (c *clauses) restrict(weekdays uint64) error {
	if c.weekdays != 0 {
		return errMixed
	}
	c.weekdays = weekdays
	return nil
}

func (r *reader) at(c *clauses) error {
	if len(c.at) > 0 {
		return errMixed
	}
	for again := true; again; again = r.accept("and", ",") {
		t, err := r.timeOfDay()
		if err != nil {
			return err
		}
		c.at = append(c.at, t)
	}
	return nil
}

// timeOfDay reads 22:00, 7:30 am or 7 pm.
func (r *reader) timeOfDay() ([2]int, error) {
	word := r.next()
	h, m, minuted := strings.Cut(word, ":")
	hours, err := number(h)
	minutes := 0
	if err == nil && minuted {
		minutes, err = number(m)
	}
	halved := r.peek() == "am" || r.peek() == "pm"
	switch {
	case err != nil, minutes > 59, minuted && len(m) != 2,
		halved && (hours < 1 || hours > 12), !halved && (hours > 23 || !minuted):
		return [2]int{}, unknown(word)
	case halved:
		hours %= 12
		if r.next() == "pm" {
			hours += 12
		}
	}
	return [2]int{hours, minutes}, nil
}

// bound reads the time of day after or before which something is due, once.
func (r *reader) bound(minutes *int) error {
	if *minutes > 0 {
		return errMixed
	}
	t, err := r.timeOfDay()
	*minutes = t[0]*60 + t[1]
	return err
}

func (r *reader) on(c *clauses) error {
	if r.accept("the") {
		return r.monthDays(c)
	}
	first, err := r.weekday()
	if err != nil {
		return err
	}
	set := uint64(1) << first
	if r.accept("-", "to", "through") {
		last, err := r.weekday()
		if err != nil {
			return err
		}
		if last < first {
			last += 7
		}
		return c.restrict(dayOfWeek.steps(first, last, 1))
	}
	for r.accept("and", ",") {
		day, err := r.weekday()
		if err != nil {
			return err
		}
		set |= 1 << day
	}
	return c.restrict(set)
}

// monthDays reads first, last, 15 or 15th, one or several, and what they are days of.
func (r *reader) monthDays(c *clauses) error {
	if c.dated() {
		return errMixed
	}
	for again := true; again; again = r.accept("and", ",") {
		word := r.next()
		n, err := number(word)
		switch {
		case word == "last":
			c.last = true
		case word == "first":
			c.days |= 1 << 1
		case err != nil || n < 1 || n > 31:
			return unknown(word)
		default:
			r.accept("st", "nd", "rd", "th")
			c.days |= 1 << n
		}
	}
	if !r.accept("day", "days") {
		return unknown(r.peek())
	}
	if r.accept("of") {
		r.accept("the")
		if !r.accept("month") {
			return unknown(r.peek())
		}
	}
	return nil
}

// weekday reads the name of a day, whole or its first three letters or more.
func (r *reader) weekday() (int, error) {
	word := r.next()
	if len(word) >= 3 {
		for day := time.Sunday; day <= time.Saturday; day++ {
			if strings.HasPrefix(strings.ToLower(day.String()), word) {
				return int(day), nil
			}
		}
	}
	return 0, unknown(word)
}
