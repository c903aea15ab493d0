package destination

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/template"
	"butler/messages"
)

// Table is the routing table of one configuration: it determines which instances get
// which alert. Stores come first and get every alert they carry; then come the operator's
// routes, in order; then the instances of the destinations' own sections, unless a route
// has ended the matching. A Table is immutable and safe for concurrent use.
type Table struct {
	built  []Built
	routes []compiledRoute
	// byKind are the candidates for alerts of a kind, byAssumedKind those for alerts
	// whose kind is assumed because the type of their task is unknown.
	byKind, byAssumedKind map[messages.AlertKind]candidates
}

// candidates are the instances and routes that alerts of a kind can go to.
type candidates struct {
	instances []*Instance
	// routes are in the order of the configuration.
	routes []routeEntry
}

// routeEntry is a route among candidates.
type routeEntry struct {
	// route is the number of the route, from 1.
	route int
	// certain means that the route names all kinds that the alert may be of.
	certain bool
}

// NewTable builds the table. It is an error if two instances have the same name.
func NewTable(built []Built, routes []Route) (*Table, error) {
	t := &Table{built: built, byKind: map[messages.AlertKind]candidates{}, byAssumedKind: map[messages.AlertKind]candidates{}}
	seen := map[string]bool{}
	for _, b := range built {
		if seen[b.Instance.Name] {
			return nil, fmt.Errorf("destination instance %q is configured twice", b.Instance.Name)
		}
		seen[b.Instance.Name] = true
	}
	for _, r := range routes {
		t.routes = append(t.routes, r.compile())
	}
	for _, kind := range slices.Concat(messages.AllKinds(), messages.MeasuredKinds()) {
		t.byKind[kind] = candidatesOf(built, routes, kind, []messages.AlertKind{kind})
		t.byAssumedKind[kind] = candidatesOf(built, routes, kind, possibleKinds(kind))
	}
	return t, nil
}

// possibleKinds returns the kinds that an alert of an assumed kind may really be of:
// those with the same outcome.
func possibleKinds(kind messages.AlertKind) []messages.AlertKind {
	return slices.DeleteFunc(messages.TaskKinds(), func(k messages.AlertKind) bool {
		return template.OutcomeOf(k) != template.OutcomeOf(kind)
	})
}

// candidatesOf returns the candidates for alerts that are treated as kind but may be
// any of kinds. Routes match if they name any of kinds; stores and the destinations'
// own sections only if they carry kind. If a failure would then reach nobody, the
// sections for any of kinds are candidates too.
func candidatesOf(built []Built, routes []Route, kind messages.AlertKind, kinds []messages.AlertKind) candidates {
	among := func(k messages.AlertKind) bool { return slices.Contains(kinds, k) }
	var out candidates
	var others []*Instance
	heard := kind != messages.ReloadTaskFailed // the assumed kind of every failure
	for i := range built {
		to := &built[i].Instance
		may := !to.Store && slices.ContainsFunc(to.Kinds, among)
		switch {
		case slices.Contains(to.Kinds, kind) || to.route > 0 && may:
			out.instances = append(out.instances, to)
			heard = heard || !to.Store
		case may:
			others = append(others, to)
		}
	}
	if !heard {
		out.instances = append(out.instances, others...)
	}
	for n, r := range routes {
		named := func(k messages.AlertKind) bool { return slices.Contains(r.Kinds, k) }
		if slices.ContainsFunc(kinds, named) {
			out.routes = append(out.routes, routeEntry{route: n + 1, certain: !slices.ContainsFunc(kinds, func(k messages.AlertKind) bool { return !named(k) })})
		}
	}
	return out
}

// candidatesFor returns the candidates for an alert. If its task is unknown, the
// alert is treated as that of a reload task but may be of any other type; only events
// of distribute tasks name their type.
func (t *Table) candidatesFor(a *messages.Alert) candidates {
	if a.TaskEvent() && !a.Task.Known && a.Event.Family != messages.FamilyDistribute {
		return t.byAssumedKind[a.Kind]
	}
	return t.byKind[a.Kind]
}

// Built lists all instances with their destinations, in configuration order.
func (t *Table) Built() []Built { return t.built }

// Close closes the connections that destinations keep between attempts.
func (t *Table) Close() {
	var ending sync.WaitGroup
	for _, b := range t.built {
		if c, ok := b.Destination.(Closer); ok {
			ending.Go(c.Close)
		}
	}
	ending.Wait()
}

// Carries reports whether there is any candidate for an alert.
func (t *Table) Carries(a *messages.Alert) bool { return len(t.candidatesFor(a).instances) > 0 }

// Omission says why an alert does not go to an instance, or not to all its recipients.
type Omission struct {
	Instance string
	// Reason says why nobody is notified; "" if only the recipients in LeftOut are not.
	Reason  string
	LeftOut []LeftOut
}

// maxOmissions bounds the omissions in one log line.
const maxOmissions = 30

// AppendFields appends the first omissions, and the number of the others, to the
// fields of a log line.
func AppendFields(fields []zap.Field, without []Omission) []zap.Field {
	for _, o := range without[:min(len(without), maxOmissions)] {
		fields = append(fields, zap.String("not_"+o.Instance, o.Summary()))
	}
	if left := len(without) - maxOmissions; left > 0 {
		fields = append(fields, zap.Int("not_others", left))
	}
	return fields
}

// Summary is the text of the omission for the log. It has the number of recipients
// left out, not their names.
func (o Omission) Summary() string {
	return o.text(func(recipients []string) string {
		if len(recipients) == 1 {
			return "1 recipient is left out"
		}
		return fmt.Sprintf("%d recipients are left out", len(recipients))
	})
}

// Names is the text of the omission for butler explain, with the names of the recipients left out.
func (o Omission) Names() string {
	return o.text(func(recipients []string) string {
		shown := shortened(recipients[:min(len(recipients), maxNames)])
		if left := len(recipients) - maxNames; left > 0 {
			shown = append(shown, fmt.Sprintf("%d more", left))
		}
		return strings.Join(shown, ", ")
	})
}

// maxNames bounds the names in an omission.
const maxNames = 4

func (o Omission) text(who func(recipients []string) string) string {
	if len(o.LeftOut) == 0 {
		return o.Reason
	}
	parts := make([]string, 0, len(o.LeftOut))
	for _, l := range o.LeftOut {
		if len(l.Recipients) == 0 {
			parts = append(parts, l.Reason)
			continue
		}
		parts = append(parts, who(l.Recipients)+": "+l.Reason)
	}
	return strings.Join(parts, "; ")
}

// Route returns the notices of an alert, and an omission for every candidate that gets
// none or leaves recipients out. finalState reports that the execution result is
// final; otherwise instances that need it get no notice.
func (t *Table) Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []Omission) {
	instances, without := t.reached(a)
	notices := make([]messages.NoticeHead, 0, len(instances))
	for _, i := range instances {
		selected := i.selectFor(a, finalState)
		if len(selected.Recipients) == 0 {
			without = append(without, Omission{Instance: i.Name, Reason: selected.Reason})
			continue
		}
		if len(selected.LeftOut) > 0 {
			without = append(without, Omission{Instance: i.Name, LeftOut: selected.LeftOut})
		}
		for n, recipient := range selected.Recipients {
			if slices.Contains(selected.Recipients[:n], recipient) {
				continue
			}
			notices = append(notices, messages.NoticeHead{
				ID:       messages.NewNoticeID(a.ID, i.Name, recipient),
				Instance: i.Name, Recipient: recipient, SuppressBy: i.suppressBy(a, recipient),
				Attached: i.Needs.FullScriptLog, Exempt: a.Test, QueuedAt: now, Expires: expires(a, now),
			})
		}
	}
	return notices, without
}

// reached returns the candidates that the routes let an alert go to, and an omission
// for each of the others. A route that cannot be evaluated because a look-up failed
// counts as a match but does not end the matching: better one alert too many than none.
func (t *Table) reached(a *messages.Alert) (reached []*Instance, without []Omission) {
	found := t.candidatesFor(a)
	if len(found.routes) == 0 {
		return found.instances, nil
	}
	reasons := make([]string, len(t.routes)+1) // indexed by route number
	end := ""
	for _, entry := range found.routes {
		if end != "" {
			reasons[entry.route] = end
			continue
		}
		route := t.routes[entry.route-1]
		got, why := route.matches(a)
		reasons[entry.route] = why
		if got == yes && entry.certain && !route.continues {
			end = route.stopReason
		}
	}
	reasons[0] = end
	for _, i := range found.instances {
		if reason := reasons[i.route]; reason != "" && (!i.Store || i.route > 0) {
			without = append(without, Omission{Instance: i.Name, Reason: reason})
			continue
		}
		reached = append(reached, i)
	}
	return reached, without
}

// selectFor returns the recipients. Select comes before the check of the final state,
// because nothing waited for that state if Select excludes the alert.
func (i *Instance) selectFor(a *messages.Alert, finalState bool) Selection {
	selected := Everyone()
	if i.Select != nil {
		selected = i.Select(a)
	}
	if i.Needs.FinalState && !finalState && len(selected.Recipients) > 0 {
		return Nobody("the execution result did not become final in time")
	}
	return selected
}

// suppressBy returns the suppression key. It contains the kind if the instance
// carries several kinds, so that a start is not held back by the stop before it.
func (i *Instance) suppressBy(a *messages.Alert, recipient string) string {
	key := a.Subject() + "|" + recipient
	if len(i.Kinds) > 1 {
		key = string(a.Kind) + "|" + key
	}
	return key
}

// NeedsOf returns the needs of the instances that will have notices of an alert, as
// far as is known now. An instance that needs the app owner always counts, because
// its recipients may depend on the owner.
func (t *Table) NeedsOf(a *messages.Alert) Needs {
	var needs Needs
	instances, _ := t.reached(a)
	for _, i := range instances {
		if i.Select == nil || i.Needs.Owner || len(i.Select(a).Recipients) > 0 {
			needs = needs.Or(i.Needs)
		}
	}
	for _, entry := range t.candidatesFor(a).routes {
		needs = needs.Or(t.routes[entry.route-1].needs())
	}
	return needs
}
