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

// Table is the routing table of one configuration: which instances are told of
// which alert. Stores come first and get every alert they carry; then the
// operator's routes, in order; then the instances of the destinations' own
// sections, unless a route has ended the matching. It is immutable and safe for
// concurrent use.
type Table struct {
	built []Built
	paths []path
	// ways are the ways of the alerts of a kind; guesses those of alerts that only
	// count as one of the kind.
	ways, guesses map[messages.AlertKind]ways
}

// ways is where alerts can go.
type ways struct {
	instances []*Instance
	// routes are those that the alerts may take, in order.
	routes []turn
}

// turn is a route that an alert may take.
type turn struct {
	// route is its number, from 1.
	route int
	// sure says that the event of the alert is one of the route's.
	sure bool
}

// NewTable builds the table. Two instances of one name are an error.
func NewTable(built []Built, routes []Route) (*Table, error) {
	t := &Table{built: built, ways: map[messages.AlertKind]ways{}, guesses: map[messages.AlertKind]ways{}}
	seen := map[string]bool{}
	for _, b := range built {
		if seen[b.Instance.Name] {
			return nil, fmt.Errorf("destination instance %q is configured twice", b.Instance.Name)
		}
		seen[b.Instance.Name] = true
	}
	for _, r := range routes {
		t.paths = append(t.paths, r.path())
	}
	for _, kind := range slices.Concat(messages.AllKinds(), messages.MeasuredKinds()) {
		t.ways[kind] = waysOf(built, routes, kind, []messages.AlertKind{kind})
		t.guesses[kind] = waysOf(built, routes, kind, mayBe(kind))
	}
	return t, nil
}

// mayBe returns the kinds of which an alert may be that counts as one of kind
// because the type of its task is not known.
func mayBe(kind messages.AlertKind) []messages.AlertKind {
	return slices.DeleteFunc(messages.TaskKinds(), func(k messages.AlertKind) bool {
		return template.OutcomeOf(k) != template.OutcomeOf(kind)
	})
}

// waysOf returns where alerts can go that count as one of kind and may be of
// any of kinds. Only routes go by what an alert may be: the sections of the
// destinations and the stores take it for what it counts as. But a failure of
// which nobody would hear goes to the sections for what it may be, too.
func waysOf(built []Built, routes []Route, kind messages.AlertKind, kinds []messages.AlertKind) ways {
	among := func(k messages.AlertKind) bool { return slices.Contains(kinds, k) }
	var out ways
	var others []*Instance
	heard := kind != messages.ReloadTaskFailed // as which every such failure counts
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
			out.routes = append(out.routes, turn{route: n + 1, sure: !slices.ContainsFunc(kinds, func(k messages.AlertKind) bool { return !named(k) })})
		}
	}
	return out
}

// of returns where an alert can go. An event of which the task is not known
// counts as that of a reload, and may be that of any type of a task; only what
// tells of distribute tasks says so.
func (t *Table) of(a *messages.Alert) ways {
	if a.TaskEvent() && !a.Task.Known && a.Event.Family != messages.FamilyDistribute {
		return t.guesses[a.Kind]
	}
	return t.ways[a.Kind]
}

// Built lists every instance with its destination, in the order of configuration.
func (t *Table) Built() []Built { return t.built }

// Close ends the connections that destinations keep between attempts.
func (t *Table) Close() {
	var ending sync.WaitGroup
	for _, b := range t.built {
		if c, ok := b.Destination.(Closer); ok {
			ending.Go(c.Close)
		}
	}
	ending.Wait()
}

// Carries reports whether any instance carries what an alert is, or may be.
func (t *Table) Carries(a *messages.Alert) bool { return len(t.of(a).instances) > 0 }

// Verdict says of one instance why an alert does not go through it, or not to everybody.
type Verdict struct {
	Instance string
	// Reason says why nobody is told; "" where others are told than those who are left out.
	Reason  string
	LeftOut []LeftOut
}

// maxVerdicts bounds what one line says of those who are not told.
const maxVerdicts = 30

// AppendFields adds to the fields of a log line why the first of those who are
// not told are not, and how many others there are.
func AppendFields(fields []zap.Field, without []Verdict) []zap.Field {
	for _, v := range without[:min(len(without), maxVerdicts)] {
		fields = append(fields, zap.String("not_"+v.Instance, v.Summary()))
	}
	if left := len(without) - maxVerdicts; left > 0 {
		fields = append(fields, zap.Int("not_others", left))
	}
	return fields
}

// Summary words the verdict for the log, which tells how many are left out and not who.
func (v Verdict) Summary() string {
	return v.text(func(recipients []string) string {
		if len(recipients) == 1 {
			return "1 recipient is left out"
		}
		return fmt.Sprintf("%d recipients are left out", len(recipients))
	})
}

// Names words the verdict for the operator who asks, with those who are left out.
func (v Verdict) Names() string {
	return v.text(func(recipients []string) string {
		shown := shortened(recipients[:min(len(recipients), maxNames)])
		if left := len(recipients) - maxNames; left > 0 {
			shown = append(shown, fmt.Sprintf("%d more", left))
		}
		return strings.Join(shown, ", ")
	})
}

// maxNames bounds the recipients in a verdict, which has a reason to tell, too.
const maxNames = 4

func (v Verdict) text(who func(recipients []string) string) string {
	if len(v.LeftOut) == 0 {
		return v.Reason
	}
	parts := make([]string, 0, len(v.LeftOut))
	for _, l := range v.LeftOut {
		if len(l.Recipients) == 0 {
			parts = append(parts, l.Reason)
			continue
		}
		parts = append(parts, who(l.Recipients)+": "+l.Reason)
	}
	return strings.Join(parts, "; ")
}

// Route returns the notices of an alert, and why other instances have none, or leave somebody out.
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
		if len(selected.LeftOut) > 0 {
			without = append(without, Verdict{Instance: i.Name, LeftOut: selected.LeftOut})
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

// reached returns the instances that the routes lead an alert to, and why they do
// not lead to the others that carry its kind. A route that cannot be judged,
// because a look-up failed, tells its own and ends nothing: an alert is rather
// told twice than to nobody.
func (t *Table) reached(a *messages.Alert) (reached []*Instance, without []Verdict) {
	ways := t.of(a)
	if len(ways.routes) == 0 {
		return ways.instances, nil
	}
	reasons := make([]string, len(t.paths)+1) // by number of the route
	end := ""
	for _, turn := range ways.routes {
		if end != "" {
			reasons[turn.route] = end
			continue
		}
		path := t.paths[turn.route-1]
		got, why := path.matches(a)
		reasons[turn.route] = why
		if got == yes && turn.sure && !path.continues {
			end = path.before
		}
	}
	reasons[0] = end
	for _, i := range ways.instances {
		if reason := reasons[i.route]; reason != "" && (!i.Store || i.route > 0) {
			without = append(without, Verdict{Instance: i.Name, Reason: reason})
			continue
		}
		reached = append(reached, i)
	}
	return reached, without
}

// selects says who is told. An instance that wants nothing of the alert comes
// before one that does not get it in time: for the former nobody has waited.
func (i *Instance) selects(a *messages.Alert, finalState bool) Selection {
	selected := Everyone()
	if i.Select != nil {
		selected = i.Select(a)
	}
	if i.Needs.FinalState && !finalState && len(selected.Recipients) > 0 {
		return Nobody("the execution result did not become final in time")
	}
	return selected
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
	for _, turn := range t.of(a).routes {
		needs = needs.Or(t.paths[turn.route-1].needs())
	}
	return needs
}
