package licence

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/qrs"
	"butler/messages"
)

func TestServer_countsTheDaysWithTheirSign(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		details string
		want    messages.License
	}{
		"a date ahead":            {"Allotments:\nValid From: 2024-01-01\nValid To: 2026-05-16\n", messages.License{ExpiryDate: "2026-05-16", DaysLeft: 10, DaysKnown: true}},
		"tomorrow":                {"Valid To: 2026-05-07", messages.License{ExpiryDate: "2026-05-07", DaysLeft: 1, DaysKnown: true}},
		"today":                   {"Valid To: 2026-05-06", messages.License{ExpiryDate: "2026-05-06", DaysKnown: true}},
		"ten days ago":            {"Valid To: 2026-04-26", messages.License{ExpiryDate: "2026-04-26", DaysLeft: -10, DaysKnown: true}},
		"a time of day":           {"Valid To: 2026-05-16T06:00:00Z", messages.License{ExpiryDate: "2026-05-16T06:00:00Z", DaysLeft: 10, DaysKnown: true}},
		"a time without a zone":   {"Valid To: 2026-05-16 18:00:00", messages.License{ExpiryDate: "2026-05-16 18:00:00", DaysLeft: 11, DaysKnown: true}},
		"the last of several":     {"Valid To: 2025-01-01\r\nvalid to: 2026-05-16\r\n", messages.License{ExpiryDate: "2026-05-16", DaysLeft: 10, DaysKnown: true}},
		"no date":                 {"Allotments:\n", messages.License{}},
		"nothing at all":          {"", messages.License{}},
		"something else":          {"Valid To: the end of time", messages.License{ExpiryDate: "the end of time"}},
		"a day that is none":      {"Valid To: 2026-02-30", messages.License{ExpiryDate: "2026-02-30"}},
		"for ever":                {"Valid To: 9999-12-31", messages.License{ExpiryDate: "9999-12-31", DaysLeft: 2_912_317, DaysKnown: true}},
		"the date for none":       {"Valid To: 1753-01-01", messages.License{ExpiryDate: "1753-01-01"}},
		"a long text":             {"Valid To: " + strings.Repeat("x", 5000), messages.License{ExpiryDate: strings.Repeat("x", 64)}},
		"a date in another style": {"Valid To: 05/16/2026", messages.License{ExpiryDate: "05/16/2026"}},
	} {
		if diff := cmp.Diff(row.want, Server(qrs.License{KeyDetails: row.details}, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestExpiring(t *testing.T) {
	for name, row := range map[string]struct {
		license messages.License
		want    bool
	}{
		"on the threshold":              {messages.License{DaysLeft: 60, DaysKnown: true}, true},
		"before it":                     {messages.License{DaysLeft: 61, DaysKnown: true}, false},
		"after its end":                 {messages.License{DaysLeft: -3, DaysKnown: true}, true},
		"expired, the date unknown":     {messages.License{Expired: true}, true},
		"expired, whatever the date":    {messages.License{Expired: true, DaysLeft: 99, DaysKnown: true}, true},
		"the date unknown, not expired": {messages.License{}, false},
	} {
		if got := Expiring(row.license, 60); got != row.want {
			t.Errorf("%s: want %v, got %v", name, row.want, got)
		}
	}
}

func FuzzServer_neverTakesNonsenseForADate(f *testing.F) {
	f.Add("Valid To: 2026-12-31\n")
	f.Add("valid to:\nValid To: x:y")
	f.Fuzz(func(t *testing.T, details string) {
		now := time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)
		if l := Server(qrs.License{KeyDetails: details}, now); l.DaysKnown && l.ExpiryDate == "" || !l.DaysKnown && l.DaysLeft != 0 {
			t.Errorf("%q: days without a date, %+v", details, l)
		}
	})
}

func TestUsage_hasARowForEachTypeThatIsEnabled(t *testing.T) {
	got := Usage(qrs.AccessOverview{
		TotalTokens: 20, AvailableTokens: 3, TokensEnabled: true,
		User:         qrs.UserAccess{Enabled: true, TokenCost: 1, AllocatedTokens: 10, UsedTokens: 7},
		Professional: qrs.SeatAccess{Enabled: true, Total: 10, Allocated: 9, Used: 8, Quarantined: 2, Available: 1, Excess: 3},
		Analyzer:     qrs.SeatAccess{Total: 100},
		AnalyzerTime: qrs.TimeAccess{Enabled: true, AllocatedMinutes: 6000, UsedMinutes: 120, UnavailableMinutes: 5},
		Login:        qrs.LoginAccess{Enabled: true, AllocatedTokens: 4, TokenCost: 1, UnavailableTokens: 2, UsedTokens: 3},
	})
	want := []messages.Point{
		ofType("analyzer_capacity").Number("allocated_minutes", 6000).Number("unavailable_minutes", 5).Number("used_minutes", 120),
		ofType("professional").Number("allocated", 9).Number("available", 1).Number("excess", 3).Number("quarantined", 2).Number("total", 10).Number("used", 8),
		ofType("token_login").Number("allocated_tokens", 4).Number("token_cost", 1).Number("unavailable_tokens", 2).Number("used_tokens", 3),
		ofType("token_user").Number("allocated_tokens", 10).Number("quarantined_tokens", 0).Number("token_cost", 1).Number("used_tokens", 7),
		ofType("tokens_available").Number("available_tokens", 3).Number("total_tokens", 20),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if rows := Usage(qrs.AccessOverview{}); rows != nil {
		t.Errorf("want no rows where nothing is enabled, got %+v", rows)
	}
}
