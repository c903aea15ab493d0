package trail

import (
	"time"

	"butler/internal/text"
	"butler/internal/wire"
	"butler/messages"
)

func (h *Head) head() *Head { return h }

func (d *Decision) sort() byte  { return sortDecision }
func (d *Duplicate) sort() byte { return sortDuplicate }
func (a *Attempt) sort() byte   { return sortAttempt }
func (e *End) sort() byte       { return sortEnd }
func (d *Drop) sort() byte      { return sortDrop }

func (d *Decision) lay(w *wire.Wire) {
	LayPlace(w, &d.Place)
	wire.Number(w, &d.Family)
	layTime(w, &d.Received)
	layTexts(w, &d.Source, &d.Host, &d.TaskID, &d.TaskName, &d.AppName)
	wire.Flags(w, &d.TaskKnown)
	wire.Number(w, &d.TaskType)
	layTexts(w, &d.Outcome, &d.Text)
	wire.Text(w, &d.Alert)
	layItems(w, &d.Lookups, &d.More, LayLookup)
	layItems(w, &d.Degraded, &d.More, layText)
	layItems(w, &d.Notified, &d.More, layNotified)
	layItems(w, &d.NotNotified, &d.More, layNotNotified)
	wire.Number(w, &d.More)
}

// LayLookup encodes or decodes a look-up, as all functions of this kind do.
func LayLookup(w *wire.Wire, l *Lookup) {
	layTexts(w, &l.What, &l.Along, &l.Failure)
	layTime(w, &l.Asked)
	layTime(w, &l.Answered)
	layTime(w, &l.AsOf)
	wire.Number(w, &l.Times)
	wire.Flags(w, &l.Memory, &l.Stale)
}

func layNotified(w *wire.Wire, t *Notified) {
	wire.Text(w, &t.ID)
	layTexts(w, &t.Instance, &t.Recipient)
}

func layNotNotified(w *wire.Wire, n *NotNotified) { layTexts(w, &n.Instance, &n.Reason) }

func (d *Duplicate) lay(w *wire.Wire) {
	LayPlace(w, &d.Place)
	wire.Number(w, &d.Family)
	layTime(w, &d.Received)
	layTexts(w, &d.Source)
}

func (a *Attempt) lay(w *wire.Wire) {
	wire.Text(w, &a.Notice)
	layTexts(w, &a.Instance)
	wire.Number(w, &a.Number)
	wire.Number(w, &a.Took)
	layTexts(w, &a.Failure, &a.Err)
}

func (e *End) lay(w *wire.Wire) {
	wire.Text(w, &e.Notice)
	layTexts(w, &e.Instance, &e.Recipient)
	wire.Text(w, &e.Alert)
	wire.Number(w, &e.Outcome)
	wire.Number(w, &e.Attempts)
	layTexts(w, &e.Reason)
}

func (d *Drop) lay(w *wire.Wire) {
	wire.Text(w, &d.Notice)
	layTexts(w, &d.Instance, &d.Recipient, &d.Why)
}

// layTime lays out a time in UTC, to the microsecond.
func layTime(w *wire.Wire, field *time.Time) {
	var micros int64
	if !field.IsZero() {
		micros = field.UnixMicro()
	}
	wire.Number(w, &micros)
	*field = time.Time{}
	if micros != 0 {
		*field = time.UnixMicro(micros).UTC()
	}
}

// LayPlace lays out the place of an event.
func LayPlace(w *wire.Wire, p *messages.EventPosition) {
	seq, index := int64(p.Seq), int64(p.Index)
	wire.Number(w, &seq)
	wire.Number(w, &index)
	p.Seq, p.Index = uint64(seq), uint32(index)
}

// layTexts lays out texts, each cut to maxText bytes.
func layTexts(w *wire.Wire, fields ...*string) {
	for _, field := range fields {
		cut(field)
	}
	wire.Texts(w, fields...)
}

func layText(w *wire.Wire, field *string) {
	cut(field)
	wire.Text(w, field)
}

// cut cuts a text to maxText bytes, between two runes.
func cut(field *string) {
	if len(*field) > maxText {
		*field = text.FirstBytes(*field, maxText)
	}
}

// layItems lays out the first maxItems items of a slice and counts the others in more.
func layItems[T any](w *wire.Wire, field *[]T, more *int, item func(*wire.Wire, *T)) {
	if left := len(*field) - maxItems; left > 0 {
		*field, *more = (*field)[:maxItems], *more+left
	}
	wire.Items(w, field, item)
}
