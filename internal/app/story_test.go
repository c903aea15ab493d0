package app_test

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// when words a time as the seconds since the start.
func (o *oracle) when(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%+.3fs", at.Sub(o.start).Seconds())
}

// around tells which processes there were about a time.
func (o *oracle) around(at time.Time) string {
	var near []string
	for i, l := range o.lives {
		if l.began.Before(at.Add(notedAfter)) && l.ended.After(at.Add(-notedAfter)) {
			near = append(near, fmt.Sprintf("process %d from %s (ready %s) to %s", i+1, o.when(l.began), o.when(l.ready), o.when(l.ending)))
		}
	}
	return strings.Join(near, ", ")
}

// story tells everything that is known of one execution.
func (o *oracle) story(key string) string {
	var out []string
	near := ""
	for _, d := range o.sent {
		if strings.EqualFold(d.execution, key) {
			out = append(out, fmt.Sprintf("sent %s as %s %s", o.when(d.at), d.family, cmp.Or(d.attack, "(honest)")))
			near = o.around(d.at)
		}
	}
	for _, r := range o.receipts {
		if r.execution == key {
			out = append(out, fmt.Sprintf("%s told %s", r.notice, o.when(r.at)))
		}
	}
	return strings.Join(append(out, near), "; ")
}
