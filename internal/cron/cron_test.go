package cron

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const stamp = "2006-01-02 15:04:05 -0700"

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	z, err := Zone(name)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	t, err := time.Parse(stamp, text)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// runs are the next n times after from, as text in the zone.
func runs(t Timetable, from time.Time, zone *time.Location, n int) []string {
	var out []string
	for _, run := range Preview(t, from, n) {
		out = append(out, run.In(zone).Format(stamp))
	}
	return out
}

// example is a schedule, and the times that follow another.
type example struct {
	name, text, zone, from string
	want                   []string
}

func (e example) check(t *testing.T) {
	z := zone(t, e.zone)
	s, err := Parse(e.text, z)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.want, runs(s, at(t, e.from), z, len(e.want))); diff != "" {
		t.Errorf("%s (-want +got):\n%s", e.text, diff)
	}
}

func TestSchedule_examples(t *testing.T) {
	for _, e := range []example{
		{
			"half hours of weekday mornings", "0,30 6-9 * * 1-5", "Europe/Oslo", "2026-11-20 09:00:00 +0100",
			[]string{"2026-11-20 09:30:00 +0100", "2026-11-23 06:00:00 +0100", "2026-11-23 06:30:00 +0100"},
		},
		{
			"six fields begin with the second", "15 0 2 * * *", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-20 02:00:15 +0000", "2026-11-21 02:00:15 +0000"},
		},
		{
			"months count from 0", "0 0 1 0 *", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2027-01-01 00:00:00 +0000", "2028-01-01 00:00:00 +0000"},
		},
		{
			"month 11 is December", "0 0 1 11 *", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-12-01 00:00:00 +0000", "2027-12-01 00:00:00 +0000"},
		},
		{
			"names in any case", "0 0 1 Jan,DEC *", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-12-01 00:00:00 +0000", "2027-01-01 00:00:00 +0000"},
		},
		{
			"Sunday is 0", "0 12 * * 0", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-22 12:00:00 +0000", "2026-11-29 12:00:00 +0000"},
		},
		{
			"Sunday as 7 begins a range, too", "0 12 * * 7-1", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-22 12:00:00 +0000", "2026-11-23 12:00:00 +0000", "2026-11-29 12:00:00 +0000"},
		},
		{
			"Sunday is 7", "0 12 * * 7", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-22 12:00:00 +0000", "2026-11-29 12:00:00 +0000"},
		},
		{
			"a range up to 7", "0 12 * * 6-7", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-21 12:00:00 +0000", "2026-11-22 12:00:00 +0000", "2026-11-28 12:00:00 +0000"},
		},
		{
			"a range up to sun", "0 12 * * fri-sun", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-20 12:00:00 +0000", "2026-11-21 12:00:00 +0000", "2026-11-22 12:00:00 +0000", "2026-11-27 12:00:00 +0000"},
		},
		{
			"a step from a value runs to the maximum", "50/4 * * * *", "UTC", "2026-11-20 00:50:00 +0000",
			[]string{"2026-11-20 00:54:00 +0000", "2026-11-20 00:58:00 +0000", "2026-11-20 01:50:00 +0000"},
		},
		{
			"a step from a day of the week runs to Saturday", "0 0 * * 2/2", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-21 00:00:00 +0000", "2026-11-24 00:00:00 +0000", "2026-11-26 00:00:00 +0000", "2026-11-28 00:00:00 +0000"},
		},
		{
			"a step in a range", "0 8-17/3 * * *", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-20 08:00:00 +0000", "2026-11-20 11:00:00 +0000", "2026-11-20 14:00:00 +0000", "2026-11-20 17:00:00 +0000", "2026-11-21 08:00:00 +0000"},
		},
		{
			"a step beyond the range leaves its first value", "*/60 * * * *", "UTC", "2026-11-20 00:30:00 +0000",
			[]string{"2026-11-20 01:00:00 +0000", "2026-11-20 02:00:00 +0000"},
		},
		{
			"either kind of day is enough", "0 0 13 * 5", "UTC", "2026-11-12 00:00:00 +0000",
			[]string{"2026-11-13 00:00:00 +0000", "2026-11-20 00:00:00 +0000", "2026-11-27 00:00:00 +0000", "2026-12-04 00:00:00 +0000", "2026-12-11 00:00:00 +0000", "2026-12-13 00:00:00 +0000"},
		},
		{
			"days that leave nothing out are no restriction", "0 0 1-31 * 5", "UTC", "2026-11-12 00:00:00 +0000",
			[]string{"2026-11-13 00:00:00 +0000", "2026-11-20 00:00:00 +0000"},
		},
		{
			"leap days, around a century without one", "0 0 29 1 *", "UTC", "2095-01-01 00:00:00 +0000",
			[]string{"2096-02-29 00:00:00 +0000", "2104-02-29 00:00:00 +0000"},
		},
		{
			"blanks of any kind and number", "  0\t12   *  * * ", "UTC", "2026-11-20 00:00:00 +0000",
			[]string{"2026-11-20 12:00:00 +0000"},
		},
	} {
		t.Run(e.name, e.check)
	}
}

func TestSchedule_whenClocksAreSet(t *testing.T) {
	for _, e := range []example{
		{
			"a missing time moves to the first valid instant", "30 2 * * *", "Europe/Oslo", "2026-03-28 12:00:00 +0100",
			[]string{"2026-03-29 03:00:00 +0200", "2026-03-30 02:30:00 +0200"},
		},
		{
			"several missing times are due once", "*/20 1-3 * * *", "America/New_York", "2026-03-08 01:20:00 -0500",
			[]string{"2026-03-08 01:40:00 -0500", "2026-03-08 03:00:00 -0400", "2026-03-08 03:20:00 -0400"},
		},
		{
			"a repeated time is due the first time", "30 2 * * *", "Europe/Oslo", "2026-10-24 12:00:00 +0200",
			[]string{"2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100"},
		},
		{
			"from within the repeated hour", "*/20 * * * *", "Europe/Oslo", "2026-10-25 02:10:00 +0100",
			[]string{"2026-10-25 03:00:00 +0100", "2026-10-25 03:20:00 +0100"},
		},
		{
			"half an hour is repeated", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00:00 +1100",
			[]string{"2026-04-05 01:45:00 +1100", "2026-04-06 01:45:00 +1030"},
		},
		{
			"there is no midnight", "0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00:00 -0300",
			[]string{"2018-11-04 01:00:00 -0200", "2018-11-05 00:00:00 -0200"},
		},
		{
			"a whole day is missing", "0 12 * * *", "Pacific/Apia", "2011-12-29 00:00:00 -1000",
			[]string{"2011-12-29 12:00:00 -1000", "2011-12-31 00:00:00 +1400", "2011-12-31 12:00:00 +1400"},
		},
	} {
		t.Run(e.name, e.check)
	}
}

func TestSchedule_thatIsZeroIsNeverDue(t *testing.T) {
	if got := (Schedule{}).Next(time.Unix(0, 0)); !got.IsZero() {
		t.Errorf("want never, got %s", got)
	}
}

func TestParse_saysWhatIsWrongAndHowToMendIt(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "a cron schedule has 5 fields (minute, hour, day of month, month, day of week) or 6 (second first), not 0"},
		{"* * * *", "or 6 (second first), not 4"},
		{"* * * * * * *", "or 6 (second first), not 7"},
		{"@daily", `"@daily" is not supported; write the fields, such as "0 0 * * *" for midnight`},
		{"60 * * * *", `minute "60": 60 is out of range; minutes are 0 to 59`},
		{"60 * * * * *", `second "60": 60 is out of range; seconds are 0 to 59`},
		{"* 24 * * *", `hour "24": 24 is out of range; hours are 0 to 23`},
		{"* * 0 * *", `day of month "0": 0 is out of range; days are 1 to 31`},
		{"* * 32 * *", `day of month "32": 32 is out of range`},
		{"* * * 12 *", `month "12": 12 is out of range; months count from 0, write 11 or dec for December`},
		{"* * * 13 *", `months are 0 (January) to 11 (December), or jan to dec`},
		{"* * * * 8", `day of week "8": 8 is out of range; days of the week are 0 (Sunday) to 7 (Sunday, too), or sun to sat`},
		{"*/0 * * * *", `minute "*/0": the step "0" is not a number from 1; write for instance */5`},
		{"*/ * * * *", `the step "" is not a number from 1`},
		{"*/-5 * * * *", `the step "-5" is not a number from 1`},
		{"* 22-2 * * *", `hour "22-2": the range "22-2" runs backwards; write 22-23,0-2`},
		{"* * * * 5-0", `day of week "5-0": the range "5-0" runs backwards; write 5-6,0-0`},
		{"1,,2 * * * *", `minute "1,,2": a value is missing`},
		{"1- * * * *", `minute "1-": a value is missing`},
		{"*-5 * * * *", `"*" is not a value`},
		{"* * ? * *", `day of month "?": "?" is not a value; days are 1 to 31; write * for any`},
		{"* * L * *", `L, W and # are not supported`},
		{"* * * * 1#2", `L, W and # are not supported`},
		{"jan * * * *", `minute "jan": "jan" is not a value`},
		{"* * * january *", `month "january": "january" is not a value`},
		{"1.5 * * * *", `minute "1.5": "1.5" is not a value`},
		{"99999999999999999999 * * * *", `is not a value; minutes are 0 to 59`},
		{"0 0 30 1 *", `day of month "30": "30" exists in none of the selected months, the longest has 29 days; leave it out or add a longer month`},
		{"0 0 1,31 3,5,8,10 *", `day of month "1,31": "31" exists in none of the selected months, the longest has 30 days`},
		{"0 0 30-31 feb 1", `"30-31" exists in none of the selected months`},
		{"99 99 * * *", "minute \"99\": 99 is out of range; minutes are 0 to 59\nhour \"99\": 99 is out of range; hours are 0 to 23"},
		{strings.Repeat("1,", 600) + "1 * * * *", "a cron schedule of 1209 bytes is too long"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.text, time.UTC)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: want an error with %q, got %v", tt.text, tt.want, err)
		}
	}
}

func TestParse_takesDaysOfWhichOneExists(t *testing.T) {
	for _, text := range []string{"0 0 20-31 1 *", "0 0 */10 1 *", "0 0 29 1 *", "0 0 31 * *", "0 0 1-31 1 *", "0 0 31 1,2 *"} {
		s, err := Parse(text, time.UTC)
		if err != nil || s.Next(time.Unix(0, 0)).IsZero() {
			t.Errorf("%s: want a schedule, got %v", text, err)
		}
	}
}

func TestZone_isAnIANAName(t *testing.T) {
	for _, name := range []string{"Europe/Oslo", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"} {
		if _, err := Zone(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "Local", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "UTC+2", "Europe", strings.Repeat("Europe/", 1000) + "Oslo"} {
		_, err := Zone(name)
		if err == nil || !strings.Contains(err.Error(), "write an IANA name such as Europe/Oslo") || len(err.Error()) > 200 {
			t.Errorf("%.40q: want a short error with advice, got %v", name, err)
		}
	}
}
