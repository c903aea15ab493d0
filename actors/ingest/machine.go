package ingest

import (
	"fmt"
	"time"

	"butler/internal/logx"
	"butler/internal/ratelimit"
	"butler/internal/udp"
	"butler/messages"
)

const (
	// summaryEvery is the interval in which repeated log lines are summed up.
	summaryEvery = time.Minute
	// summaryKeys bounds the pairs of reason and sender that are summed up apart.
	summaryKeys = 256
	// For each reason a burst of keepBurst datagrams goes to the quarantine and then
	// keepRate a second: a flood must neither load the disk nor replace what was
	// refused for other reasons.
	keepBurst = 50
	keepRate  = 1
)

// checker checks whether a payload is an event.
type checker interface {
	Check(payload []byte, opts udp.ParseOptions) (udp.Checked, *udp.Rejection)
}

// machine decides about datagrams. It is deterministic: what it does depends on
// the calls and the times they carry.
type machine struct {
	rules Rules
	// sources is nil when every source is accepted.
	sources    *udp.Set
	window     window
	pressure   pressure
	loss       loss
	lines      *logx.Repeated
	allowances []*ratelimit.Bucket
	counts     messages.IngestSnapshot
	sender     udp.Sender
	checker    checker
	host       string // of the last event; see intern
	// decided is the last admission; its memory is reused for the next.
	decided admission
}

// newMachine returns a machine whose first rate window begins now.
func newMachine(now time.Time, rules Rules) *machine {
	m := &machine{
		rules:      rules,
		window:     window{limit: rules.RateLimit, start: now},
		pressure:   pressure{size: rules.QueueSize, threshold: rules.BackpressureThreshold},
		checker:    new(udp.Checker),
		lines:      logx.NewRepeated(summaryEvery, summaryKeys),
		allowances: make([]*ratelimit.Bucket, len(udp.Reasons())+1),
	}
	for i := range m.allowances {
		m.allowances[i] = ratelimit.NewBucket(keepRate, keepBurst)
	}
	return m
}

// change sets new rules. The counts stay; a new rate window begins if its limit changes.
func (m *machine) change(now time.Time, rules Rules) {
	if rules.RateLimit != m.rules.RateLimit {
		m.window = window{limit: rules.RateLimit, start: now}
	}
	m.pressure.size, m.pressure.threshold = rules.QueueSize, rules.BackpressureThreshold
	m.rules = rules
}

// admission is the decision about one batch.
type admission struct {
	// entries are to be journalled, in the order of arrival.
	entries [][]byte
	// events are all accepted datagrams, including engine events, which are not journalled.
	events []accepted
	// sanitised are accepted datagrams with text that had to be changed, as far as they are to be logged.
	sanitised []messages.Datagram
	refusals  []refusal
}

// accepted is one datagram that is an event.
type accepted struct {
	datagram  messages.Datagram
	family    messages.Family
	host      string
	sanitised bool
}

// refusal is one datagram that was not accepted.
type refusal struct {
	datagram messages.Datagram
	reason   udp.Reason
	// detail says in words what was wrong; only set with tell or keep.
	detail string
	// tell asks for a log line, keep for a place in the quarantine.
	tell, keep bool
}

// admit decides about a batch. journal is the error of a journal that cannot be
// written at present, or nil. The result is valid until the next call; its entries stay
// valid.
func (m *machine) admit(now time.Time, batch []messages.Datagram, journal error) *admission {
	out := &m.decided
	*out = admission{events: out.events[:0], sanitised: out.sanitised[:0], refusals: out.refusals[:0]}
	for i, d := range batch {
		event, reason, cause := m.judge(now, d, journal)
		if reason != udp.ReasonNone {
			m.refuse(now, d, reason, cause)
			continue
		}
		m.counts.Received++
		m.counts.Queued++
		out.events = append(out.events, accepted{d, event.Family, m.intern(event.Host), event.Sanitised})
		if event.Sanitised && m.lines.First(now, m.lineKey(sanitisedLine, d)) {
			out.sanitised = append(out.sanitised, d)
		}
		if event.Family == messages.FamilyEngine {
			m.counts.Processed++
			continue
		}
		if out.entries == nil {
			out.entries = make([][]byte, 0, len(batch)-i)
		}
		out.entries = append(out.entries, udp.EncodeEntry(d))
	}
	return out
}

// intern returns host as a string. It allocates none for consecutive events of the same
// host.
func (m *machine) intern(host []byte) string {
	if m.host != string(host) {
		m.host = string(host)
	}
	return m.host
}

// judge makes the checks in order. It returns the reason of the first that fails, with
// its cause, or the event.
func (m *machine) judge(now time.Time, d messages.Datagram, journal error) (udp.Checked, udp.Reason, error) {
	if m.sources != nil && !m.sources.Contains(d.Source.Addr()) {
		return udp.Checked{}, udp.ReasonSource, nil
	}
	if d.Size > m.rules.MaxMessageSize {
		return udp.Checked{}, udp.ReasonOversize, nil
	}
	if !m.window.take(now) {
		return udp.Checked{}, udp.ReasonRateLimit, nil
	}
	event, rejection := m.check(d.Payload)
	if rejection != nil {
		return udp.Checked{}, rejection.Reason, rejection
	}
	if event.Family != messages.FamilyEngine && journal != nil {
		return udp.Checked{}, udp.ReasonJournalUnavailable, journal
	}
	return event, udp.ReasonNone, nil
}

// check checks a payload. A panic of the checker refuses this one, and not the whole batch.
func (m *machine) check(payload []byte) (event udp.Checked, rejection *udp.Rejection) {
	defer func() {
		if cause := recover(); cause != nil {
			event, rejection = udp.Checked{}, &udp.Rejection{Reason: udp.ReasonInternalError, Detail: udp.Excerpt([]byte(fmt.Sprint(cause)), maxCause)}
		}
	}()
	return m.checker.Check(payload, udp.ParseOptions{RecoverSemicolons: m.rules.RecoverSemicolons})
}

// maxCause bounds the text of a panic, in characters.
const maxCause = 200

// refuse counts a refused datagram and decides whether it is logged and kept.
func (m *machine) refuse(now time.Time, d messages.Datagram, reason udp.Reason, cause error) {
	m.count(reason)
	r := refusal{
		datagram: d,
		reason:   reason,
		tell:     m.lines.First(now, m.lineKey(reason.String(), d)),
		keep:     m.allowances[reason].Take(now),
	}
	if r.tell || r.keep {
		r.detail = m.explain(d, reason, cause)
	}
	m.decided.refusals = append(m.decided.refusals, r)
}

func (m *machine) count(reason udp.Reason) {
	if reason == udp.ReasonSource {
		m.counts.RefusedSource++
		return
	}
	m.counts.Received++
	if reason.Malformed() {
		m.counts.Queued++
		m.counts.Failed++
		return
	}
	m.counts.Dropped++
	switch reason {
	case udp.ReasonOversize:
		m.counts.DroppedSize++
	case udp.ReasonRateLimit:
		m.counts.DroppedRateLimit++
	default:
		m.counts.DroppedQueueFull++
	}
}

func (m *machine) explain(d messages.Datagram, reason udp.Reason, cause error) string {
	switch reason {
	case udp.ReasonSource:
		return "the sender is not an allowed source"
	case udp.ReasonOversize:
		return fmt.Sprintf("%d bytes, at most %d are allowed", d.Size, m.rules.MaxMessageSize)
	case udp.ReasonRateLimit:
		return fmt.Sprintf("more than %d datagrams in a minute", m.rules.RateLimit)
	default:
		return cause.Error()
	}
}

// sanitisedLine stands for a reason in the keys of lines about changed text.
const sanitisedLine = "sanitised"

// lineKey is the key by which log lines are summed up: the reason and the sender,
// with a space between them.
func (m *machine) lineKey(what string, d messages.Datagram) string {
	return what + " " + m.sender.Name(d.Source.Addr())
}

// snapshot describes the machine; the shell adds what it knows of the socket.
func (m *machine) snapshot(now time.Time, backlog int) messages.IngestSnapshot {
	s := m.counts
	s.Backlog, s.QueueMaxSize = backlog, m.rules.QueueSize
	s.RateLimitCurrent = m.window.rate(now)
	s.BackpressureActive = m.pressure.active
	s.At = now
	return s
}
