package licence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/qlik"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// repository is a repository in memory. It also lists what was used since, as a
// server of another version might.
type repository struct {
	licences  map[qrs.AccessType][]qrs.Allocation
	accounts  map[string]qrs.Account
	listErr   map[qrs.AccessType]error
	broken    map[string]bool // accounts that cannot be read, licences that cannot be released
	asked     []string
	released  []string
	onRelease func()
}

func (r *repository) UnusedSince(_ context.Context, t qrs.AccessType, moment time.Time) ([]qrs.Allocation, error) {
	r.asked = append(r.asked, t.String()+" "+moment.UTC().Format(time.RFC3339Nano))
	return r.licences[t], r.listErr[t]
}

func (r *repository) Account(_ context.Context, id string) (qrs.Account, error) {
	if r.broken[id] {
		return qrs.Account{}, errors.New("no answer")
	}
	return r.accounts[id], nil
}

func (r *repository) Release(_ context.Context, t qrs.AccessType, id string) error {
	if r.onRelease != nil {
		r.onRelease()
	}
	if r.broken[id] {
		return errors.New("409")
	}
	r.released = append(r.released, t.String()+" "+id)
	return nil
}

// now is shortly before midnight of a day in Oslo that ends in two hours.
var now = time.Date(2026, 5, 6, 21, 59, 0, 0, time.FixedZone("CEST", 2*3600))

func ago(days int) string { return now.AddDate(0, 0, -days).UTC().Format("2006-01-02T15:04:05.000Z") }

func used(id string, days int) qrs.Allocation {
	return qrs.Allocation{ID: id, LastUsed: ago(days), Owner: "u-" + id, UserDirectory: "LAB", UserID: id}
}

// rig is a run with its surroundings.
type rig struct {
	*repository
	Options
	written []Report
	seen    map[string]time.Time
	told    []string
}

func newRig(rules Rules, professional, analyzer []qrs.Allocation) *rig {
	r := &rig{repository: &repository{
		licences: map[qrs.AccessType][]qrs.Allocation{qrs.Professional: professional, qrs.Analyzer: analyzer},
		accounts: map[string]qrs.Account{}, listErr: map[qrs.AccessType]error{}, broken: map[string]bool{},
	}, seen: map[string]time.Time{}}
	if rules.Types == nil {
		rules.Types = []TypeRules{{qrs.Professional, 30}, {qrs.Analyzer, 30}}
	}
	r.Options = Options{
		Rules: rules, Repository: r.repository,
		FirstSeen: func(now time.Time, id string) time.Time {
			if at, ok := r.seen[id]; ok {
				return at
			}
			r.seen[id] = now
			return now
		},
		Write:   func(report Report) error { r.written = append(r.written, clone(report)); return nil },
		Decided: func(of string, e Entry) { r.told = append(r.told, fmt.Sprintf("%s %s: %s", of, e.ID, e.Action)) },
	}
	return r
}

func clone(r Report) Report {
	types := r.Types
	r.Types = nil
	for _, t := range types {
		t.Entries = append([]Entry(nil), t.Entries...)
		r.Types = append(r.Types, t)
	}
	return r
}

func reasonOf(t *testing.T, r Report, id string) (Action, string) {
	t.Helper()
	for _, of := range r.Types {
		for _, e := range of.Entries {
			if e.ID == id {
				return e.Action, e.Reason
			}
		}
	}
	t.Fatalf("the report does not tell of %s: %+v", id, r)
	return "", ""
}

func TestRun_asksForTheEndOfTheDayInLocalTime(t *testing.T) {
	r := newRig(Rules{DryRun: true}, nil, nil)
	if _, err := r.Run(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	want := []string{"professional 2026-04-06T21:59:59.999Z", "analyzer 2026-04-06T21:59:59.999Z"}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Error(diff)
	}
}

func TestRun_dryReleasesNothingAndTellsEverything(t *testing.T) {
	r := newRig(Rules{DryRun: true, Limit: 1}, []qrs.Allocation{used("a", 40), used("b", 90)}, []qrs.Allocation{used("c", 31)})
	report, err := r.Run(t.Context(), now)
	if err != nil || len(r.released) > 0 || len(r.written) != 1 {
		t.Errorf("want one report and nothing released, got %v, %v, %d", err, r.released, len(r.written))
	}
	if report.Count(ActionPlanned) != 1 || report.Count(ActionLater) != 2 {
		t.Errorf("want one that would be released and two later, got %+v", report)
	}
	want := []string{"professional b: would be released", "professional a: left for the next run", "analyzer c: left for the next run"}
	if diff := cmp.Diff(want, r.told); diff != "" {
		t.Error(diff)
	}
}

func TestRun_releasesThoseLongestWithoutUseFirst(t *testing.T) {
	r := newRig(Rules{Limit: 3}, []qrs.Allocation{used("a", 40), used("b", 90)}, []qrs.Allocation{used("c", 31), used("d", 50)})
	report, err := r.Run(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"professional b", "professional a", "analyzer d"}, r.released); diff != "" {
		t.Error(diff)
	}
	if len(r.written) != 2 || r.written[0].Count(ActionPlanned) != 3 || r.written[1].Count(ActionReleased) != 3 {
		t.Errorf("want the plan and the result written, got %+v", r.written)
	}
	if action, why := reasonOf(t, report, "c"); action != ActionLater || why != "a run releases at most 3 licences" {
		t.Errorf("c is %s: %s", action, why)
	}
}

func TestRun_keepsWhatIsProtected(t *testing.T) {
	never := Never{
		Users: []User{{"lab", "LISTED"}}, Tags: []string{"keep"}, Properties: []messages.Property{{Name: "p", Value: "v"}},
		Directories: []string{"admin"}, Inactive: "yes", Blocked: "no", RemovedOutside: "ignore",
	}
	yes, no := new(true), new(false)
	state := func(inactive, blocked, removed *bool) qrs.Account {
		return qrs.Account{Inactive: inactive, Blocked: blocked, RemovedExternally: removed}
	}
	with := func(tag string, properties ...messages.Property) qrs.Account {
		return qrs.Account{Inactive: no, Blocked: yes, Tags: []string{"x", tag}, Properties: properties}
	}
	blocked := state(no, yes, no)
	for name, row := range map[string]struct {
		licence qrs.Allocation
		account qrs.Account
		reason  string
	}{
		"nothing speaks for it":   {used("a", 40), blocked, ""},
		"a listed user":           {used("Listed", 40), blocked, "the user is on the list of users"},
		"a tag":                   {used("a", 40), with("keep"), `the user has the tag "keep"`},
		"a tag in another case":   {used("a", 40), with("KEEP"), `the user has the tag "KEEP"`},
		"another tag":             {used("a", 40), with("keeper"), ""},
		"a custom property":       {used("a", 40), with("y", never.Properties...), "the user has the custom property p = v"},
		"one in another case":     {used("a", 40), with("y", messages.Property{Name: "P", Value: "V"}), "the user has the custom property P = V"},
		"another value of it":     {used("a", 40), with("y", messages.Property{Name: "p", Value: "w"}), ""},
		"a directory":             {qrs.Allocation{ID: "a", LastUsed: ago(40), UserDirectory: "ADMIN", UserID: "x"}, blocked, "the user directory is on the list"},
		"an inactive user":        {used("a", 40), state(yes, yes, no), "users with inactive = yes are kept"},
		"perhaps inactive":        {used("a", 40), state(nil, yes, no), "it is not known whether the user is inactive"},
		"a user who may log in":   {used("a", 40), state(no, no, no), "users with blocked = no are kept"},
		"perhaps blocked":         {used("a", 40), state(no, nil, no), "it is not known whether the user is blocked"},
		"removed externally":      {used("a", 40), state(no, yes, yes), ""},
		"perhaps removed":         {used("a", 40), state(no, yes, nil), ""},
		"whose it is is unclear":  {qrs.Allocation{ID: "a", LastUsed: ago(40), UserDirectory: "LAB"}, blocked, "its user is not known"},
		"its directory, too":      {qrs.Allocation{ID: "a", LastUsed: ago(40), UserID: "a"}, blocked, "its user is not known"},
		"in quarantine":           {qrs.Allocation{ID: "a", LastUsed: ago(40), UserDirectory: "LAB", UserID: "a", Quarantined: true}, blocked, "it is in quarantine"},
		"used a week ago":         {used("a", 7), blocked, "it was used recently"},
		"used 30 days ago, today": {used("a", 30), blocked, ""},
		"last use is unclear":     {qrs.Allocation{ID: "a", LastUsed: "a while ago", UserDirectory: "LAB", UserID: "a"}, blocked, "the time of its last use is not known"},
		"last use is missing":     {qrs.Allocation{ID: "a", UserDirectory: "LAB", UserID: "a"}, blocked, "the time of its last use is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(Rules{Never: never}, []qrs.Allocation{row.licence}, nil)
			r.accounts[row.licence.Owner] = row.account
			report, err := r.Run(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			action, why := reasonOf(t, report, row.licence.ID)
			if row.reason == "" && (action != ActionReleased || len(r.released) != 1) || row.reason != "" && (action != ActionKept || why != row.reason || len(r.released) != 0) {
				t.Errorf("want it kept because %q, got %s: %s", row.reason, action, why)
			}
		})
	}
}

func TestRun_neverUsedLicencesHaveTheSameGrace(t *testing.T) {
	fresh := func(id string) qrs.Allocation {
		return qrs.Allocation{ID: id, LastUsed: qlik.NeverDate, Owner: "u", UserDirectory: "LAB", UserID: id}
	}
	given, long := fresh("given"), fresh("long")
	given.Created, long.Created = ago(3), ago(31)
	changed := fresh("changed")
	changed.Created, changed.Modified = ago(100), ago(5)
	r := newRig(Rules{}, []qrs.Allocation{given, long, changed, fresh("unknown")}, nil)
	if _, err := r.Run(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"professional long"}, r.released); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	r.released, r.licences[qrs.Professional] = nil, []qrs.Allocation{fresh("unknown")}
	later, err := r.Run(t.Context(), now.AddDate(0, 0, 31))
	if err != nil || len(r.released) != 1 || later.Types[0].Entries[0].DaysUnused != 31 || !later.Types[0].Entries[0].NeverUsed {
		t.Errorf("want it released a month after it was first seen, got %v, %+v", err, later)
	}
}

func TestRun_aTypeIsIndependentOfTheOther(t *testing.T) {
	r := newRig(Rules{}, []qrs.Allocation{used("a", 40), used("b", 41)}, []qrs.Allocation{used("c", 40)})
	r.broken["u-a"] = true
	report, err := r.Run(t.Context(), now)
	if err == nil || !strings.Contains(report.Types[0].Error, "nothing of this type is released") {
		t.Errorf("want the failure told, got %v, %+v", err, report)
	}
	if diff := cmp.Diff([]string{"analyzer c"}, r.released); diff != "" {
		t.Error(diff)
	}
	r.broken, r.released, r.listErr[qrs.Professional] = nil, nil, errors.New("no answer")
	if _, err := r.Run(t.Context(), now); err == nil || len(r.released) != 1 {
		t.Errorf("want the other type released and the error told, got %v, %v", err, r.released)
	}
}

func TestRun_goesOnAfterALicenceThatCannotBeReleased(t *testing.T) {
	r := newRig(Rules{}, []qrs.Allocation{used("a", 40), used("b", 41)}, nil)
	r.broken["b"] = true
	report, err := r.Run(t.Context(), now)
	if err == nil || len(r.released) != 1 || report.Count(ActionFailed) != 1 || r.written[1].Count(ActionFailed) != 1 {
		t.Errorf("want one released and one failed, got %v, %v", err, r.released)
	}
}

func TestRun_releasesNothingWithoutAReport(t *testing.T) {
	r := newRig(Rules{}, []qrs.Allocation{used("a", 40)}, nil)
	r.Write = func(Report) error { return errors.New("disk full") }
	if _, err := r.Run(t.Context(), now); err == nil || len(r.released) > 0 {
		t.Errorf("want nothing released, got %v, %v", err, r.released)
	}
}

func TestRun_endsWithItsTime(t *testing.T) {
	r := newRig(Rules{}, []qrs.Allocation{used("a", 42), used("b", 41), used("c", 40)}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.onRelease = cancel
	report, err := r.Run(ctx, now)
	if err == nil || len(r.released) != 1 || report.Count(ActionKept) != 2 || r.written[1].Count(ActionKept) != 2 {
		t.Errorf("want one released before the end, got %v, %+v", r.released, report)
	}
}

func TestRun_neverReleasesMoreThanItMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []qrs.Allocation {
			var out []qrs.Allocation
			for i := range rapid.IntRange(0, 12).Draw(t, name) {
				l := used(fmt.Sprint(name, i), rapid.IntRange(0, 60).Draw(t, "days"))
				l.Quarantined = rapid.Bool().Draw(t, "quarantined")
				if rapid.Bool().Draw(t, "never used") {
					l.LastUsed = qlik.NeverDate
				}
				out = append(out, l)
			}
			return out
		}
		rules := Rules{DryRun: rapid.Bool().Draw(t, "dry"), Limit: rapid.IntRange(0, 5).Draw(t, "limit")}
		r := newRig(rules, draw("p"), draw("a"))
		report, err := r.Run(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		if rules.Limit > 0 && len(r.released) > rules.Limit || rules.DryRun && len(r.released) > 0 || len(r.released) != report.Count(ActionReleased) {
			t.Fatalf("released %v with %+v", r.released, rules)
		}
		for _, of := range report.Types {
			for _, e := range of.Entries {
				if e.Action == ActionReleased && (e.DaysUnused < 29 || e.NeverUsed) || e.Reason == "" {
					t.Fatalf("%+v", e)
				}
			}
		}
	})
}

func TestRun_keepsTheLicenceOfWhomItDoesNotKnowEnough(t *testing.T) {
	protected := Never{Tags: []string{"vip"}, Properties: []messages.Property{{Name: "Licence", Value: "keep"}}}
	for name, row := range map[string]struct {
		account qrs.Account
		never   Never
		reason  string
	}{
		"tags":                         {qrs.Account{TagsUnclear: true}, protected, "it is not known which tags the user has"},
		"custom properties":            {qrs.Account{PropertiesUnclear: true}, protected, "it is not known which custom properties the user has"},
		"a tag that decides":           {qrs.Account{TagsUnclear: true, Tags: []string{"VIP"}}, protected, `the user has the tag "VIP"`},
		"what no rule asks for":        {qrs.Account{TagsUnclear: true, PropertiesUnclear: true}, Never{}, "not used for 40 days"},
		"everything, and no rule fits": {qrs.Account{}, protected, "not used for 40 days"},
	} {
		r := newRig(Rules{DryRun: true, Never: row.never}, []qrs.Allocation{used("a", 40)}, nil)
		r.accounts["u-a"] = row.account
		report, err := r.Run(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		if _, reason := reasonOf(t, report, "a"); reason != row.reason {
			t.Errorf("%s: want %q, got %q", name, row.reason, reason)
		}
	}
}

func TestRun_countsNoDaysSinceAUseInTheFuture(t *testing.T) {
	ahead := used("a", 40)
	ahead.LastUsed = "9999-12-31T00:00:00.000Z"
	report, err := newRig(Rules{DryRun: true}, []qrs.Allocation{ahead}, nil).Run(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if e := report.Types[0].Entries[0]; e.DaysUnused != 0 || e.Action != ActionKept {
		t.Errorf("want it kept and used today, got %+v", e)
	}
}
