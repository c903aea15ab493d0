package doctor

import (
	"fmt"
	"time"
)

// The limits for certificates and clocks.

const (
	// certificateSoon is how long before its expiry a certificate is a warning.
	certificateSoon = 30 * 24 * time.Hour
	day             = 24 * time.Hour
	// skewDoubtful and skewBad bound the difference of two clocks. A Date header
	// has whole seconds; over five minutes logins and certificates begin to fail.
	skewDoubtful = 5 * time.Second
	skewBad      = 5 * time.Minute
)

// Certificate judges when a certificate expires.
func Certificate(subject string, ends, now time.Time, remedy string) Finding {
	left := ends.Sub(now)
	date := ends.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		return Fail(subject, fmt.Sprintf("ended %d days ago, on %s", int(-left/day), date), remedy)
	case left < certificateSoon:
		return Warn(subject, fmt.Sprintf("ends in %d days, on %s", int(left/day), date), remedy)
	}
	return Good(subject, "ends in %d days, on %s", int(left/day), date)
}

// Clock judges the clock of another machine, which reported its time between before
// and after on ours. The time that the call took is not counted as a difference.
func Clock(subject string, theirs, before, after time.Time) Finding {
	// A Date header is cut to its second.
	ahead, behind := theirs.Sub(after), before.Sub(theirs.Add(time.Second))
	skew := max(ahead, behind, 0)
	what, remedy := fmt.Sprintf("the clocks agree within %s", skewDoubtful), "let both machines take their time from the same NTP server; check this one with timedatectl"
	switch {
	case ahead > skewDoubtful:
		what = fmt.Sprintf("its clock is %s ahead of that of this machine", skew.Round(time.Second))
	case behind > skewDoubtful:
		what = fmt.Sprintf("its clock is %s behind that of this machine", skew.Round(time.Second))
	default:
		return Good(subject, "%s", what)
	}
	if skew > skewBad {
		return Fail(subject, what, remedy)
	}
	return Warn(subject, what, remedy)
}
