package trail

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/internal/text"
	"butler/messages"
)

// judge sets the state of the story and its summary.
func (t *teller) judge() {
	s := &t.story
	for _, state := range []State{Parked, Waiting, Unclear, Dropped, Delivered, Suppressed} {
		if slices.ContainsFunc(s.Notices, func(n Notice) bool { return n.State == state }) {
			s.State = state
			if state == Delivered && slices.ContainsFunc(s.Notices, func(n Notice) bool { return n.State == Suppressed }) {
				s.State = PartlyDelivered
			}
			s.Summary = counted(s.Notices) + t.others()
			return
		}
	}
	undecided := slices.ContainsFunc(t.known.Received, func(r Received) bool {
		return !t.settled.HasFamily(r.Event.Family) && !t.known.Seen.HasFamily(r.Event.Family)
	})
	givenUp := slices.IndexFunc(t.known.Refused, func(q messages.QuarantinedDatagram) bool { return q.Reason == messages.ReasonCrashed })
	switch {
	case undecided && givenUp >= 0:
		s.State, s.Summary = Refused, "it was given up: "+t.known.Refused[givenUp].Detail
	case t.known.Followed:
		s.State, s.Summary = Following, "its distribute task has not ended yet; who is notified is decided then"
	case undecided:
		s.State, s.Summary = Deciding, "it is looked up, and not decided yet"
	case t.decided != nil:
		s.State, s.Summary = Silent, t.decided.Text
	case t.known.Seen.Kinds != 0:
		s.State, s.Summary = Unclear, "it was decided and no notice is waiting: each was delivered or suppressed, but which is no longer known"
	case t.known.Seen.Families != 0:
		s.State, s.Summary = Silent, "it was handled without an alert; the reason is no longer known"
	case len(t.known.Refused) > 0 && !t.ofTask():
		s.State, s.Summary = Refused, "what arrived was refused: "+t.known.Refused[0].Reason
	default:
		s.State, s.Summary = Unknown, "nothing is known of it"
	}
}

// others counts the destinations that notify nobody, or not everybody.
func (t *teller) others() string {
	none, some := 0, 0
	for _, v := range t.story.NotNotified {
		if slices.ContainsFunc(t.story.Notices, func(n Notice) bool { return n.Destination == v.Destination }) {
			some++
		} else {
			none++
		}
	}
	var said string
	if none > 0 {
		said = "; " + text.Count(none, "destination not notified", "destinations not notified")
	}
	if some > 0 {
		said += "; " + text.Count(some, "destination does not notify everybody", "destinations do not notify everybody")
	}
	return said
}

// HintOfTask begins the hint that the ID asked for is that of a task.
const HintOfTask = "this is the ID of a task"

// hint adds what may be missing from the story, and for an unknown execution the
// possible reasons.
func (t *teller) hint() {
	r := t.known.Reach
	hint := func(format string, args ...any) {
		t.story.Hints = append(t.story.Hints, fmt.Sprintf(format, args...))
	}
	for _, trouble := range r.Trouble {
		hint("%s", trouble)
	}
	if t.story.State == Unclear {
		hint("the last steps are missing: a process that is killed loses those of its last second, and old ones are deleted (journal.trailFor, journal.trailBytes)")
	}
	if t.story.State != Unknown {
		return
	}
	if t.ofTask() {
		t.story.OfTask = r.OfTask
		var latest []string
		for _, b := range r.OfTask {
			latest = append(latest, fmt.Sprintf("%s (%s, %s)", b.ExecutionID, day(b.At), b.State))
		}
		hint(HintOfTask+"; its latest executions are %s", strings.Join(latest, ", "))
		if n := len(t.known.Refused); n > 0 {
			last := t.known.Refused[0]
			for _, q := range t.known.Refused {
				if q.At.After(last.At) {
					last = q
				}
			}
			hint("%d refused datagrams that name it are kept, the last of %s (%s): butler quarantine list", n, day(last.At), last.Reason)
		}
		return
	}
	if !qlik.IsGUID(t.story.ExecutionID) {
		hint("it is no GUID, as executions and tasks of Qlik Sense have; only the ID of a reload in Qlik Cloud looks different")
	}
	if r.Events.IsZero() {
		hint("it may never have arrived: no datagram at all is in the journal")
	} else {
		hint("it may be too old: datagrams are kept since %s (journal.keepFor, journal.keepBytes)", day(r.Events))
	}
	switch {
	case r.NoSteps:
		hint("no steps are recorded (journal.trailFor is 0s)")
	case r.Steps.IsZero():
		hint("no step of any execution is recorded yet")
	default:
		hint("steps are kept since %s (journal.trailFor, journal.trailBytes)", day(r.Steps))
	}
	if r.KernelDrops > 0 {
		hint("%s lost since the start of the service before it could read them; see the receive buffer (udpServerConfig.receiveBufferBytes)", text.Count(int(r.KernelDrops), "datagram was", "datagrams were"))
	}
	if r.Quarantined > 0 {
		hint("%s: butler quarantine list", text.Count(r.Quarantined, "refused datagram is kept, which does not name it", "refused datagrams are kept, none of which names it"))
	}
	hint("if none of these applies, the node did not send it here: check its log appender, the address and port in it, and the firewall")
}

func day(at time.Time) string { return at.UTC().Format(time.DateTime) + " UTC" }
