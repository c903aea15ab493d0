package destination

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"butler/internal/qlik"
	"butler/internal/template"
	"butler/messages"
)

// Route sends matching alerts to the destinations that its entries name. Routes are
// evaluated in order; one that matches ends the matching unless it continues.
type Route struct {
	Name     string
	Match    Match
	Continue bool
	// Kinds are the alert kinds that Match.Events names. They must not be changed.
	Kinds []messages.AlertKind
}

// Match is the conditions on an alert. An empty list is no condition; one matching text of
// a list is enough. Texts must match exactly, except for the letter case of node names.
type Match struct {
	// Events are alert kinds or outcomes of any task: failed, aborted or succeeded.
	Events []string
	// TaskTypes are names of qlik.TaskTypes.
	TaskTypes []string
	// Tasks and Apps are IDs, in any letter case, or names.
	Tasks, Apps       []string
	TaskTags, AppTags []string
	// TaskCustomProperties and AppCustomProperties are names with values.
	TaskCustomProperties, AppCustomProperties []messages.Property
	// Streams are names or IDs, in any letter case.
	Streams []string
	// Nodes are host names of Qlik Sense nodes.
	Nodes []string
}

// ReadRoutes reads the section routes.
func ReadRoutes(decode Decode) ([]Route, error) {
	var routes []Route
	if err := decode("routes", &routes); err != nil {
		return nil, fmt.Errorf("read section routes: %w", err)
	}
	for i := range routes {
		routes[i].Kinds = routes[i].Match.kinds()
	}
	return routes, nil
}

var routeName = regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]{0,59}$`)

// CheckRoutes lists the problems of the routes themselves, and warns of those that
// tell nobody. The destinations check the entries of the routes.
func CheckRoutes(decode Decode, destinations ...Definition) (Problems, error) {
	routes, err := ReadRoutes(decode)
	if err != nil {
		return nil, err
	}
	entries, err := countEntries(decode, routes, destinations)
	if err != nil {
		return nil, err
	}
	p := mistakes(routes)
	before := map[messages.AlertKind]string{}
	for i, r := range routes {
		r.warn(&p, fmt.Sprintf("routes[%d]", i), entries[i], before)
	}
	return p, nil
}

// countEntries returns the number of entries of each route, for all destinations together.
func countEntries(decode Decode, routes []Route, destinations []Definition) ([]int, error) {
	entries := make([]int, len(routes))
	for _, d := range destinations {
		listed, err := d.listed(decode)
		if err != nil {
			return nil, err
		}
		for i, count := range listed[:min(len(listed), len(entries))] {
			entries[i] += count
		}
	}
	return entries, nil
}

// Silencing returns the names of the routes that end the matching and have no
// destination, so that nobody gets the alerts they match.
func Silencing(decode Decode, destinations ...Definition) ([]string, error) {
	routes, err := ReadRoutes(decode)
	if err != nil {
		return nil, err
	}
	entries, err := countEntries(decode, routes, destinations)
	var out []string
	for i, r := range routes {
		if err == nil && entries[i] == 0 && !r.Continue {
			out = append(out, r.Name)
		}
	}
	return out, err
}

// warn warns of a route that has no effect, that silences everything, or that no alert reaches.
// ended maps each kind whose alerts all end at an earlier route to the name of that route.
func (r Route) warn(p *Problems, at string, entries int, ended map[messages.AlertKind]string) {
	everything := len(r.Match.conditions()) == 0
	taken := func(k messages.AlertKind) bool { return ended[k] != "" }
	switch {
	case len(r.Kinds) > 0 && !slices.ContainsFunc(r.Kinds, func(k messages.AlertKind) bool { return !taken(k) }):
		p.Warn(at, fmt.Sprintf("gets no alert: route %q takes them all and does not continue", ended[r.Kinds[0]]), "move it up, or say more below match of the other")
	case entries == 0 && r.Continue:
		p.Warn(at, "changes nothing: it has no destination and continues", "name a destination, or leave the route out")
	case entries == 0 && everything && len(r.Match.Events) == 0:
		p.Warn(at, "keeps every alert from everybody: it matches all and has no destination", "name a destination, or say below match what it is to silence")
	}
	if !everything || r.Continue {
		return
	}
	for _, k := range r.Kinds {
		if !taken(k) {
			ended[k] = r.Name
		}
	}
}

// mistakes lists the problems that keep routes from working.
func mistakes(routes []Route) Problems {
	var p Problems
	for i, r := range routes {
		at := fmt.Sprintf("routes[%d]", i)
		if !routeName.MatchString(r.Name) {
			p.Wrong(at+".name", "is not a valid route name", "use 1 to 60 letters, digits, spaces, dots, dashes and underscores")
		}
		same := func(o Route) bool { return strings.EqualFold(o.Name, r.Name) }
		if slices.IndexFunc(routes, same) < i {
			p.Wrong(at+".name", "is also the name of an earlier route", "give every route a different name")
		}
		for n, event := range r.Match.Events {
			if len(kindsOf(event)) == 0 {
				p.Wrong(fmt.Sprintf("%s.match.events[%d]", at, n), "is not an event", "use failed, aborted, succeeded, or one of "+kindList())
			}
		}
		for n, name := range r.Match.TaskTypes {
			if !slices.ContainsFunc(qlik.TaskTypes(), func(t qlik.TaskType) bool { return t.String() == name }) {
				p.Wrong(fmt.Sprintf("%s.match.taskTypes[%d]", at, n), "is not a task type", "use one of "+typeList())
			}
		}
	}
	return p
}

func kindList() string {
	var names []string
	for _, k := range messages.AllKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func typeList() string {
	var names []string
	for _, t := range qlik.TaskTypes() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// kindsOf returns the alert kinds that an event of a match denotes.
func kindsOf(event string) []messages.AlertKind {
	if slices.Contains(messages.AllKinds(), messages.AlertKind(event)) {
		return []messages.AlertKind{messages.AlertKind(event)}
	}
	var out []messages.AlertKind
	for _, k := range messages.TaskKinds() {
		if string(template.OutcomeOf(k)) == event {
			out = append(out, k)
		}
	}
	return out
}

// kinds returns the alert kinds that can match: without named events, all except readings.
func (m Match) kinds() []messages.AlertKind {
	if len(m.Events) == 0 {
		return slices.DeleteFunc(messages.AllKinds(), messages.AlertKind.Reading)
	}
	var out []messages.AlertKind
	for _, event := range m.Events {
		for _, k := range kindsOf(event) {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// answer says whether an alert matches; it is unknown if a look-up failed.
type answer uint8

const (
	no answer = iota
	unknown
	yes
)

// fact is a property of alerts that routes can match.
type fact struct {
	// key is the name of the condition in the configuration.
	key    string
	wanted func(Match) []string
	is     func(a *messages.Alert, want string) bool
	// ofTask and ofApp name the look-up it comes from; neither is set if the event has it.
	ofTask, ofApp bool
	// namesApp marks the app, which is in the event or otherwise in the task.
	namesApp bool
}

// facts lists all facts that conditions can use, except the events.
var facts = []fact{
	{
		key: "taskTypes", ofTask: true, wanted: func(m Match) []string { return m.TaskTypes },
		is: func(a *messages.Alert, want string) bool { return a.TaskEvent() && want == a.Task.Type.String() },
	},
	{
		key: "tasks", wanted: func(m Match) []string { return m.Tasks },
		is: func(a *messages.Alert, want string) bool {
			return sameID(want, a.Event.TaskID) || want == a.Event.TaskName
		},
	},
	{
		key: "taskTags", ofTask: true, wanted: func(m Match) []string { return m.TaskTags },
		is: func(a *messages.Alert, want string) bool { return slices.Contains(a.Task.Tags, want) },
	},
	{
		key: "taskCustomProperties", ofTask: true, wanted: func(m Match) []string { return pairs(m.TaskCustomProperties) },
		is: func(a *messages.Alert, want string) bool { return hasPair(a.Task.CustomProperties, want) },
	},
	{
		key: "apps", namesApp: true, wanted: func(m Match) []string { return m.Apps },
		is: func(a *messages.Alert, want string) bool {
			return sameID(want, a.Event.AppID) || want == a.Event.AppName || sameID(want, a.Task.AppID) || want == a.Task.AppName ||
				sameID(want, a.App.ID) || want == a.App.Name
		},
	},
	{
		key: "appTags", ofApp: true, wanted: func(m Match) []string { return m.AppTags },
		is: func(a *messages.Alert, want string) bool { return slices.Contains(a.App.Tags, want) },
	},
	{
		key: "appCustomProperties", ofApp: true, wanted: func(m Match) []string { return pairs(m.AppCustomProperties) },
		is: func(a *messages.Alert, want string) bool { return hasPair(a.App.CustomProperties, want) },
	},
	{
		key: "streams", ofApp: true, wanted: func(m Match) []string { return m.Streams },
		is: func(a *messages.Alert, want string) bool {
			return want == a.App.StreamName || sameID(want, a.App.StreamID)
		},
	},
	{
		key: "nodes", wanted: func(m Match) []string { return m.Nodes },
		is: func(a *messages.Alert, want string) bool {
			return strings.EqualFold(want, a.Event.HostName) || strings.EqualFold(want, a.Service.Host)
		},
	},
}

// sameID compares IDs in any letter case, because people copy them from the QMC and logs.
func sameID(wanted, id string) bool { return strings.EqualFold(wanted, id) }

func pairs(in []messages.Property) []string {
	out := make([]string, 0, len(in))
	for _, p := range in {
		out = append(out, p.Name+"="+p.Value)
	}
	return out
}

func hasPair(in []messages.Property, want string) bool {
	return slices.ContainsFunc(in, func(p messages.Property) bool {
		n := len(p.Name)
		return len(want) == n+1+len(p.Value) && want[:n] == p.Name && want[n] == '=' && want[n+1:] == p.Value
	})
}

// missing reports whether the fact is unknown, because its look-up failed or was not made yet.
func (f fact) missing(a *messages.Alert) bool {
	noTask := a.TaskEvent() && !a.Task.Known
	hasApp := a.Event.AppID != "" || a.Task.AppID != ""
	return f.ofTask && noTask || f.ofApp && !a.App.Known && (hasApp || noTask) || f.namesApp && noTask && a.Event.AppID == ""
}

// condition is a fact with the values that a route accepts.
type condition struct {
	fact
	wants []string
	// mismatch is the reason given for alerts that do not meet the condition.
	mismatch string
}

// conditions returns the conditions of a match, except the kinds.
func (m Match) conditions() []condition {
	var out []condition
	for _, f := range facts {
		wants := slices.DeleteFunc(slices.Clone(f.wanted(m)), func(want string) bool { return want == "" })
		if len(f.wanted(m)) > 0 {
			mismatch := fmt.Sprintf("the route wants match.%s to be %s", f.key, choice(wants))
			out = append(out, condition{fact: f, wants: wants, mismatch: mismatch})
		}
	}
	return out
}

// maxChoice and maxCharacters bound the operator's texts in a reason, which many lines show.
const (
	maxChoice     = 5
	maxCharacters = 60
)

// shortened cuts texts to a length that fits in a sentence.
func shortened(texts []string) []string {
	var out []string
	for _, text := range texts {
		if runes := []rune(text); len(runes) > maxCharacters {
			text = string(runes[:maxCharacters-1]) + "…"
		}
		out = append(out, text)
	}
	return out
}

// choice lists texts as part of a sentence.
func choice(texts []string) string {
	out := shortened(texts[:min(len(texts), maxChoice)])
	if left := len(texts) - maxChoice; left > 0 {
		out = append(out, fmt.Sprintf("one of %d more", left))
	}
	return strings.Join(out, " or ")
}

func (c condition) holds(a *messages.Alert) bool {
	for _, want := range c.wants {
		if c.is(a, want) {
			return true
		}
	}
	return false
}

// compiledRoute is a route in the form that Table uses.
type compiledRoute struct {
	conditions []condition
	continues  bool
	// stopReason is the reason for alerts that this route keeps from later routes.
	stopReason string
}

func (r Route) compile() compiledRoute {
	return compiledRoute{
		conditions: r.Match.conditions(), continues: r.Continue,
		stopReason: fmt.Sprintf("route %q matched before and does not continue", r.Name),
	}
}

// matches reports whether an alert of one of its kinds matches, and if not, why.
func (p compiledRoute) matches(a *messages.Alert) (got answer, why string) {
	got = yes
	for _, c := range p.conditions {
		switch {
		case c.missing(a):
			got = unknown
		case !c.holds(a):
			return no, c.mismatch
		}
	}
	return got, ""
}

// needs returns the look-ups that the conditions need.
func (p compiledRoute) needs() Needs {
	var out Needs
	for _, c := range p.conditions {
		out.Task, out.App = out.Task || c.ofTask || c.namesApp, out.App || c.ofApp
	}
	return out
}
