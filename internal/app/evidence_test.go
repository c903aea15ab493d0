package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/outbox"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
	"butler/internal/udp"
	"butler/messages"
)

// gather collects what the oracle judges, after the service has ended for good.
func gather(t *testing.T, v *service, f *traffic, w *weather) *oracle {
	t.Helper()
	o := &oracle{
		start: v.lives[0].began, lives: v.lives, sent: f.sent, executions: f.executions,
		freezes: v.freezes,
		stalled: v.stalled(), keptSocket: v.keptSocket,
		rejected: map[string]bool{}, refused: map[string]bool{}, logless: map[string]bool{},
		inFlight: map[string]int{sinkHTTP: usualInFlight, sinkSlack: slackInFlight, sinkMail: usualInFlight, sinkInflux: pointsInFlight, sinkMQTT: usualInFlight},
	}
	for _, address := range rejectedAddresses {
		o.rejected[address] = true
	}
	if w != nil {
		o.cuts, o.spans, o.lost, o.away = w.cuts, w.spans, w.lost, w.away
	}
	o.readJournal(t, v.journal)
	o.readHTTP(v.sim.HTTP.History().All())
	o.readPoints(t, v.sim.Influx)
	o.readMails(v.sim.SMTP.Messages().All())
	o.readArchive(t, filepath.Join(v.dir, "scriptlogs"))
	o.readLog(t, v.log.Name())
	return o
}

// readLog reads what the processes said.
func (o *oracle) readLog(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	o.decided, o.gaveUp = map[string]bool{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		var said struct {
			Msg         string
			EventType   string `json:"event_type"`
			ExecutionID string `json:"execution_id"`
			Degraded    []string
		}
		if !strings.Contains(line, "alert decided") || json.Unmarshal([]byte(line), &said) != nil { // cut off by a kill
			continue
		}
		if strings.HasPrefix(said.Msg, "alert decided") {
			execution := strings.ToLower(said.ExecutionID)
			o.decided[execution+" "+said.EventType] = true
			if missing := waitedInVain(said.Degraded); missing != "" {
				o.gaveUp[execution] = missing
			}
		}
	}
}

// readJournal opens the journal of a service that has ended.
func (o *oracle) readJournal(t *testing.T, dir string) {
	t.Helper()
	ctx := t.Context()
	store, err := jetstream.Open(ctx, jetstream.Options{Dir: dir})
	must(t, err)
	defer store.Close()
	if store.Kept() != "" {
		o.problem("the processes left what looks like damage: %+v", store.Damage())
	}
	state, err := store.Open(ctx, "ledger", journal.Limits{})
	must(t, err)
	ledger, err := journal.OpenLedger(ctx, state, journal.LedgerOptions{})
	must(t, err)
	defer ledger.Close(ctx)
	log, err := store.Open(ctx, "events", journal.Limits{})
	must(t, err)
	queue, err := journal.OpenQueue(ctx, "events", log, ledger, journal.QueueOptions{KeepFor: 24 * time.Hour})
	must(t, err)
	defer queue.Close(ctx)
	if left := queue.Stats().Entries; left > 0 {
		o.problem("%d events are not decided, after everything was idle", left)
	}
	first, _ := log.Bounds()
	o.trimmed = first > 1
	must(t, queue.Range(ctx, first, func(r journal.Record) error {
		for _, entry := range r.Entries {
			event, err := udp.ParseEntry(entry)
			if err != nil {
				return err
			}
			datagram, err := udp.DecodeEntry(entry)
			if err != nil {
				return err
			}
			o.accepted = append(o.accepted, acceptedAs(event, datagram.Payload))
		}
		return nil
	}))
	box, err := outbox.Open(ledger, outbox.Options{})
	must(t, err)
	o.parked, err = box.Parked(outbox.ParkedFilter{})
	must(t, err)
	o.waiting, o.followed = box.Waiting(), ledger.Len(outbox.BucketState)
	o.windows = map[string]int{}
	for _, instance := range windowed {
		backlog, err := box.Load(instance)
		must(t, err)
		for key, window := range backlog.Windows {
			task, _, _ := strings.Cut(key, "|")
			o.windows[instance+" "+strings.ToLower(task)] += window.Suppressed
		}
	}
}

// acceptedAs returns what an accepted event is to the oracle.
func acceptedAs(event messages.TaskEvent, payload []byte) acceptedEvent {
	return acceptedEvent{
		execution: strings.ToLower(event.ExecutionID), family: event.Family, payload: string(payload), file: archiveName(event),
	}
}

// hookBody is the part of a webhook's message that the oracle reads.
type hookBody struct {
	ExecutionID      string `json:"executionId"`
	TaskID           string `json:"taskId"`
	SuppressedAlerts int    `json:"suppressedAlerts"`
}

// readHTTP reads what reached the webhooks and Slack.
func (o *oracle) readHTTP(requests []sink.HTTPRequest) {
	for _, r := range requests {
		got, ok := hookReceipt(r)
		if strings.HasPrefix(r.Path, "/slack/") {
			got, ok = slackReceipt(r)
		}
		switch {
		case !ok: // cut off while it was sent
		case obeyed(r):
			o.receipts = append(o.receipts, got)
			o.noteLogless(got.execution, string(r.Body))
		case refusedForGood(r):
			o.refused[got.id()] = true
		}
	}
}

// hookReceipt reads what a call of a webhook tells.
func hookReceipt(r sink.HTTPRequest) (receipt, bool) {
	var hook hookBody
	if json.Unmarshal(r.Body, &hook) != nil {
		return receipt{}, false
	}
	notice := sinkHTTP + "/" + strings.TrimPrefix(r.Path, "/hook/")
	return receipt{
		sink: sinkHTTP, notice: notice, instance: notice, execution: strings.ToLower(hook.ExecutionID), at: r.At,
		unanswered: keptBack(r.Fault), task: strings.ToLower(hook.TaskID), suppressed: hook.SuppressedAlerts,
	}, true
}

// slackTask finds the ID of the task in a message to Slack.
var slackTask = regexp.MustCompile(`\*Task ID\*\\n([-0-9a-fA-F]{36})"`)

// slackHeldBack finds how many alerts were held back before a message to Slack.
var slackHeldBack = regexp.MustCompile(`(One|\d+) earlier alerts? about this task (?:was|were) held back`)

// slackReceipt reads what a message to Slack tells.
func slackReceipt(r sink.HTTPRequest) (receipt, bool) {
	event, task := mark.FindSubmatch(r.Body), slackTask.FindSubmatch(r.Body)
	if event == nil || task == nil || !json.Valid(r.Body) {
		return receipt{}, false
	}
	notice := sinkSlack + "/" + strings.TrimPrefix(r.Path, "/slack/")
	return receipt{
		sink: sinkHTTP, notice: notice, instance: notice, execution: strings.ToLower(string(event[1])), at: r.At,
		unanswered: keptBack(r.Fault), task: strings.ToLower(string(task[1])), suppressed: heldBack(r.Body),
	}, true
}

func heldBack(body []byte) int {
	switch found := slackHeldBack.FindSubmatch(body); {
	case found == nil:
		return 0
	case string(found[1]) == "One":
		return 1
	default:
		n, _ := strconv.Atoi(string(found[1]))
		return n
	}
}

// readPoints reads what reached the database, and what it keeps of that.
func (o *oracle) readPoints(t *testing.T, database *sink.Influx) {
	t.Helper()
	o.stored = map[string]bool{}
	for _, p := range database.Stored("butler") {
		o.stored[pointReceipt(p).id()] = true
	}
	for _, r := range database.Requests().All() {
		if r.Path != "/write" || !obeyed(r) {
			continue
		}
		points, err := sink.ParseLines(string(r.Body), "n")
		must(t, err)
		for _, p := range points {
			got := pointReceipt(p)
			got.at, got.unanswered = r.At, keptBack(r.Fault)
			o.receipts = append(o.receipts, got)
		}
	}
}

// pointReceipt reads what a point tells.
func pointReceipt(p sink.Point) receipt {
	execution, _ := p.Fields["execution_id"].(string)
	notice := sinkInflux + "/" + p.Measurement
	return receipt{sink: sinkInflux, notice: notice, instance: notice, execution: strings.ToLower(execution)}
}

// readMails reads what reached the mail server.
func (o *oracle) readMails(mails []sink.Mail) {
	for _, m := range mails {
		r, ok := mailReceipt(m)
		if !ok {
			o.problem("a mail tells of no event: %v %q", m.Recipients, m.Subject)
			continue
		}
		o.receipts = append(o.receipts, r)
		o.noteLogless(r.execution, m.Text)
	}
}

// mark finds the mark of an event in a message.
var mark = regexp.MustCompile(`\[event of ([-0-9a-fA-F]{36})\]`)

// mailReceipt reads what a mail tells.
func mailReceipt(m sink.Mail) (receipt, bool) {
	found := mark.FindStringSubmatch(m.HTML + m.Text)
	if found == nil || len(m.Recipients) != 1 {
		return receipt{}, false
	}
	what, _, _ := strings.Cut(m.Subject, `:`)
	_, what, _ = strings.Cut(what, "Qlik Sense ")
	return receipt{
		sink: sinkMail, notice: mailNotice(what, m.Recipients[0]), instance: sinkMail + "/" + what,
		execution: strings.ToLower(found[1]), at: m.At,
	}, true
}

// obeyed reports whether a request did what it asked for, whatever its sender was told.
func obeyed(r sink.HTTPRequest) bool {
	return r.Fault == edge.Slow && r.Delivered() || keptBack(r.Fault)
}

// refusedForGood reports whether a request was answered in a way that ends all attempts.
func refusedForGood(r sink.HTTPRequest) bool { return r.Status == http.StatusUnprocessableEntity }
