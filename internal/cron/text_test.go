package cron

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseText_followsTheCalendarInUTC(t *testing.T) {
	const from = "2026-11-20 10:07:13 +0000" // a Friday
	tests := []struct {
		text string
		want []string
	}{
		{"every 30 seconds", []string{"2026-11-20 10:07:30 +0000", "2026-11-20 10:08:00 +0000", "2026-11-20 10:08:30 +0000"}},
		{"every 20 s", []string{"2026-11-20 10:07:20 +0000", "2026-11-20 10:07:40 +0000"}},
		{"Every 30S", []string{"2026-11-20 10:07:30 +0000"}},
		{"every 15 minutes", []string{"2026-11-20 10:15:00 +0000", "2026-11-20 10:30:00 +0000"}},
		{"every 5m", []string{"2026-11-20 10:10:00 +0000"}},
		{"every 60 minutes", []string{"2026-11-20 11:00:00 +0000", "2026-11-20 12:00:00 +0000"}},
		{"every 120 seconds", []string{"2026-11-20 10:08:00 +0000", "2026-11-20 10:10:00 +0000"}},
		{"every minute", []string{"2026-11-20 10:08:00 +0000"}},
		{"every 0 minutes", []string{"2026-11-20 10:08:00 +0000"}},
		{"every hour", []string{"2026-11-20 11:00:00 +0000"}},
		{"every 1h", []string{"2026-11-20 11:00:00 +0000"}},
		{"every 3 hrs", []string{"2026-11-20 12:00:00 +0000", "2026-11-20 15:00:00 +0000"}},
		{"every 6 hours", []string{"2026-11-20 12:00:00 +0000", "2026-11-20 18:00:00 +0000", "2026-11-21 00:00:00 +0000"}},
		{"every 24 hours", []string{"2026-11-21 00:00:00 +0000", "2026-11-22 00:00:00 +0000"}},
		{"every 86400 seconds", []string{"2026-11-21 00:00:00 +0000"}},
		{"every 1 day", []string{"2026-11-21 00:00:00 +0000"}},
		{"every day at 7 pm", []string{"2026-11-20 19:00:00 +0000"}},
		{"every 1 week", []string{"2026-11-23 00:00:00 +0000", "2026-11-30 00:00:00 +0000"}},
		{"every week at 09:00", []string{"2026-11-23 09:00:00 +0000"}},
		{"every 1 month", []string{"2026-12-01 00:00:00 +0000", "2027-01-01 00:00:00 +0000"}},
		{"every 3rd month", []string{"2027-01-01 00:00:00 +0000", "2027-04-01 00:00:00 +0000"}},
		{"every year", []string{"2027-01-01 00:00:00 +0000", "2028-01-01 00:00:00 +0000"}},
		{"at 2:30 am", []string{"2026-11-21 02:30:00 +0000"}},
		{"at 12:05 am", []string{"2026-11-21 00:05:00 +0000"}},
		{"at 12:05pm", []string{"2026-11-20 12:05:00 +0000"}},
		{"at 22:00", []string{"2026-11-20 22:00:00 +0000"}},
		{"at 10:15 am and 3:30 pm every weekday", []string{"2026-11-20 10:15:00 +0000", "2026-11-20 15:30:00 +0000", "2026-11-23 10:15:00 +0000"}},
		{"every weekend at 06:00", []string{"2026-11-21 06:00:00 +0000", "2026-11-22 06:00:00 +0000", "2026-11-28 06:00:00 +0000"}},
		{"at 09:00 on monday", []string{"2026-11-23 09:00:00 +0000"}},
		{"at 09:00 on mon, wed and thurs", []string{"2026-11-23 09:00:00 +0000", "2026-11-25 09:00:00 +0000", "2026-11-26 09:00:00 +0000", "2026-11-30 09:00:00 +0000"}},
		{"on sat to mon", []string{"2026-11-21 00:00:00 +0000", "2026-11-22 00:00:00 +0000", "2026-11-23 00:00:00 +0000", "2026-11-28 00:00:00 +0000"}},
		{"on the last day of the month", []string{"2026-11-30 00:00:00 +0000", "2026-12-31 00:00:00 +0000", "2027-01-31 00:00:00 +0000", "2027-02-28 00:00:00 +0000"}},
		{"on the first day of the month at 06:00", []string{"2026-12-01 06:00:00 +0000", "2027-01-01 06:00:00 +0000"}},
		{"on the 1st and 15th day", []string{"2026-12-01 00:00:00 +0000", "2026-12-15 00:00:00 +0000", "2027-01-01 00:00:00 +0000"}},
		{"on the 10, 31 and last days of the month", []string{"2026-11-30 00:00:00 +0000", "2026-12-10 00:00:00 +0000", "2026-12-31 00:00:00 +0000"}},
		{"every 6 hours on the 21st day", []string{"2026-11-21 00:00:00 +0000", "2026-11-21 06:00:00 +0000"}},
		{"every 3 months on the last day", []string{"2027-01-31 00:00:00 +0000", "2027-04-30 00:00:00 +0000"}},
		{"every 15 minutes after 08:30 before 10:30", []string{"2026-11-20 10:15:00 +0000", "2026-11-21 08:30:00 +0000", "2026-11-21 08:45:00 +0000"}},
		{"every hour after 10 pm", []string{"2026-11-20 22:00:00 +0000", "2026-11-20 23:00:00 +0000", "2026-11-21 22:00:00 +0000"}},
		{"before 01:00 every 30 minutes every weekday", []string{"2026-11-23 00:00:00 +0000", "2026-11-23 00:30:00 +0000", "2026-11-24 00:00:00 +0000"}},
		{"every 12 hours every weekday", []string{"2026-11-20 12:00:00 +0000", "2026-11-23 00:00:00 +0000"}},
	}
	for _, tt := range tests {
		f, err := ParseText(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, runs(f, at(t, from), time.UTC, len(tt.want))); diff != "" || f.interval != 0 {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestParseText_countsFromTheLastRunWhereTheCalendarDoesNotComeOutEven(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"every 90 seconds": 90 * time.Second,
		"every 7 seconds":  7 * time.Second,
		"every 45 minutes": 45 * time.Minute,
		"every 7 hours":    7 * time.Hour,
		"every 36 hours":   36 * time.Hour,
		"every 48 hours":   48 * time.Hour,
		"every 14 days":    14 * 24 * time.Hour,
		"every 2 weeks":    14 * 24 * time.Hour,
	} {
		f, err := ParseText(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		from := at(t, "2026-11-20 10:07:13 +0000")
		if got := f.Next(from).Sub(from); got != want || f.interval == 0 {
			t.Errorf("%s: want the next one after %s, got %s", text, want, got)
		}
	}
}

func TestParseText_refusesWhatItDoesNotUnderstand(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "ends too early; write for instance",
		"hourly":                              `"hourly" is not understood; write for instance "every 30 seconds"`,
		"30 seconds":                          `"30" is not understood`,
		"every":                               "ends too early",
		"every 30":                            "ends too early",
		"every 30 parsecs":                    `"parsecs" is not understood`,
		"every 30 seconds please":             `"please" is not understood`,
		"every -5 minutes":                    `"-" is not understood`,
		"every 1.5 hours":                     `"." is not understood`,
		"every 99999999 seconds":              `"99999999" is not understood`,
		"every 999999 weeks":                  "longer than ten years",
		"every 5 months":                      "write 1, 2, 3, 4, 6 or 12 months",
		"every 2 years":                       "months and years that do not come out even",
		"at":                                  "ends too early",
		"at 25:00":                            `"25:00" is not understood`,
		"at 10:60":                            `"10:60" is not understood`,
		"at 9":                                `"9" is not understood`,
		"at 13:00 pm":                         `"13:00" is not understood`,
		"at 0:30 am":                          `"0:30" is not understood`,
		"at 15 minutes past every hour":       `"15" is not understood`,
		"on the month":                        `"month" is not understood`,
		"on the last":                         "ends too early",
		"on the 32nd day":                     `"32" is not understood`,
		"on the 0th day":                      `"0" is not understood`,
		"on the 2nd week":                     `"week" is not understood`,
		"on the 5th day of the week":          `"week" is not understood`,
		"on the 1st day on monday":            "do not go together",
		"on the 1st day on the 2nd day":       "do not go together",
		"every 45 minutes after 10:00":        "do not go together",
		"every 2 weeks on the 1st day":        "do not go together",
		"every week on the 1st day":           "do not go together",
		"after 10:00 after 11:00":             "do not go together",
		"every hour after":                    "ends too early",
		"every hour after 22:00 before 06:00": "after 22:00 before 06:00 goes over midnight, which cannot be written: the first has to be earlier",
		"at 07:00 after 08:00":                "it is never due",
		"on monday on tuesday":                "do not go together",
		"every hour every minute":             "do not go together",
		"every 15 minutes at 10:00":           "do not go together",
		"every 45 minutes every weekday":      "do not go together",
		"every 1 month on monday":             "do not go together",
		strings.Repeat("every ", 1000):        "is not understood",
	} {
		_, err := ParseText(text)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%.40q: want a short error with %q, got %v", text, want, err)
		}
	}
}
