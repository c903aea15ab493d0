package app_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// oracle judges a run of the service from outside: from the datagrams sent, the events
// that the journal has accepted, and the receipts of the systems around it. Which
// notices are due follows from the specification and the simulated site, never from
// the service.
type oracle struct {
	// start is the zero of the times in its messages.
	start time.Time
	lives []life
	// keptSocket reports that the UDP socket stayed open between the processes.
	keptSocket bool
	sent       []sentDatagram
	executions map[string]*execution
	// accepted are the events of the journal, with their datagrams.
	accepted []acceptedEvent
	// byExecution are the accepted events by execution, built on first use.
	byExecution map[string][]acceptedEvent
	receipts    []receipt
	// stored are the notices with a point in the database.
	stored map[string]bool
	// archive are the script logs on disk by file name; logless are the executions
	// with a notice that the script log could not be fetched.
	archive  map[string]string
	logless  map[string]bool
	parked   []outbox.Parked
	waiting  int
	followed int
	// windows are the suppressed notices not yet reported, by instance and task.
	windows map[string]int
	// rejected are the mail addresses that the server refuses permanently, refused
	// the notices that were permanently refused by occasional faults.
	rejected map[string]bool
	refused  map[string]bool
	// cuts and spans are the times in which an answer may have been lost, by
	// system; lost bounds the number of lost answers where that is known.
	cuts  map[string][]cut
	spans map[string][]span
	lost  map[string]int
	// ordered are all cuts of a system in order, whatever their cause.
	ordered map[string][]cut
	// away are the long spans in which something was wrong with the repository: alerts
	// of events in them may be incomplete.
	away []span
	// broker reports that alerts also go to the broker.
	broker bool
	// trimmed reports that the journal removed handled events to make room; forgotten
	// is how many of them may have been accepted without leaving a trace.
	trimmed   bool
	forgotten int
	// watched reports that an onlooker observed the run; acknowledged is how many
	// datagrams it saw accepted, at least. decided are the events, by execution and
	// family, that the service has logged as decided: they must be on disk.
	watched      bool
	acknowledged int
	decided      map[string]bool
	// poorer are the executions whose alerts may be incomplete, reload those of them
	// that were alerted as reloads, and optional the notices that such an event may,
	// but need not, lead to.
	poorer, reload, optional map[string]bool
	// gaveUp is the data that the service did without after waiting, by execution.
	gaveUp map[string]string
	// blocked are the spans in which the service may have missed a datagram, freezes
	// those in which its process stood still.
	blocked, freezes []span
	// stalled are the spans in which the machine stood still, at least for the test.
	stalled []span
	// slow is the union of blocked and stalled, built on first use.
	slow []span
	// inFlight is how many notices an instance may have in flight, by the first part
	// of its name.
	inFlight map[string]int

	problems []string
}

// acceptedEvent is one event of the journal.
type acceptedEvent struct {
	execution string
	family    messages.Family
	payload   string
	// file is the archive path of the script log of a failed reload. timeless is the
	// end of its name when the time in it is not known because the clock has jumped.
	file, timeless string
}

// id identifies the event.
func (a acceptedEvent) id() string { return a.execution + " " + a.family.String() }

// receipt is one notice that reached a system.
type receipt struct {
	sink string
	// notice is its content and recipient; instance is the part of it that limits
	// what is in flight together.
	notice, instance string
	execution        string
	at               time.Time
	// unanswered reports that its sender got no answer.
	unanswered bool
	// task and suppressed, the number of notices held back, are known for webhooks
	// and Slack.
	task       string
	suppressed int
}

// id identifies a notice, which should arrive only once.
func (r receipt) id() string { return r.execution + " " + r.notice }

// toldRow is a row of the specification: the notices for a family and a type of task.
type toldRow struct {
	measurement, mail, hook string
	owner                   bool
}

var toldTable = map[messages.Family]map[qlik.TaskType]toldRow{
	messages.FamilyFailed: {
		qlik.TaskReload:          {measurement: "reload_task_failed", mail: "reload failed", hook: "failed", owner: true},
		qlik.TaskExternalProgram: {measurement: "external_program_task_failed"},
		qlik.TaskUserSync:        {measurement: "user_sync_task_failed"},
		qlik.TaskDistribute:      {measurement: "distribute_task_failed", mail: "distribution failed"},
		qlik.TaskPreload:         {measurement: "preload_task_failed", mail: "preload failed"},
	},
	messages.FamilyAborted: {
		qlik.TaskReload: {mail: "reload aborted", hook: "aborted"},
	},
	messages.FamilySucceeded: {
		qlik.TaskReload:          {measurement: "reload_task_success", mail: "reload succeeded"},
		qlik.TaskExternalProgram: {measurement: "external_program_task_success"},
		qlik.TaskUserSync:        {measurement: "user_sync_task_success"},
		qlik.TaskDistribute:      {measurement: "distribute_task_success", mail: "distribution succeeded"},
		qlik.TaskPreload:         {measurement: "preload_task_success", mail: "preload succeeded"},
	},
}

// everyRecipient is the recipient of every mail.
const everyRecipient = "operations@example.com"

// tells returns the notices that an event of an execution must lead to.
func (e execution) tells(f messages.Family) []string {
	if !e.known {
		return nil
	}
	if f == messages.FamilyDistribute {
		f = messages.FamilyFailed
		if e.final == qlik.StatusFinishedSuccess {
			f = messages.FamilySucceeded
		}
	}
	told := toldTable[f][e.typ]
	var out []string
	if told.measurement != "" {
		out = append(out, sinkInflux+"/"+told.measurement)
	}
	if told.hook != "" {
		out = append(out, sinkHTTP+"/"+told.hook)
	}
	if told.mail == "" {
		return out
	}
	out = append(out, mailNotice(told.mail, everyRecipient))
	if told.owner {
		for _, address := range e.owners {
			out = append(out, mailNotice(told.mail, address))
		}
	}
	return out
}

// tells returns the notices that an event must lead to in this run.
func (o *oracle) tells(e *execution, f messages.Family) []string {
	out := e.tells(f)
	if hook := toldTable[f][e.typ].hook; o.broker && e.known && hook != "" {
		out = append(out, sinkMQTT+"/"+hook)
	}
	return out
}

func mailNotice(what, address string) string { return sinkMail + "/" + what + "/" + address }

// judge returns everything that is wrong.
func (o *oracle) judge() []string {
	expected := map[string]bool{}
	o.notePoorer()
	families := map[string][]messages.Family{}
	for _, a := range o.accepted {
		e, ok := o.executions[a.execution]
		if !ok {
			o.problem("the journal holds an event of execution %s, which was never sent: %.200q", a.execution, a.payload)
			continue
		}
		families[a.execution] = append(families[a.execution], a.family)
		for _, notice := range o.owes(a, e) {
			expected[a.execution+" "+notice] = true
		}
	}
	o.checkIntake()
	told := map[string][]receipt{}
	for _, r := range o.receipts {
		told[r.id()] = append(told[r.id()], r)
	}
	o.checkEnds(expected, told, families)
	o.checkPoorer()
	o.checkStored()
	o.checkWindows(sinkSlack)
	o.checkArchive()
	o.checkStrangers(expected, told)
	o.checkRepetitions(told)
	if o.waiting > 0 || o.followed > 0 {
		o.problem("%d notices wait for delivery and %d executions are followed, after everything was idle", o.waiting, o.followed)
	}
	return o.problems
}

func (o *oracle) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

// A datagram must be accepted if the service ran for settleTime before it and for
// storeTime after it, not counting the time in which the machine stood still: a datagram
// that was read waits for the processor and the disk.
const (
	settleTime = time.Second
	storeTime  = 3 * time.Second
)

// checkIntake compares the datagrams sent with the events accepted. If the log or the
// onlooker shows nothing, the name of a metric or the text of a log message has changed.
func (o *oracle) checkIntake() {
	if len(o.accepted) > 0 && len(o.decided) == 0 {
		o.problem("%d events were accepted, and the log tells of no decision", len(o.accepted))
	}
	if len(o.accepted) > 0 && o.watched && o.acknowledged == 0 {
		o.problem("%d events were accepted, and the onlooker saw none acknowledged", len(o.accepted))
	}
	if n := len(o.accepted) + o.forgotten; n < o.acknowledged {
		o.problem("%d events are in the journal, and an onlooker saw %d accepted", n, o.acknowledged)
	}
	accepted, kept := map[string]int{}, map[string]bool{}
	for _, a := range o.accepted {
		accepted[a.payload]++
		kept[a.id()] = true
	}
	for _, id := range slices.Sorted(maps.Keys(o.decided)) {
		if !kept[id] {
			key, _, _ := strings.Cut(id, " ")
			o.problem("the service decided about %s, which is not in its journal; %s", id, o.story(key))
		}
	}
	sent := map[string]int{}
	for _, d := range o.sent {
		payload := string(d.payload)
		sent[payload]++
		if !d.welcome && accepted[payload] > 0 {
			o.problem("a hostile datagram (%s) of %s was accepted: %.200q", d.attack, o.when(d.at), payload)
		}
		if d.welcome && accepted[payload] == 0 && o.servedAt(d.at) {
			o.problem("%s event of %s was not accepted, although the service ran for more than %s before and %s after: %.200q; %s",
				d.family, o.when(d.at), settleTime, storeTime, payload, o.around(d.at))
		}
	}
	for payload, n := range accepted {
		if n > sent[payload] {
			o.problem("a datagram sent %d times is %d times in the journal: %.200q", sent[payload], n, payload)
		}
	}
}

// servedAt reports whether a datagram of that time must have been accepted.
func (o *oracle) servedAt(at time.Time) bool {
	if o.keptSocket {
		return o.takenUpAfter(at)
	}
	if o.blockedBetween(at, at) {
		return false
	}
	return slices.ContainsFunc(o.lives, func(l life) bool {
		return !l.ready.IsZero() && at.Sub(l.ready) > settleTime && l.ending.Sub(at) > storeTime+o.stalledBetween(at, l.ending)
	})
}

// blockedBetween reports whether the service may have missed a datagram that it had to
// read in that time.
func (o *oracle) blockedBetween(from, to time.Time) bool {
	return slices.ContainsFunc(o.blocked, func(s span) bool { return s.touches(from, to, storeTime) })
}

// takenUpAfter reports whether a datagram of that time must have been accepted because
// it waits for the next process if there is none. A process that is killed may have read
// it, and not stored it yet.
func (o *oracle) takenUpAfter(at time.Time) bool {
	for _, l := range o.lives {
		if l.ended.Before(at) {
			continue
		}
		from := at
		if l.ready.After(at) {
			from = l.ready
		}
		if o.blockedBetween(at, from) {
			return false
		}
		if !l.ready.IsZero() && l.ending.Sub(from) > storeTime+o.stalledBetween(from, l.ending) {
			return true
		}
		if l.killed {
			return false
		}
	}
	return false
}

// checkEnds checks that every notice was delivered, or parked for a reason.
func (o *oracle) checkEnds(expected map[string]bool, told map[string][]receipt, families map[string][]messages.Family) {
	parked := o.parkedNotices()
	for _, id := range slices.Sorted(maps.Keys(expected)) {
		key, notice, _ := strings.Cut(id, " ")
		address := notice[strings.LastIndex(notice, "/")+1:]
		p, isParked := parked[id]
		delete(parked, id)
		switch arrived := len(told[id]) > 0; {
		case strings.HasPrefix(notice, sinkMail) && o.rejected[address]:
			if !isParked || arrived {
				o.problem("want %s parked, because %s is refused for good; parked: %v, arrived: %v; %s",
					notice, address, isParked, arrived, o.executions[key])
			}
		case isParked && !o.refused[id]:
			o.problem("%s is parked, although nobody refused it: %s (%s); %s", notice, p.Reason, p.Cause, o.executions[key])
		case !arrived && !isParked:
			o.problem("%s was lost: accepted as %v, never told; %s; %s", notice, families[key], o.executions[key], o.story(key))
		}
		if isParked {
			o.checkReason(notice, p)
		}
	}
	for id, p := range parked {
		if !o.mayTell(id) || !o.refused[id] && !o.rejected[id[strings.LastIndex(id, "/")+1:]] {
			o.problem("%s is parked, although nobody had to be told or nobody refused it: %s", id, p.Reason)
			continue
		}
		o.checkReason(id, p)
	}
}

func (o *oracle) checkReason(notice string, p outbox.Parked) {
	if p.Cause != outbox.Rejected || p.Reason == "" {
		o.problem("want %s parked as rejected with a reason, got %q: %q", notice, p.Cause, p.Reason)
	}
}

// checkStored checks that the database keeps every point that it received.
func (o *oracle) checkStored() {
	for _, r := range o.receipts {
		if r.sink == sinkInflux && !o.stored[r.id()] {
			o.problem("%s of %s is overwritten in the database by the point of another execution", r.notice, o.executions[r.execution])
		}
	}
}

// parkedNotices returns the parked notices by the IDs that receipts use.
func (o *oracle) parkedNotices() map[string]outbox.Parked {
	out := map[string]outbox.Parked{}
	for _, p := range o.parked {
		family, typ := messages.FamilyFailed, qlik.TaskReload
		for f, row := range toldTable {
			for t := range row {
				if messages.KindOf(f, t) == p.Kind {
					family, typ = f, t
				}
			}
		}
		row := toldTable[family][typ]
		notice := p.Instance
		switch p.Integration {
		case "email":
			notice = mailNotice(row.mail, p.Recipient)
		case "webhook":
			notice = sinkHTTP + "/" + row.hook
		case "slack":
			notice = sinkSlack + "/" + row.hook
		case "influxdb":
			notice = sinkInflux + "/" + row.measurement
		}
		out[strings.ToLower(string(p.Key))+" "+notice] = p
	}
	return out
}

// checkStrangers checks that every notice is due to an accepted event.
func (o *oracle) checkStrangers(expected map[string]bool, told map[string][]receipt) {
	for id, all := range told {
		if !expected[id] && !o.mayTell(id) {
			o.problem("%s was told at %s of execution %s, of which nothing was accepted that says so; %s",
				all[0].notice, o.when(all[0].at), all[0].execution, o.story(all[0].execution))
		}
	}
}

// seenLate is how late a receipt may be seen, and notedAfter how long the record of a
// delivery may take, not counting the time in which the machine stood still.
const (
	seenLate   = 300 * time.Millisecond
	notedAfter = 3 * time.Second
)

// checkRepetitions checks that a notice is repeated only if it was in flight or its
// sender got no answer.
func (o *oracle) checkRepetitions(told map[string][]receipt) {
	var all []repetition
	for _, id := range slices.Sorted(maps.Keys(told)) {
		receipts := told[id]
		slices.SortFunc(receipts, func(a, b receipt) int { return a.at.Compare(b.at) })
		for i, first := range receipts[:len(receipts)-1] {
			r := repetition{sink: first.sink, lost: o.keptBackAt(first.sink, first.at)}
			for _, broken := range o.cutsBetween(first, receipts[i+1]) {
				r.cuts = append(r.cuts, first.instance+" when "+broken)
			}
			switch {
			case first.unanswered:
			case r.causes() > 0:
				all = append(all, r)
			default:
				o.problem("%s was told twice without a reason: at %s and %s; %s; %s", first.notice,
					o.when(first.at), o.when(receipts[i+1].at), o.executions[first.execution], o.around(first.at))
			}
		}
	}
	o.checkBounds(o.blame(all))
}

// repetition is a repeated notice, due to one of the cuts or to a lost answer.
type repetition struct {
	sink string
	cuts []string
	lost bool
}

func (r repetition) causes() int {
	if r.lost {
		return len(r.cuts) + 1
	}
	return len(r.cuts)
}

// blame assigns a cause to every repetition: a late receipt may be of one process or of
// the next. It begins with those with the fewest causes, and prefers cuts with room.
func (o *oracle) blame(all []repetition) (inFlight, lost map[string]int) {
	inFlight, lost = map[string]int{}, map[string]int{}
	slices.SortStableFunc(all, func(a, b repetition) int { return a.causes() - b.causes() })
	for _, r := range all {
		room := slices.IndexFunc(r.cuts, func(cut string) bool { return inFlight[cut] < o.mayBeInFlight(cut) })
		switch {
		case room >= 0:
			inFlight[r.cuts[room]]++
		case r.lost:
			lost[r.sink]++
		default:
			inFlight[r.cuts[0]]++
		}
	}
	return inFlight, lost
}

// checkBounds checks that there were no more repetitions than the causes explain.
func (o *oracle) checkBounds(inFlight, lost map[string]int) {
	for name, n := range lost {
		if n > o.lost[name] {
			o.problem("%s was told %d times again for %d answers that were kept back", name, n, o.lost[name])
		}
	}
	for what, n := range inFlight {
		if limit := o.mayBeInFlight(what); n > limit {
			o.problem("%s: told again %d notices, more than the %d that may be in flight", what, n, limit)
		}
	}
}

// mayBeInFlight returns how many notices an instance may have in flight.
func (o *oracle) mayBeInFlight(instance string) int {
	name, _, _ := strings.Cut(instance, "/")
	return o.inFlight[name]
}

// cutsBetween returns the cuts that may have interrupted the delivery of a notice before
// its repetition.
func (o *oracle) cutsBetween(first, again receipt) (broken []string) {
	atMost := notedAfter + o.slowBetween(first.at, endOfTime)
	for _, c := range o.cutsOf(first.sink) {
		later := c.from.Sub(first.at)
		if c.from.After(again.at) || later >= atMost {
			break
		}
		if seen := c.to.Add(seenLate); first.at.After(seen) && first.at.After(seen.Add(o.stalledBetween(c.to, first.at))) {
			continue
		}
		if later < notedAfter || later < notedAfter+o.slowBetween(first.at, c.to) {
			broken = append(broken, c.what+" at "+o.when(c.from))
		}
	}
	return broken
}

// cutsOf returns everything that may have interrupted deliveries to a system, in order.
func (o *oracle) cutsOf(system string) []cut {
	if cuts, known := o.ordered[system]; known {
		return cuts
	}
	cuts := slices.Clone(o.cuts[system])
	for i, l := range o.lives {
		if l.killed {
			cuts = append(cuts, cut{fmt.Sprintf("process %d was killed", i+1), l.ending, l.ended})
		}
	}
	for i, s := range o.freezes {
		cuts = append(cuts, cut{fmt.Sprintf("the process stood still (%d)", i+1), s.from, s.to})
	}
	slices.SortFunc(cuts, func(a, b cut) int { return a.from.Compare(b.from) })
	if o.ordered == nil {
		o.ordered = map[string][]cut{}
	}
	o.ordered[system] = cuts
	return cuts
}

// keptBackAt reports whether answers were kept back at that time, for a system that does
// not record which.
func (o *oracle) keptBackAt(name string, at time.Time) bool {
	return name == sinkMail && slices.ContainsFunc(o.spans[name], func(s span) bool {
		return !at.Before(s.from) && !at.After(s.to.Add(seenLate))
	})
}

// slowBetween returns how long the service was held up between two times.
func (o *oracle) slowBetween(from, to time.Time) time.Duration {
	if o.slow == nil {
		o.slow = union(slices.Concat(o.blocked, o.stalled))
	}
	return lengthBetween(o.slow, from, to)
}

// stalledBetween returns how long the machine stood still between two times.
func (o *oracle) stalledBetween(from, to time.Time) time.Duration {
	return lengthBetween(o.stalled, from, to)
}

// lengthBetween returns the total length of the spans that touch the time between two
// moments.
func lengthBetween(spans []span, from, to time.Time) (d time.Duration) {
	for _, s := range spans {
		if s.touches(from, to, 0) {
			d += s.to.Sub(s.from)
		}
	}
	return d
}
