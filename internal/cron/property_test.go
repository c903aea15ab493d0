package cron

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// places are weekends on which clocks are set, and a day on which they are not.
var places = []struct{ zone, from string }{
	{"Europe/Oslo", "2026-03-28 00:00:00 +0100"},
	{"Europe/Oslo", "2026-10-24 00:00:00 +0200"},
	{"America/New_York", "2026-03-07 00:00:00 -0500"},
	{"America/New_York", "2026-10-31 00:00:00 -0400"},
	{"Australia/Lord_Howe", "2026-04-04 00:00:00 +1100"},
	{"Australia/Lord_Howe", "2026-10-03 00:00:00 +1030"},
	{"America/Sao_Paulo", "2018-11-03 00:00:00 -0300"},
	{"America/Sao_Paulo", "2018-02-17 00:00:00 -0200"},
	{"Africa/Casablanca", "2026-02-14 00:00:00 +0100"},
	{"Antarctica/Troll", "2026-03-28 00:00:00 +0000"},
	{"Antarctica/Troll", "2026-10-24 00:00:00 +0200"},
	{"Pacific/Apia", "2011-12-29 00:00:00 -1000"},
	{"America/St_Johns", "2006-10-28 00:00:00 -0230"},
	{"Asia/Kathmandu", "2026-02-27 00:00:00 +0545"},
	{"UTC", "2027-12-31 00:00:00 +0000"},
}

// drawField draws what may be written in a field, and the values that it means.
func drawField(t *rapid.T, f *field) (string, map[int]bool) {
	if rapid.IntRange(0, 2).Draw(t, f.name+" is any") == 0 {
		return "*", span(f.min, f.max, 1)
	}
	set := map[int]bool{}
	var items []string
	for range rapid.IntRange(1, 3).Draw(t, f.name+" items") {
		low := rapid.IntRange(f.min, f.max).Draw(t, "low")
		high := rapid.IntRange(low, f.max).Draw(t, "high")
		step := rapid.IntRange(1, f.max+2).Draw(t, "step")
		var values map[int]bool
		switch rapid.IntRange(0, 4).Draw(t, "form") {
		case 0:
			items, values = append(items, f.write(t, low)), span(low, low, 1)
		case 1:
			items, values = append(items, f.write(t, low)+"-"+f.write(t, high)), span(low, high, 1)
		case 2:
			items, values = append(items, fmt.Sprintf("*/%d", step)), span(f.min, f.max, step)
		case 3:
			items, values = append(items, fmt.Sprintf("%s/%d", f.write(t, low), step)), span(low, f.max, step)
		case 4:
			items, values = append(items, fmt.Sprintf("%s-%s/%d", f.write(t, low), f.write(t, high), step)), span(low, high, step)
		}
		for v := range values {
			set[v] = true
		}
	}
	return strings.Join(items, ","), set
}

// write writes a value as a number or, where there is one, as a name.
func (f *field) write(t *rapid.T, value int) string {
	if len(f.names) > 0 && rapid.Bool().Draw(t, "named") {
		name := f.names[value-f.min]
		if rapid.Bool().Draw(t, "shouted") {
			name = strings.ToUpper(name)
		}
		return name
	}
	return fmt.Sprint(value)
}

func span(low, high, step int) map[int]bool {
	set := map[int]bool{}
	for v := low; v <= high; v += step {
		set[v] = true
	}
	return set
}

// oracle matches wall-clock times by looking at every field.
type oracle struct{ second, minute, hour, day, month, weekday map[int]bool }

func (o oracle) matches(t time.Time) bool {
	if !o.second[t.Second()] || !o.minute[t.Minute()] || !o.hour[t.Hour()] || !o.month[int(t.Month())-1] {
		return false
	}
	day, weekday := o.day[t.Day()], o.weekday[int(t.Weekday())]
	if len(o.day) < 31 && len(o.weekday) < 7 {
		return day || weekday
	}
	return day && weekday
}

// due walks from one instant to the other and watches the clock on the wall: a
// time that it shows again is not due, one that it leaves out is due now.
func (o oracle) due(from, to time.Time, zone *time.Location, tick time.Duration) []time.Time {
	var out []time.Time
	seen := map[time.Time]bool{}
	last := wallClock(from.Add(-36*time.Hour), zone)
	for t := from.Add(-36 * time.Hour).Add(tick); !t.After(to); t = t.Add(tick) {
		now := wallClock(t, zone)
		matched := false
		for w := last.Add(tick); !w.After(now); w = w.Add(tick) {
			matched = matched || !seen[w] && o.matches(w)
			seen[w] = true
		}
		if matched && t.After(from) {
			out = append(out, t)
		}
		last = now
	}
	return out
}

func TestNext_agreesWithAClockOnTheWall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o oracle
		words := make([]string, 5)
		words[0], o.minute = drawField(t, &minute)
		words[1], o.hour = drawField(t, &hour)
		words[2], o.day = drawField(t, &dayOfMonth)
		words[3], o.month = drawField(t, &month)
		words[4], o.weekday = drawField(t, &dayOfWeek)
		o.second = span(0, 0, 1)
		text := strings.Join(words, " ")
		place := rapid.SampledFrom(places).Draw(t, "place")
		z, err := Zone(place.zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(text, z)
		if err != nil {
			if !strings.Contains(err.Error(), "exists in none") {
				t.Fatalf("%s: %v", text, err)
			}
			t.Skip("a day that no month has")
		}
		from, _ := time.Parse(stamp, place.from)
		to := from.Add(72 * time.Hour)
		from = from.Add(time.Duration(rapid.IntRange(0, 72*60).Draw(t, "minutes")) * time.Minute)
		compare(t, s, o.due(from, to, z, time.Minute), from, to, text)
	})
}

func TestNext_agreesWithAClockOnTheWallToTheSecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o oracle
		words := []string{"", "", "*", "*", "*", "*"}
		words[0], o.second = drawField(t, &second)
		words[1], o.minute = drawField(t, &minute)
		o.hour, o.day, o.month, o.weekday = span(0, 23, 1), span(1, 31, 1), span(0, 11, 1), span(0, 6, 1)
		text := strings.Join(words, " ")
		s, err := Parse(text, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "from"), 0)
		var want []time.Time
		for at := from.Add(time.Second); !at.After(from.Add(30 * time.Minute)); at = at.Add(time.Second) {
			if o.matches(at.UTC()) {
				want = append(want, at)
			}
		}
		compare(t, s, want, from, from.Add(30*time.Minute), text)
	})
}

func compare(t *rapid.T, s Schedule, want []time.Time, from, to time.Time, text string) {
	at := from
	for i := 0; ; i++ {
		at = s.Next(at)
		if at.IsZero() {
			t.Fatalf("%s: never due after %s", text, from)
		}
		if at.After(to) {
			if i < len(want) {
				t.Fatalf("%s after %s: due %s is missing", text, from, want[i])
			}
			return
		}
		if i >= len(want) || !at.Equal(want[i]) {
			t.Fatalf("%s after %s: due number %d is %s, want %v", text, from, i, at, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"* * * * *", "0,30 6-9 * * 1-5", "0 0 2 * * *", "*/10 8-17 * jan-mar mon", "0 0 29 1 *", "0 0 30 1 *", "? * L * 5#2", "@daily", "1-,/ -1 * 99 *",
	} {
		f.Add(seed, int64(1_774_000_000))
	}
	zone, err := Zone("Australia/Lord_Howe")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, from int64) {
		s, err := Parse(text, zone)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		after := time.Unix(from%(1<<36), 0)
		for range 3 {
			next := s.Next(after)
			if !next.After(after) {
				t.Fatalf("%q: %s is not after %s", text, next, after)
			}
			after = next
		}
	})
}

func FuzzParseText(f *testing.F) {
	for _, seed := range []string{
		"every 30 seconds", "every 30s", "every hour", "at 10:15 am and 3:30 pm every weekday", "on monday, fri at 09:00", "every 45 minutes", "hourly", "every 999999 weeks",
	} {
		f.Add(seed, int64(1_774_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, from int64) {
		frequency, err := ParseText(text)
		if err != nil {
			return
		}
		after := time.Unix(from%(1<<36), 0)
		for range 3 {
			next := frequency.Next(after)
			if !next.After(after) {
				t.Fatalf("%q: %s is not after %s", text, next, after)
			}
			after = next
		}
	})
}
