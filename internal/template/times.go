package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The layouts of local times, by the number in the names of fields.
const (
	local1 = "2006-01-02 15:04:05"
	local2 = "1/2/2006, 3:04:05 PM"
	local3 = "Jan 2, 2006, 3:04:05 PM"
	local4 = "January 2, 2006 at 3:04:05 PM "
)

// isNever reports whether a date of the repository means "never": those are in 1753.
func isNever(iso string) bool { return strings.HasPrefix(iso, "1753-") }

// orNever returns the date, or "Never" if it means that.
func orNever(iso string) string {
	if isNever(iso) {
		return "Never"
	}
	return iso
}

// zonedOrNever returns the date in local time with its zone, or "Never" if it means that.
func zonedOrNever(iso string, zone *time.Location) string {
	if isNever(iso) {
		return "Never"
	}
	return Times(iso, zone).Zoned
}

// TimeForms are the forms of a time of the repository: unchanged, and in local time.
type TimeForms struct {
	UTC   string
	Local [5]string
	// Zoned is in local time, with the name of the zone.
	Zoned string
}

// Times returns the forms of a time. "Never" is "-" in all of them, and a text that is not
// a valid time is unchanged in all of them. A nil zone means UTC.
func Times(iso string, zone *time.Location) TimeForms {
	if isNever(iso) {
		return TimeForms{"-", [5]string{"-", "-", "-", "-", "-"}, "-"}
	}
	at, err := time.Parse(time.RFC3339Nano, iso)
	if err != nil {
		return TimeForms{iso, [5]string{iso, iso, iso, iso, iso}, iso}
	}
	if zone == nil {
		zone = time.UTC
	}
	at = at.In(zone)
	full := at.Format(local4) + zoneName(at)
	return TimeForms{iso, [5]string{at.Format(local1), at.Format(local2), at.Format(local3), full, full}, at.Format(local1) + " " + zoneName(at)}
}

// timeFields returns a time of the repository under the keys prefix+"UTC",
// prefix+"Local1" to "Local5", and prefix+"Local" with the name of the zone.
func timeFields(prefix, iso string, zone *time.Location) map[string]any {
	forms := Times(iso, zone)
	out := make(map[string]any, 2+len(forms.Local))
	out[prefix+"UTC"], out[prefix+"Local"] = forms.UTC, forms.Zoned
	for i, text := range forms.Local {
		out[prefix+"Local"+strconv.Itoa(i+1)] = text
	}
	return out
}

// zoneName returns the name of the zone in English: UTC, GMT, GMT+2, GMT-3:30.
func zoneName(at time.Time) string {
	name, offset := at.Zone()
	if offset == 0 {
		if name == "UTC" {
			return name
		}
		return "GMT"
	}
	sign, minutes := "+", offset/60
	if minutes < 0 {
		sign, minutes = "-", -minutes
	}
	if minutes%60 == 0 {
		return fmt.Sprintf("GMT%s%d", sign, minutes/60)
	}
	return fmt.Sprintf("GMT%s%d:%02d", sign, minutes/60, minutes%60)
}

// durationFields returns the hours, minutes and seconds of a duration, without fractions.
func durationFields(d time.Duration) map[string]any {
	seconds := int(max(d, 0) / time.Second)
	return map[string]any{"hours": seconds / 3600, "minutes": seconds / 60 % 60, "seconds": seconds % 60}
}

// durationWords returns a duration without the units that it does not need: "2 min 19 s".
func durationWords(d time.Duration) string {
	seconds := int(max(d, 0) / time.Second)
	hours, minutes := seconds/3600, seconds/60%60
	switch {
	case hours > 0:
		return fmt.Sprintf("%d h %d min %d s", hours, minutes, seconds%60)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, seconds%60)
	default:
		return fmt.Sprintf("%d s", seconds)
	}
}
