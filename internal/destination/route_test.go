package destination_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/messages"
)

// daily is the alert that the rows of the tests below look at.
func daily() messages.Alert {
	return messages.Alert{
		ID: "alert", Kind: failed,
		Event: messages.TaskEvent{TaskID: "t-1", TaskName: "Daily", AppID: "a-1", AppName: "Sales", HostName: "node1"},
		Task: messages.Task{
			Known: true, Type: qlik.TaskReload, Tags: []string{"night", "Finance"},
			CustomProperties: []messages.Property{{Name: "team", Value: "BI"}, {Name: "tier", Value: "1"}},
		},
		App: messages.App{
			Known: true, ID: "a-1", StreamName: "Everyone", StreamID: "s-1", Tags: []string{"gold"},
			CustomProperties: []messages.Property{{Name: "owner", Value: "Bo"}},
		},
	}
}

// routed builds a table of one instance per route, called after it, and "section".
func routed(t *testing.T, routes ...destination.Route) *destination.Table {
	t.Helper()
	var entries [][]string
	for range routes {
		entries = append(entries, []string{"x"})
	}
	decode := configured(sampleSection{Names: []string{"section"}}, routes, entries...)
	built, err := destination.Define("sample", sampleSpec()).Build(decode, nopDeps())
	if err != nil {
		t.Fatal(err)
	}
	built = append(built, destination.Built{Instance: destination.Instance{Name: "store", Kinds: messages.AllKinds(), Store: true}})
	read, err := destination.ReadRoutes(decode)
	if err != nil {
		t.Fatal(err)
	}
	table, err := destination.NewTable(built, read)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// told lists the instances that are told, in order.
func told(table *destination.Table, a messages.Alert) []string {
	notices, _ := table.Route(&a, true, now)
	var out []string
	for _, n := range notices {
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(n.Instance, "sample/"), "routes/"))
	}
	return out
}

func TestRoute_theFirstThatMatchesCountsUnlessItContinues(t *testing.T) {
	night := destination.Match{TaskTags: []string{"night"}}
	day := destination.Match{TaskTags: []string{"day"}}
	for name, row := range map[string]struct {
		routes []destination.Route
		want   []string
	}{
		"none matches":                  {[]destination.Route{{Name: "a", Match: day}}, []string{"section", "store"}},
		"the first ends the matching":   {[]destination.Route{{Name: "a", Match: night}, {Name: "b"}}, []string{"a", "store"}},
		"the first continues":           {[]destination.Route{{Name: "a", Match: night, Continue: true}, {Name: "b"}, {Name: "c"}}, []string{"a", "b", "store"}},
		"all continue":                  {[]destination.Route{{Name: "a", Continue: true}, {Name: "b", Continue: true}}, []string{"section", "a", "b", "store"}},
		"another event ends nothing":    {[]destination.Route{{Name: "a", Match: destination.Match{Events: []string{"succeeded"}}}}, []string{"section", "store"}},
		"a later one does not undo it":  {[]destination.Route{{Name: "a", Match: night}, {Name: "b", Match: night, Continue: true}}, []string{"a", "store"}},
		"stores are never out of reach": {[]destination.Route{{Name: "a"}}, []string{"a", "store"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, told(routed(t, row.routes...), daily())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoute_matchesOnWhatItNames(t *testing.T) {
	pair := func(name, value string) []messages.Property { return []messages.Property{{Name: name, Value: value}} }
	rows := map[string]struct {
		match destination.Match
		want  bool
	}{
		"nothing":                   {destination.Match{}, true},
		"event":                     {destination.Match{Events: []string{"reload_task_failed"}}, true},
		"outcome":                   {destination.Match{Events: []string{"aborted", "failed"}}, true},
		"other event":               {destination.Match{Events: []string{"reload_task_aborted"}}, false},
		"task type":                 {destination.Match{TaskTypes: []string{"reload"}}, true},
		"other task type":           {destination.Match{TaskTypes: []string{"distribute", "preload"}}, false},
		"task by name":              {destination.Match{Tasks: []string{"Daily"}}, true},
		"task by ID":                {destination.Match{Tasks: []string{"t-0", "t-1"}}, true},
		"task by ID in capitals":    {destination.Match{Tasks: []string{"T-1"}}, true},
		"other task":                {destination.Match{Tasks: []string{"daily"}}, false},
		"task tag":                  {destination.Match{TaskTags: []string{"x", "Finance"}}, true},
		"task tag is exact":         {destination.Match{TaskTags: []string{"finance"}}, false},
		"app":                       {destination.Match{Apps: []string{"Sales"}}, true},
		"app tag":                   {destination.Match{AppTags: []string{"gold"}}, true},
		"other app tag":             {destination.Match{AppTags: []string{"night"}}, false},
		"task property":             {destination.Match{TaskCustomProperties: pair("team", "BI")}, true},
		"the value of another":      {destination.Match{TaskCustomProperties: pair("team", "1")}, false},
		"app property":              {destination.Match{AppCustomProperties: pair("owner", "Bo")}, true},
		"stream by name":            {destination.Match{Streams: []string{"Everyone"}}, true},
		"stream by ID":              {destination.Match{Streams: []string{"s-1"}}, true},
		"stream by ID in capitals":  {destination.Match{Streams: []string{"S-1"}}, true},
		"stream name is exact":      {destination.Match{Streams: []string{"everyone"}}, false},
		"node in any letter case":   {destination.Match{Nodes: []string{"NODE1"}}, true},
		"other node":                {destination.Match{Nodes: []string{"node2"}}, false},
		"all conditions hold":       {destination.Match{TaskTags: []string{"night"}, Nodes: []string{"node1"}}, true},
		"one condition of two":      {destination.Match{TaskTags: []string{"night"}, Nodes: []string{"node2"}}, false},
		"an empty text is no match": {destination.Match{Nodes: []string{""}}, false},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			a := daily()
			table := routed(t, destination.Route{Name: "a", Match: row.match})
			got := told(table, a)[0] == "a"
			if got != row.want {
				t.Errorf("matches: %t, want %t", got, row.want)
			}
			notices, without := table.Route(&a, true, now)
			if len(notices)+len(without) != 3 && row.match.Events == nil {
				t.Errorf("want all three instances accounted for, got %v and %v", notices, without)
			}
		})
	}
}

func TestRoute_saysWhyARouteIsNotTaken(t *testing.T) {
	a := daily()
	_, without := routed(t,
		destination.Route{Name: "a", Match: destination.Match{TaskTags: []string{"day", "noon"}}},
		destination.Route{Name: "b"},
	).Route(&a, true, now)
	want := []destination.Omission{
		{Instance: "sample/section", Reason: `route "b" matched before and does not continue`},
		{Instance: "sample/routes/a", Reason: "the route wants match.taskTags to be day or noon"},
	}
	if diff := cmp.Diff(want, without); diff != "" {
		t.Error(diff)
	}
}

func TestRoute_keepsItsReasonShort(t *testing.T) {
	a, tasks := daily(), make([]string, 1000)
	for i := range tasks {
		tasks[i] = strings.Repeat("é", 100)
	}
	_, without := routed(t, destination.Route{Name: "a", Match: destination.Match{Tasks: tasks}}).Route(&a, true, now)
	cut := strings.Repeat("é", 59) + "…"
	want := "the route wants match.tasks to be " + strings.Repeat(cut+" or ", 5) + "one of 995 more"
	if len(without) != 1 || without[0].Reason != want {
		t.Errorf("want %q, got %v", want, without)
	}
}

// An alert is rather told twice than to nobody.
func TestRoute_tellsAndEndsNothingWhileItCannotBeJudged(t *testing.T) {
	for name, row := range map[string]struct {
		match destination.Match
		alter func(*messages.Alert)
		want  []string
	}{
		"the task is not known": {
			destination.Match{TaskTags: []string{"day"}},
			func(a *messages.Alert) { a.Task = messages.Task{} },
			[]string{"section", "a", "store"},
		},
		"the app is not known": {
			destination.Match{Streams: []string{"Nobody"}},
			func(a *messages.Alert) { a.App = messages.App{} },
			[]string{"section", "a", "store"},
		},
		"there is no app": {
			destination.Match{Streams: []string{"Everyone"}},
			func(a *messages.Alert) { a.App, a.Event.AppID = messages.App{}, "" },
			[]string{"section", "store"},
		},
		"nobody knows whether there is an app": {
			destination.Match{Streams: []string{"Everyone"}},
			func(a *messages.Alert) { a.App, a.Event.AppID, a.Task = messages.App{}, "", messages.Task{} },
			[]string{"section", "a", "store"},
		},
		"the event does not name the app": {
			destination.Match{Apps: []string{"Budget"}},
			func(a *messages.Alert) {
				a.App, a.Event.AppID, a.Event.AppName, a.Task = messages.App{}, "", "", messages.Task{}
			},
			[]string{"section", "a", "store"},
		},
		"the event names another app": {
			destination.Match{Apps: []string{"Budget"}},
			func(a *messages.Alert) { a.App, a.Task = messages.App{}, messages.Task{} },
			[]string{"section", "store"},
		},
		"another condition fails": {
			destination.Match{Streams: []string{"Everyone"}, Nodes: []string{"node2"}},
			func(a *messages.Alert) { a.App = messages.App{} },
			[]string{"section", "store"},
		},
		"what is monitored has no task": {
			destination.Match{TaskTags: []string{"night"}},
			func(a *messages.Alert) {
				*a = messages.Alert{Kind: messages.ServiceStopped, Service: messages.Service{Host: "node1"}}
			},
			[]string{"store"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := daily()
			row.alter(&a)
			if diff := cmp.Diff(row.want, told(routed(t, destination.Route{Name: "a", Match: row.match}), a)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Without its task, a failure counts as that of a reload and may be any.
func TestRoute_tellsOfEveryEventThatItMayBe(t *testing.T) {
	on := func(events ...string) destination.Match { return destination.Match{Events: events} }
	unknown := daily()
	unknown.Task = messages.Task{}
	distribute := unknown
	distribute.Kind, distribute.Event.Family = messages.DistributeTaskFailed, messages.FamilyDistribute
	for name, row := range map[string]struct {
		alert  messages.Alert
		events destination.Match
		want   []string
	}{
		"a type of task is told, and ends nothing": {unknown, on("user_sync_task_failed"), []string{"section", "a", "store"}},
		"a reload ends nothing either":             {unknown, on("reload_task_failed"), []string{"section", "a", "store"}},
		"all types end the search":                 {unknown, on("failed"), []string{"a", "store"}},
		"another outcome is not notified":          {unknown, on("user_sync_task_succeeded"), []string{"section", "store"}},
		"a known type is no other":                 {daily(), on("user_sync_task_failed"), []string{"section", "store"}},
		"only reloads are aborted":                 {messages.Alert{Kind: messages.ReloadTaskAborted}, on("aborted"), []string{"a", "store"}},
		"a distribute task says so":                {distribute, on("distribute_task_failed"), []string{"a", "store"}},
		"and is no user sync":                      {distribute, on("user_sync_task_failed"), []string{"store"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, told(routed(t, destination.Route{Name: "a", Match: row.events}), row.alert)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTable_carriesWhatAnEventMayBe(t *testing.T) {
	routes := []destination.Route{{Name: "a", Match: destination.Match{Events: []string{"user_sync_task_failed"}}}}
	decode := configured(sampleSection{}, routes, []string{"x"})
	built, err := destination.Define("sample", sampleSpec()).Build(decode, nopDeps())
	if err != nil {
		t.Fatal(err)
	}
	table, err := destination.NewTable(built, routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{false, true} {
		if got := table.Carries(&messages.Alert{Kind: failed, Task: messages.Task{Known: known}}); got == known {
			t.Errorf("task known is %t: carried is %t", known, got)
		}
	}
}

func TestNeedsOf_hasWhatTheConditionsLookAt(t *testing.T) {
	table := routed(t, destination.Route{Name: "a", Match: destination.Match{Streams: []string{"Everyone"}}})
	a := daily()
	a.App = messages.App{}
	if got := table.NeedsOf(&a); !got.App || got.Task {
		t.Errorf("want the app alone, got %+v", got)
	}
}

func TestCheckRoutes_listsEveryMistake(t *testing.T) {
	got, err := destination.CheckRoutes(configured(sampleSection{}, []destination.Route{
		{Name: "night", Match: destination.Match{Events: []string{"failed", "reload_failed"}, TaskTypes: []string{"Reload"}}},
		{Name: "Night"},
		{Name: "a/b"},
	}))
	var paths []string
	for _, p := range got {
		if !p.Warning {
			paths = append(paths, p.Path)
		}
	}
	want := []string{"routes[0].match.events[1]", "routes[0].match.taskTypes[0]", "routes[1].name", "routes[2].name"}
	if diff := cmp.Diff(want, paths); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestCheckRoutes_warnsOfRoutesThatTellNobody(t *testing.T) {
	night, failures := destination.Match{TaskTags: []string{"night"}}, destination.Match{Events: []string{"failed"}}
	syncs := destination.Match{Events: []string{"user_sync_task_failed"}}
	for name, row := range map[string]struct {
		routes  []destination.Route
		entries []string // of each route
		want    []string
	}{
		"everything is silenced": {[]destination.Route{{Name: "a"}}, nil, []string{"routes[0]: keeps every alert from everybody"}},
		"something is silenced":  {[]destination.Route{{Name: "a", Match: night}, {Name: "b", Match: failures}}, nil, nil},
		"nothing is changed":     {[]destination.Route{{Name: "a", Continue: true}}, nil, []string{"routes[0]: changes nothing"}},
		"what follows the end":   {[]destination.Route{{Name: "a"}, {Name: "b", Match: night}}, []string{"x"}, []string{`routes[1]: gets no alert: route "a" takes them all`}},
		"what follows the end of an event": {
			[]destination.Route{{Name: "a", Match: failures}, {Name: "b", Match: syncs}, {Name: "c", Match: night}},
			[]string{"x"},
			[]string{`routes[1]: gets no alert: route "a"`},
		},
		"what follows two ends": {
			[]destination.Route{{Name: "a", Match: syncs}, {Name: "b", Match: failures}, {Name: "c", Match: failures}},
			[]string{"x"},
			[]string{"routes[2]: gets no alert"},
		},
		"a condition leaves some":    {[]destination.Route{{Name: "a", Match: night}, {Name: "b", Match: night}}, []string{"x"}, nil},
		"one that continues":         {[]destination.Route{{Name: "a", Continue: true}, {Name: "b"}}, []string{"x"}, nil},
		"readings have to be named":  {[]destination.Route{{Name: "a"}, {Name: "b", Match: destination.Match{Events: []string{"server_license_status"}}}}, []string{"x"}, nil},
		"an event that is none told": {[]destination.Route{{Name: "a"}, {Name: "b", Match: destination.Match{Events: []string{"x"}}}}, []string{"x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var entries [][]string
			for range row.routes {
				entries = append(entries, row.entries)
			}
			got, err := destination.CheckRoutes(configured(sampleSection{}, row.routes, entries...), destination.Define("sample", sampleSpec()))
			if err != nil {
				t.Fatal(err)
			}
			var warned []string
			for _, p := range got {
				if p.Warning {
					warned = append(warned, p.Error())
				}
			}
			if len(warned) != len(row.want) {
				t.Fatalf("want %q, got %q", row.want, warned)
			}
			for i, want := range row.want {
				if !strings.HasPrefix(warned[i], want) {
					t.Errorf("want %q, got %q", want, warned[i])
				}
			}
		})
	}
}
