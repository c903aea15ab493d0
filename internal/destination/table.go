package destination

import (
	"fmt"
	"slices"
	"time"

	"butler/messages"
)

// Table is the routing table of one configuration: which instances are told of
// which alert. Stores come first and get every alert they carry; then the
// operator's routes, in order; then the instances of the destinations' own
// sections, unless a route has ended the matching. It is immutable and safe for
// concurrent use.
type Table struct {
	built  []Built
	paths  []path
	byKind map[messages.AlertKind][]*Instance
	needs  map[messages.AlertKind]Needs
	// routes are the numbers of the routes that a kind may take, from 1, in order.
	routes map[messages.AlertKind][]int
}

// NewTable builds the table. Two instances of one name are an error.
func NewTable(built []Built, routes []Route) (*Table, error) {
	t := &Table{
		built: built, byKind: map[messages.AlertKind][]*Instance{}, needs: map[messages.AlertKind]Needs{},
		routes: map[messages.AlertKind][]int{},
	}
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
	for n, r := range routes {
		t.paths = append(t.paths, r.path())
		for _, kind := range r.Kinds {
			if t.Carries(kind) {
				t.routes[kind] = append(t.routes[kind], n+1)
				t.needs[kind] = t.needs[kind].Or(t.paths[n].needs())
			}
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
	instances, without := t.reached(a)
	notices := make([]messages.NoticeHead, 0, len(instances))
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
				Attached: i.Needs.FullScriptLog, Exempt: a.Test, QueuedAt: now, Expires: i.expires(a, now),
			})
		}
	}
	return notices, without
}

// reached returns the instances that the routes lead an alert to, and why they do
// not lead to the others that carry its kind. A route whose conditions cannot be
// judged, because a look-up failed, tells its own and ends nothing: an alert is
// rather told twice than to nobody.
func (t *Table) reached(a *messages.Alert) (reached []*Instance, without []Verdict) {
	instances, routes := t.byKind[a.Kind], t.routes[a.Kind]
	if len(routes) == 0 {
		return instances, nil
	}
	reasons := make([]string, len(t.paths)+1) // by number of the route
	end := ""
	for _, n := range routes {
		if end != "" {
			reasons[n] = end
			continue
		}
		got, why := t.paths[n-1].matches(a)
		reasons[n] = why
		if got == yes && !t.paths[n-1].continues {
			end = t.paths[n-1].before
		}
	}
	reasons[0] = end
	for _, i := range instances {
		if reason := reasons[i.route]; reason != "" && (!i.Store || i.route > 0) {
			without = append(without, Verdict{Instance: i.Name, Reason: reason})
			continue
		}
		reached = append(reached, i)
	}
	return reached, without
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

// suppressBy is what the window counts by. Events are counted apart: a start is
// not held back by the stop before it.
func (i *Instance) suppressBy(a *messages.Alert, recipient string) string {
	key := a.Subject() + "|" + recipient
	if len(i.Kinds) > 1 {
		key = string(a.Kind) + "|" + key
	}
	return key
}

// NeedsOf returns what the instances that will tell somebody of an alert want
// looked up, judged by what is known of it so far. An instance that chooses by
// the app owner counts, because the owner is looked up later.
func (t *Table) NeedsOf(a *messages.Alert) Needs {
	var needs Needs
	instances, _ := t.reached(a)
	for _, i := range instances {
		if i.Select == nil || i.Needs.Owner || len(i.Select(a).Recipients) > 0 {
			needs = needs.Or(i.Needs)
		}
	}
	for _, n := range t.routes[a.Kind] {
		needs = needs.Or(t.paths[n-1].needs())
	}
	return needs
}
