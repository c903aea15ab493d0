package trail_test

import (
	"strings"
	"testing"
	"time"

	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

func TestTell_letsTheLedgerSayHowItStands(t *testing.T) {
	const id, at = messages.NoticeID("1f0c5a2c7d9e4b6f8a01"), "webhook/reload_task_failed/1"
	head := trail.Head{Key: "key", At: noon}
	failed := &trail.Attempt{Head: head, Notice: id, Instance: at, Number: 1, Failure: "server_error", Err: "503"}
	accepted := &trail.Attempt{Head: head, Notice: id, Instance: at, Number: 2}
	ended := &trail.End{Head: head, Notice: id, Instance: at, Outcome: messages.NoticeParked, Reason: "400"}
	waiting := []outbox.OpenNotice{{ID: id, Instance: at}}
	parked := []outbox.Parked{{ID: id, Instance: at, Reason: "400"}}
	received := []trail.Received{{Event: messages.TaskEvent{Family: messages.FamilyFailed}}}
	seen := messages.Seen{}.WithFamily(messages.FamilyFailed)
	for name, row := range map[string]struct {
		known trail.Evidence
		want  trail.State
	}{
		"an attempt was accepted":              {trail.Evidence{Entries: []trail.Entry{decision("key"), failed, accepted}}, trail.Delivered},
		"its end is on its way to the disk":    {trail.Evidence{Entries: []trail.Entry{decision("key"), accepted}, Waiting: waiting}, trail.Delivered},
		"it is tried again":                    {trail.Evidence{Entries: []trail.Entry{decision("key"), failed}, Waiting: waiting}, trail.Waiting},
		"its steps are lost, and it waits":     {trail.Evidence{Waiting: waiting}, trail.Waiting},
		"it is parked":                         {trail.Evidence{Entries: []trail.Entry{decision("key"), failed, ended}, Parked: parked}, trail.Parked},
		"its steps are lost, and it is parked": {trail.Evidence{Parked: parked}, trail.Parked},
		"it was parked, and dropped":           {trail.Evidence{Entries: []trail.Entry{decision("key"), failed, ended}}, trail.Dropped},
		"it was parked, and replayed":          {trail.Evidence{Entries: []trail.Entry{decision("key"), ended, accepted}}, trail.Delivered},
		"how it ended is lost":                 {trail.Evidence{Entries: []trail.Entry{decision("key")}}, trail.Unclear},
		"all but the memory is lost":           {trail.Evidence{Received: received, Seen: seen.WithKind(messages.ReloadTaskFailed)}, trail.Unclear},
		"it was handled without an alert":      {trail.Evidence{Received: received, Seen: seen}, trail.Silent},
		"it is looked up":                      {trail.Evidence{Received: received}, trail.Deciding},
		"its task runs on":                     {trail.Evidence{Received: received, Followed: true}, trail.Following},
		"it was given up":                      {trail.Evidence{Received: received, Refused: []messages.QuarantinedDatagram{{Reason: messages.ReasonCrashed, Detail: "it crashed"}}}, trail.Refused},
		"it was refused":                       {trail.Evidence{Refused: []messages.QuarantinedDatagram{{Reason: "size"}}}, trail.Refused},
		"nobody has heard of it":               {trail.Evidence{}, trail.Unknown},
	} {
		if got := trail.Tell(row.known); got.State != row.want || got.Summary == "" {
			t.Errorf("%s: want %s, got %s: %s", name, row.want, got.State, got.Summary)
		}
	}
}

func TestTell_saysWhoDroppedWhatWasParkedAndWhen(t *testing.T) {
	parked := &trail.End{Head: trail.Head{Key: "key", At: noon}, Notice: "1", Instance: "email/a", Recipient: "bo@example.com", Outcome: messages.NoticeParked, Reason: "550 no such user"}
	drop := trail.NewDrop(&outbox.Parked{ID: "1", Key: "key", Instance: "email/a", Recipient: "bo@example.com"}, noon.Add(time.Hour), trail.ByOperator)
	got := trail.Tell(trail.Evidence{Entries: []trail.Entry{parked, drop}})
	want := trail.Notice{
		ID: "1", Destination: "email/a", Recipient: "bo@example.com", State: trail.Dropped,
		Reason: "parked, and dropped by an operator at " + noon.Add(time.Hour).UTC().Format(time.DateTime) + " UTC: 550 no such user",
	}
	if len(got.Notices) != 1 || got.Notices[0] != want {
		t.Errorf("want %+v, got %+v", want, got.Notices)
	}
	if last := got.Steps[len(got.Steps)-1]; last.What != "dropped" || last.Text != "bo@example.com: dropped by an operator" {
		t.Errorf("want a step that says who dropped it, got %+v", last)
	}
}

func TestTell_countsADestinationThatTellsNotEverybodyApart(t *testing.T) {
	told := &trail.Decision{
		Head: trail.Head{Key: "key", At: noon}, Alert: messages.ReloadTaskFailed,
		Notified:    []trail.Notified{{ID: "1", Instance: "email/a", Recipient: "bo@example.com"}},
		NotNotified: []trail.NotNotified{{Instance: "email/a", Reason: "emma@example.com: no property"}, {Instance: "slack/a", Reason: "no tag"}},
	}
	accepted := &trail.Attempt{Head: told.Head, Notice: "1", Instance: "email/a", Number: 1}
	got := trail.Tell(trail.Evidence{Entries: []trail.Entry{told, accepted}})
	if want := "1 message, delivered; 1 destination not notified; 1 destination does not notify everybody"; got.Summary != want {
		t.Errorf("want %q, got %q", want, got.Summary)
	}
}

func TestTell_saysThatStepsAreMissing(t *testing.T) {
	got := trail.Tell(trail.Evidence{Entries: []trail.Entry{decision("key")}, Reach: trail.Reach{Trouble: []string{"the log was damaged"}}})
	if hints := strings.Join(got.Hints, "\n"); !strings.Contains(hints, "the log was damaged") || !strings.Contains(hints, "journal.trailFor") {
		t.Errorf("want hints about what is missing, got %q", got.Hints)
	}
}

func TestTell_doubtsAnIDThatIsNoGUID(t *testing.T) {
	for id, doubted := range map[string]bool{
		"4c3b2a19-0000-4000-8000-00000000000b": false, "4C3B2A19-0000-4000-8000-00000000000B": false,
		"4c3b2a19": true, "4c3b2a19-0000-4000-8000-00000000000z": true, "Daily Sales Reload": true,
	} {
		got := trail.Tell(trail.Evidence{ID: id})
		if hints := strings.Join(got.Hints, "\n"); got.State != trail.Unknown || strings.Contains(hints, "no GUID") != doubted {
			t.Errorf("%s: want it doubted: %t, got %q", id, doubted, hints)
		}
	}
}

func TestTell_saysWhyANoticeWaits(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 30, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		state   messages.DeliveryState
		failure string
		want    string
	}{
		"its turn":                {messages.DeliveryState{Condition: messages.Delivering, Queued: 3}, "", "3 messages wait at this destination, which are sent in turn and within its rate limit"},
		"a failure":               {messages.DeliveryState{Condition: messages.Delivering, Queued: 1}, "answered 503", "it is tried again: answered 503"},
		"a pause":                 {messages.DeliveryState{Condition: messages.DeliveryPaused, Until: at, LastError: "answered 429"}, "answered 429", "the destination asked for a pause until 12:30:00 UTC: answered 429"},
		"an open breaker":         {messages.DeliveryState{Condition: messages.DeliveryBreakerOpen, Until: at}, "", "the destination keeps failing, and is not tried until 12:30:00 UTC"},
		"a wrong configuration":   {messages.DeliveryState{Condition: messages.DeliveryMisconfigured}, "", "the destination refuses every message, and is not tried; its configuration is to be corrected"},
		"the end of the service":  {messages.DeliveryState{Condition: messages.DeliveryDraining}, "", "the service is stopping"},
		"its start":               {messages.DeliveryState{Condition: messages.DeliveryLoading}, "", "the waiting messages are being read from disk"},
		"an actor without answer": {messages.DeliveryState{Condition: messages.DeliveryNotResponding}, "", "the delivery did not answer in time"},
	} {
		row.state.Instance, row.state.Path = "slack/x", "slackNotification.x"
		known := trail.Evidence{
			ID: "e", Waiting: []outbox.OpenNotice{{ID: "n", Instance: "slack/x", Attempts: 1}},
			Deliveries: []messages.DeliveryState{{Instance: "other"}, row.state},
		}
		if row.failure != "" {
			known.Entries = []trail.Entry{&trail.Attempt{Notice: "n", Instance: "slack/x", Number: 1, Failure: "unavailable", Err: row.failure}}
		}
		got := trail.Tell(known)
		if len(got.Notices) != 1 || got.Notices[0].State != trail.Waiting || got.Notices[0].Reason != row.want {
			t.Errorf("%s: want it waiting because %q, got %+v", name, row.want, got.Notices)
		}
		known.Deliveries = known.Deliveries[:1]
		if got := trail.Tell(known); got.Notices[0].Reason != "the destination is not configured any more" {
			t.Errorf("%s: want the destination gone, got %+v", name, got.Notices)
		}
		known.Deliveries = nil
		if got := trail.Tell(known); got.Notices[0].Reason != row.failure {
			t.Errorf("%s: want the last failure where the service does not run, got %+v", name, got.Notices)
		}
	}
}

func TestTell_saysHowItStandsWithoutNotices(t *testing.T) {
	event := trail.Received{Event: messages.TaskEvent{Family: messages.FamilyFailed, TaskID: "t"}}
	crashed := messages.QuarantinedDatagram{Reason: messages.ReasonCrashed, Detail: "it crashed three times"}
	invalid := messages.QuarantinedDatagram{Reason: "field_count"}
	silent := &trail.Decision{Family: messages.FamilyFailed, Text: "nobody wants it"}
	for name, row := range map[string]struct {
		known trail.Evidence
		state trail.State
		say   string
	}{
		"given up":               {trail.Evidence{Received: []trail.Received{event}, Refused: []messages.QuarantinedDatagram{invalid, crashed}}, trail.Refused, "it was given up: it crashed three times"},
		"followed":               {trail.Evidence{Received: []trail.Received{event}, Followed: true}, trail.Following, "its distribute task has not ended yet"},
		"looked up":              {trail.Evidence{Received: []trail.Received{event}}, trail.Deciding, "it is looked up"},
		"decided":                {trail.Evidence{Received: []trail.Received{event}, Entries: []trail.Entry{silent}}, trail.Silent, "nobody wants it"},
		"decided, but crashed":   {trail.Evidence{Received: []trail.Received{event}, Entries: []trail.Entry{silent}, Refused: []messages.QuarantinedDatagram{crashed}}, trail.Silent, "nobody wants it"},
		"seen with an alert":     {trail.Evidence{Seen: messages.Seen{Kinds: 1}}, trail.Unclear, "which is no longer known"},
		"seen without an alert":  {trail.Evidence{Seen: messages.Seen{Families: 1 << messages.FamilyFailed}}, trail.Silent, "the reason is no longer known"},
		"seen, its event kept":   {trail.Evidence{Received: []trail.Received{event}, Seen: messages.Seen{}.WithFamily(messages.FamilyFailed)}, trail.Silent, "the reason is no longer known"},
		"refused":                {trail.Evidence{Refused: []messages.QuarantinedDatagram{invalid}}, trail.Refused, "what arrived was refused: field_count"},
		"unknown":                {trail.Evidence{}, trail.Unknown, "nothing is known of it"},
		"a task, with a refusal": {trail.Evidence{Refused: []messages.QuarantinedDatagram{invalid}, Reach: trail.Reach{OfTask: []trail.Brief{{}}}}, trail.Unknown, "nothing is known of it"},
	} {
		if got := trail.Tell(row.known); got.State != row.state || !strings.Contains(got.Summary, row.say) {
			t.Errorf("%s: want %s and %q, got %s and %q", name, row.state, row.say, got.State, got.Summary)
		}
	}
}

func TestTell_saysWhyAnExecutionMayBeUnknown(t *testing.T) {
	const id = "6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a10"
	for name, row := range map[string]struct {
		id    string
		reach trail.Reach
		want  []string
		never []string
	}{
		"an empty journal":   {id, trail.Reach{}, []string{"no datagram at all is in the journal", "no step of any execution is recorded yet"}, []string{"it is no GUID", "lost since", "refused datagram"}},
		"events are kept":    {id, trail.Reach{Events: noon, Steps: noon}, []string{"datagrams are kept since 2026-05-06 12:00:00 UTC", "steps are kept since 2026-05-06 12:00:00 UTC"}, []string{"no datagram at all"}},
		"no steps are kept":  {id, trail.Reach{NoSteps: true, Steps: noon}, []string{"no steps are recorded (journal.trailFor is 0s)"}, []string{"steps are kept since"}},
		"no GUID":            {"x", trail.Reach{}, []string{"it is no GUID"}, nil},
		"some were lost":     {id, trail.Reach{KernelDrops: 2}, []string{"2 datagrams were lost"}, nil},
		"some were refused":  {id, trail.Reach{Quarantined: 1}, []string{"1 refused datagram is kept, which does not name it"}, nil},
		"what went wrong":    {id, trail.Reach{Trouble: []string{"the disk is gone"}}, []string{"the disk is gone"}, nil},
		"if nothing applies": {id, trail.Reach{}, []string{"check its log appender"}, nil},
	} {
		hints := strings.Join(trail.Tell(trail.Evidence{ID: row.id, Reach: row.reach}).Hints, "\n")
		for _, want := range row.want {
			if !strings.Contains(hints, want) {
				t.Errorf("%s: want %q in\n%s", name, want, hints)
			}
		}
		for _, never := range row.never {
			if strings.Contains(hints, never) {
				t.Errorf("%s: want no %q in\n%s", name, never, hints)
			}
		}
	}
}

func TestTell_saysWhatALookupTold(t *testing.T) {
	answered := func(l trail.Lookup) trail.Lookup {
		l.What, l.Asked, l.Answered, l.Times = "task", noon, noon.Add(1500*time.Millisecond), max(l.Times, 1)
		return l
	}
	for want, lookup := range map[string]trail.Lookup{
		"task: no answer in time":                  {What: "task", Asked: noon},
		"task: failed: HTTP 403":                   answered(trail.Lookup{Failure: "HTTP 403"}),
		"task: answered by the repository in 1.5s": answered(trail.Lookup{}),
		"task: answered by the repository in 1.5s (3 times until 12:00:01.500 UTC)":      answered(trail.Lookup{Times: 3}),
		"task: known from memory, 20s old, with the app":                                 answered(trail.Lookup{Memory: true, AsOf: noon.Add(-20 * time.Second), Along: "app"}),
		"task: the repository is out of reach, taken from memory as of 11:59:40.000 UTC": answered(trail.Lookup{Memory: true, Stale: true, AsOf: noon.Add(-20 * time.Second)}),
		"task: known from memory, less than 1ms old":                                     answered(trail.Lookup{Memory: true, AsOf: noon}),
		"task: known from memory, 9.999s old":                                            answered(trail.Lookup{Memory: true, AsOf: noon.Add(-9999 * time.Millisecond)}),
		"task: known from memory, 10s old":                                               answered(trail.Lookup{Memory: true, AsOf: noon.Add(-10001 * time.Millisecond)}),
		"task: known from memory, 1ms old":                                               answered(trail.Lookup{Memory: true, AsOf: noon.Add(-time.Millisecond)}),
	} {
		got := trail.Tell(trail.Evidence{Entries: []trail.Entry{&trail.Decision{Lookups: []trail.Lookup{lookup}}}})
		if len(got.Steps) != 2 || got.Steps[0].Text != want && got.Steps[1].Text != want {
			t.Errorf("want %q, got %+v", want, got.Steps)
		}
	}
}

func TestTell_saysWhatCameOfAnAttempt(t *testing.T) {
	for want, attempt := range map[string]*trail.Attempt{
		"attempt 2 accepted in 30ms":                     {Number: 2, Took: 30 * time.Millisecond},
		"attempt 1: nothing to store":                    {Number: 1, Err: "nothing to store"},
		"attempt 3 failed after 12s (server_error): 503": {Number: 3, Took: 12345 * time.Millisecond, Failure: "server_error", Err: "503"},
	} {
		attempt.Notice, attempt.Instance = "n", "email/x"
		got := trail.Tell(trail.Evidence{Entries: []trail.Entry{attempt}})
		if len(got.Steps) != 1 || got.Steps[0].Text != want || got.Notices[0].Attempts != attempt.Number {
			t.Errorf("want %q, got %+v", want, got)
		}
		if failed := attempt.Failure != ""; failed != (got.State == trail.Unclear) || failed == (got.State == trail.Delivered) {
			t.Errorf("%s: want it delivered unless it failed, got %s", want, got.State)
		}
	}
}
