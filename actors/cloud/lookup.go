package cloud

import (
	"slices"
	"time"

	"butler/messages"
)

// The look-ups of the machine, and how their answers are used.

// lookup is a look-up that a work is waiting for.
type lookup struct {
	what question
	why  string // why the latest attempt failed
}

// attempt is a look-up that has not been made yet. Its work may be decided before it is.
type attempt struct {
	of      *work
	what    question
	notTill time.Time
}

// start starts as many look-ups as are allowed, unless the tenant has requested a pause.
// Retries go first, since they belong to older events.
func (m *machine) start(now time.Time) []effect {
	var out []effect
	for _, waiting := range [...]*[]attempt{&m.retries, &m.fresh} {
		*waiting = skim(*waiting)
		for len(*waiting) > 0 && m.calls < m.rules.MaxCalls && !now.Before(later((*waiting)[0].notTill, m.pausedUntil)) {
			a := (*waiting)[0]
			(*waiting)[0] = attempt{}
			*waiting = skim((*waiting)[1:])
			m.calls++
			out = append(out, ask{a.of.key, a.what, a.of.event, min(m.rules.CallTimeout, a.of.deadline.Sub(now))})
		}
	}
	return out
}

// skim removes the attempts at the front whose work is decided. Works are decided in the
// order of their deadlines, or when all of their look-ups are done, so few decided ones
// remain further back.
func skim(waiting []attempt) []attempt {
	for len(waiting) > 0 && waiting[0].of.phase != phaseLook {
		waiting[0] = attempt{}
		waiting = waiting[1:]
	}
	return waiting
}

// answered handles the result of a look-up. A failure that may be temporary is retried
// until the deadline of the work.
func (m *machine) answered(now time.Time, in answered) []effect {
	m.calls--
	out := append([]effect{called{in.what, in.failure}}, m.judge(in)...)
	if in.after > 0 {
		m.pausedUntil = later(m.pausedUntil, now.Add(in.after))
	}
	w := m.in(in.key, phaseLook)
	if w == nil {
		return out
	}
	i := slices.IndexFunc(w.lookups, func(l lookup) bool { return l.what == in.what })
	if i < 0 {
		return out
	}
	if in.failure.Retryable() {
		w.lookups[i].why = in.failure.Text
		m.retries = append(m.retries, attempt{w, in.what, now.Add(m.rules.RetryEvery)})
		return out
	}
	w.lookups = slices.Delete(w.lookups, i, i+1)
	if in.failure.Failed() {
		w.without(in.what, in.failure.Text)
	} else {
		m.learn(w, in)
	}
	if len(w.lookups) > 0 {
		return out
	}
	at := slices.Index(m.looking, w) // near the front: the oldest are looked up first
	m.looking = slices.Delete(m.looking, at, at+1)
	return append(out, m.decide(now, w)...)
}

// judge updates the state of the tenant. "Not found" counts as a proper answer.
func (m *machine) judge(in answered) []effect {
	why := in.failure.Text
	if !in.failure.Failed() || in.failure.Kind == messages.FailureNotFound {
		why = ""
	}
	if (why == "") == (m.down == "") {
		return nil
	}
	m.down = why
	return []effect{health{up: why == "", reason: why}}
}

// learn adds the answer of a look-up to the alert.
func (m *machine) learn(w *work, in answered) {
	m.hand(w.key)
	a := w.alert
	switch found := in.answer.(type) {
	case messages.CloudScriptLog:
		needs := m.rules.Router.NeedsOf(a)
		a.ScriptLog = found.ScriptLog
		a.ScriptLog.Head, a.ScriptLog.Tail = found.HeadLines(needs.ScriptHead), found.TailLines(needs.ScriptTail)
		a.ScriptLog = a.ScriptLog.Bounded(messages.MaxScriptLog)
		if needs.FullScriptLog {
			w.attachment = found.Full
		}
	case messages.CloudRecord:
		a.Cloud.Trigger, a.Cloud.ExecutionStatus = found.Trigger, found.Status
		a.Cloud.ErrorCode, a.Cloud.ErrorMessage, a.Cloud.LogMessage = found.ErrorCode, found.ErrorMessage, found.Log
		a.Execution.Known, a.Execution.Start, a.Execution.Stop, a.Execution.Duration = true, found.Start, found.Stop, found.Duration
	case messages.CloudApp:
		a.App.Description, a.App.Published, a.App.PublishTime = found.Description, found.Published, found.PublishTime
		a.Cloud.SectionAccess, a.Cloud.Thumbnail = found.SectionAccess, found.Thumbnail
	case messages.CloudItem:
		// The tags are known only now; routes may depend on them.
		a.App.Known, a.App.FileSize, a.App.Tags = true, found.FileSize, found.Tags
	case messages.CloudUser:
		m.learnUser(w, in.what, found)
	}
}

func (m *machine) learnUser(w *work, what question, u messages.CloudUser) {
	if what == askUser || w.event.Reload.UserID == w.event.OwnerID {
		w.alert.Cloud.UserName = u.Name
	}
	if what != askOwner {
		return
	}
	w.alert.Owner = messages.Owner{Known: true, ID: u.ID, UserID: u.ID, Name: u.Name}
	w.alert.Cloud.OwnerPicture = u.Picture
	if u.Email != "" {
		w.alert.Owner.Emails = []string{u.Email}
	}
}

// without notes that the result of a look-up is missing from the alert, and why.
func (w *work) without(what question, why string) {
	w.miss(questions[what].text + " could not be had from Qlik Cloud: " + why)
}

func (w *work) miss(what string) {
	if !slices.Contains(w.missing, what) {
		w.missing = append(w.missing, what)
	}
}
