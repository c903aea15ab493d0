package destination

import (
	"fmt"
	"slices"
	"time"

	"butler/messages"
)

// Table is the routing table of one configuration: which instances carry which
// alert kind. It is immutable and safe for concurrent use.
type Table struct {
	built  []Built
	byKind map[messages.AlertKind][]*Instance
	needs  map[messages.AlertKind]Needs
}

// NewTable builds the table. Two instances of one name are an error.
func NewTable(built []Built) (*Table, error) {
	t := &Table{built: built, byKind: map[messages.AlertKind][]*Instance{}, needs: map[messages.AlertKind]Needs{}}
	seen := map[string]bool{}
	for _, b := range built {
		if seen[b.Instance.Name] {
			return nil, fmt.Errorf("destination instance %q is configured twice", b.Instance.Name)
		}
		seen[b.Instance.Name] = true
		for _, kind := range b.Instance.Kinds {
			t.byKind[kind] = append(t.byKind[kind], &b.Instance)
			t.needs[kind] = t.needs[kind].Or(b.Instance.Needs)
		}
	}
	return t, nil
}

// Built lists every instance with its destination, in the order of configuration.
func (t *Table) Built() []Built { return t.built }

// Needs returns what the instances that carry kind want looked up together.
func (t *Table) Needs(kind messages.AlertKind) Needs { return t.needs[kind] }

// Carries reports whether any instance carries kind.
func (t *Table) Carries(kind messages.AlertKind) bool { return len(t.byKind[kind]) > 0 }

// Verdict says of one instance why an alert does not go through it.
type Verdict struct {
	Instance string
	Reason   string
}

// Route returns the notices of an alert and why the other instances have none.
// finalState reports that the execution result is final; instances that need it
// are left out otherwise.
func (t *Table) Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []Verdict) {
	instances := t.byKind[a.Kind]
	notices := make([]messages.NoticeHead, 0, len(instances))
	var without []Verdict
	for _, i := range instances {
		selected := i.selects(a, finalState)
		if len(selected.Recipients) == 0 {
			without = append(without, Verdict{Instance: i.Name, Reason: selected.Reason})
			continue
		}
		for n, recipient := range selected.Recipients {
			if slices.Contains(selected.Recipients[:n], recipient) {
				continue
			}
			notices = append(notices, messages.NoticeHead{
				ID:       messages.NewNoticeID(a.ID, i.Name, recipient),
				Instance: i.Name, Recipient: recipient, SuppressBy: i.suppressBy(a, recipient),
				Attached: i.Needs.FullScriptLog, Exempt: a.Test, QueuedAt: now,
			})
		}
	}
	return notices, without
}

func (i *Instance) selects(a *messages.Alert, finalState bool) Selection {
	switch {
	case i.Needs.FinalState && !finalState:
		return Nobody("the execution result did not become final in time")
	case i.Select != nil:
		return i.Select(a)
	default:
		return Everyone()
	}
}

// suppressBy survives a function that crashes: it is replaced by the default,
// because a decision must not fail for it again and again.
func (i *Instance) suppressBy(a *messages.Alert, recipient string) (key string) {
	defer func() {
		if recover() != nil {
			key = byTask(a, recipient)
		}
	}()
	if i.SuppressBy == nil {
		return byTask(a, recipient)
	}
	return i.SuppressBy(a, recipient)
}

func byTask(a *messages.Alert, recipient string) string { return a.Event.TaskID + "|" + recipient }

// NeedsOf returns what the instances that will tell somebody of an alert want
// looked up, judged by what is known of it so far. An instance that chooses by
// the app owner counts, because the owner is looked up later.
func (t *Table) NeedsOf(a *messages.Alert) Needs {
	var needs Needs
	for _, i := range t.byKind[a.Kind] {
		if i.Select == nil || i.Needs.Owner || len(i.Select(a).Recipients) > 0 {
			needs = needs.Or(i.Needs)
		}
	}
	return needs
}
