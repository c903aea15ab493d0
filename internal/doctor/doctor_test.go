package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/doctor"
)

func said(findings ...doctor.Finding) func(context.Context) []doctor.Finding {
	return func(context.Context) []doctor.Finding { return findings }
}

func TestRun_tellsEverythingInTheOrderOfTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context) []doctor.Finding {
			time.Sleep(2 * time.Second)
			return []doctor.Finding{doctor.Good("", "slow but well")}
		}
		began := time.Now()
		got := doctor.Run(t.Context(), []doctor.Check{
			{Name: "first", Run: slow},
			{Name: "second", Run: said(doctor.Good("a", "%d ms", 3), doctor.Warn("b", "small", "enlarge it"))},
			{Name: "third", Network: true, Run: slow},
			{Name: "nothing to say", Run: said()},
		}, doctor.Options{})
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("checks run at once: want 2 s, took %s", took)
		}
		want := doctor.Report{OK: 3, Warnings: 1, Lines: []doctor.Line{
			{Check: "first", Verdict: doctor.OK, Evidence: "slow but well", Milliseconds: 2000},
			{Check: "second", Subject: "a", Verdict: doctor.OK, Evidence: "3 ms"},
			{Check: "second", Subject: "b", Verdict: doctor.Warning, Evidence: "small", Remedy: "enlarge it"},
			{Check: "third", Verdict: doctor.OK, Evidence: "slow but well", Milliseconds: 2000},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRun_endsWhateverChecksDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		obedient := func(ctx context.Context) []doctor.Finding {
			<-ctx.Done()
			return []doctor.Finding{doctor.Fail("", "no answer: "+ctx.Err().Error(), "look")}
		}
		began := time.Now()
		got := doctor.Run(t.Context(), []doctor.Check{
			{Name: "hangs", Run: func(context.Context) []doctor.Finding { <-release; return nil }},
			{Name: "obeys", Run: obedient},
			{Name: "crashes", Run: func(context.Context) []doctor.Finding { panic("nil map") }},
			{Name: "has its own time", Timeout: 3 * time.Second, Run: obedient},
		}, doctor.Options{})
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("want the default of 10 s and a moment, took %s", took)
		}
		close(release)
		if got.Problems != 4 || got.Verdict() != doctor.Problem {
			t.Fatalf("want four problems, got %+v", got)
		}
		for i, want := range []string{"no answer within 10s", "deadline exceeded", "the check crashed: nil map", "deadline exceeded"} {
			if !strings.Contains(got.Lines[i].Evidence, want) {
				t.Errorf("%s: want %q, got %q", got.Lines[i].Check, want, got.Lines[i].Evidence)
			}
		}
		if got.Lines[3].Milliseconds != 3000 {
			t.Errorf("want 3 s, got %d ms", got.Lines[3].Milliseconds)
		}
	})
}

func TestRun_leavesTheNetworkAloneOffline(t *testing.T) {
	asked := false
	got := doctor.Run(t.Context(), []doctor.Check{{Name: "qrs", Network: true, Run: func(context.Context) []doctor.Finding {
		asked = true
		return nil
	}}}, doctor.Options{Offline: true})
	if asked || got.Skipped != 1 || got.Verdict() != doctor.OK {
		t.Errorf("asked %v, report %+v", asked, got)
	}
}

func TestRun_boundsAndCleansWhatIsTold(t *testing.T) {
	many := make([]doctor.Finding, 1000)
	for i := range many {
		many[i] = doctor.Fail("x\ny", "\x1b[31mred\r\n"+strings.Repeat("é", 5000), strings.Repeat("z", 5000))
	}
	got := doctor.Run(t.Context(), []doctor.Check{{Name: "chatty", Run: said(many...)}}, doctor.Options{})
	if len(got.Lines) != 201 || !strings.Contains(got.Lines[200].Evidence, "800 more") {
		t.Fatalf("want 200 findings and how many more, got %d", len(got.Lines))
	}
	for _, text := range []string{got.Lines[0].Subject, got.Lines[0].Evidence, got.Lines[0].Remedy} {
		if len([]rune(text)) > 610 || strings.ContainsAny(text, "\r\n\x1b") {
			t.Errorf("not one clean short line: %.80q of %d", text, len(text))
		}
	}
}

const wantText = `configuration
  ok       butler.yaml is valid, 2 destination instances
qrs
  ok       sense-1 answers in 4 ms, version 39.3.0
  warning  clock: its clock is 9s behind that of this machine
           what to do: let both machines take their time from the same NTP server
  problem  rights: tasks: status: 403
           what to do: give the user the role RootAdmin
slack
  skipped  needs another machine, and --offline is given

2 ok, 1 skipped, 1 warning, 1 problem
`

func TestReport_isTextGroupedByCheck(t *testing.T) {
	report := doctor.Report{OK: 2, Skipped: 1, Warnings: 1, Problems: 1, Lines: []doctor.Line{
		{Check: "configuration", Verdict: doctor.OK, Evidence: "butler.yaml is valid, 2 destination instances"},
		{Check: "qrs", Verdict: doctor.OK, Evidence: "sense-1 answers in 4 ms, version 39.3.0"},
		{Check: "qrs", Subject: "clock", Verdict: doctor.Warning, Evidence: "its clock is 9s behind that of this machine", Remedy: "let both machines take their time from the same NTP server"},
		{Check: "qrs", Subject: "rights: tasks", Verdict: doctor.Problem, Evidence: "status: 403", Remedy: "give the user the role RootAdmin"},
		{Check: "slack", Verdict: doctor.Skipped, Evidence: "needs another machine, and --offline is given"},
	}}
	if diff := cmp.Diff(wantText, report.Text()); diff != "" {
		t.Error(diff)
	}
}

func TestReport_isJSONForScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, err := json.Marshal(doctor.Run(t.Context(), []doctor.Check{{Name: "a", Run: said(doctor.Good("", "well"))}}, doctor.Options{}))
		if want := `{"checks":[{"check":"a","verdict":"ok","evidence":"well","milliseconds":0}],"ok":1,"skipped":0,"warnings":0,"problems":0}`; err != nil || string(raw) != want {
			t.Errorf("want %s, got %s, %v", want, raw, err)
		}
	})
}

func TestCertificate_isJudgedByWhatIsLeft(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]string{
		400 * 24 * time.Hour: "ok ends in 400 days, on 2027-06-10",
		30 * 24 * time.Hour:  "ok ends in 30 days, on 2026-06-05",
		29 * 24 * time.Hour:  "warning ends in 29 days, on 2026-06-04",
		time.Hour:            "warning ends in 0 days, on 2026-05-06",
		0:                    "problem ended 0 days ago, on 2026-05-06",
		-50 * time.Hour:      "problem ended 2 days ago, on 2026-05-04",
	} {
		got := doctor.Certificate("it", now.Add(left), now, "renew it")
		if said := fmt.Sprint(got.Verdict, " ", got.Evidence); said != want {
			t.Errorf("%s left: want %q, got %q", left, want, said)
		}
	}
}

func TestClock_isJudgedBeyondWhatTheWayTook(t *testing.T) {
	before := time.Date(2026, 5, 6, 12, 0, 0, 900_000_000, time.UTC)
	after := before.Add(3 * time.Second)
	for theirs, want := range map[time.Duration]doctor.Verdict{
		-900 * time.Millisecond: doctor.OK, // cut to the second
		3 * time.Second:         doctor.OK,
		8 * time.Second:         doctor.OK,
		9 * time.Second:         doctor.Warning,
		-8 * time.Second:        doctor.Warning,
		10 * time.Minute:        doctor.Problem,
		-10 * time.Minute:       doctor.Problem,
	} {
		if got := doctor.Clock("it", before.Add(theirs), before, after); got.Verdict != want {
			t.Errorf("%s: want %s, got %+v", theirs, want, got)
		}
	}
}
