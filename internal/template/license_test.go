package template_test

import (
	"testing"

	"butler/internal/template"
	"butler/messages"
)

func TestLicenseText_hasTheRemainingDays(t *testing.T) {
	for want, l := range map[string]messages.License{
		"valid to 2026-06-15, 40 days left":        {ExpiryDate: "2026-06-15", DaysLeft: 40, DaysKnown: true},
		"valid to 2026-06-15, 1 day left":          {ExpiryDate: "2026-06-15", DaysLeft: 1, DaysKnown: true},
		"valid to 2026-06-15":                      {ExpiryDate: "2026-06-15"},
		"valid to an unknown date":                 {},
		"expired, it was valid to 2026-06-15":      {ExpiryDate: "2026-06-15", DaysLeft: -3, DaysKnown: true},
		"expired, it was valid to an unknown date": {Expired: true},
	} {
		if got := template.LicenseText(l); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
