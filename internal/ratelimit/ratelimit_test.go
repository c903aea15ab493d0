package ratelimit

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/messages"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func TestWindows_holdBackUntilTheWindowEnds(t *testing.T) {
	w := NewWindows(5 * time.Minute)
	w.Deliver("k", "n1", noon)
	rows := []struct {
		name  string
		key   string
		id    messages.NoticeID
		after time.Duration
		want  bool
	}{
		{"within the window", "k", "n2", time.Minute, true},
		{"just before its end", "k", "n2", 5*time.Minute - 1, true},
		{"at its end", "k", "n2", 5 * time.Minute, false},
		{"another key", "other", "n2", time.Minute, false},
	}
	for _, row := range rows {
		at := noon.Add(row.after)
		if got := w.Holds(row.key, row.id, at, at); got != row.want {
			t.Errorf("%s: holds is %t, want %t", row.name, got, row.want)
		}
	}
}

func TestWindows_holdBackTheNoticeThatOpenedThemOnlyWhenItIsQueuedAgain(t *testing.T) {
	w := NewWindows(5 * time.Minute)
	w.Deliver("k", "n1", noon)
	for queuedAt, want := range map[time.Time]bool{noon.Add(-time.Minute): false, noon: false, noon.Add(time.Second): true} {
		if got := w.Holds("k", "n1", queuedAt, noon.Add(time.Minute)); got != want {
			t.Errorf("queued at %s: holds is %t, want %t", queuedAt.Format(time.TimeOnly), got, want)
		}
	}
}

func TestWindows_anAttemptOpensNone(t *testing.T) {
	w := NewWindows(time.Minute)
	if w.Holds("k", "n1", noon, noon); w.Len() != 0 {
		t.Errorf("asking opened %d windows", w.Len())
	}
}

func TestWindows_suppressionDoesNotExtendAndIsCounted(t *testing.T) {
	w := NewWindows(time.Minute)
	w.Deliver("k", "n1", noon)
	w.Suppress("k")
	w.Suppress("k")
	want := Window{OpenedBy: "n1", Until: noon.Add(time.Minute), Suppressed: 2}
	if diff := cmp.Diff(want, w.Get("k")); diff != "" {
		t.Errorf("window differs (-want +got):\n%s", diff)
	}
	w.Deliver("k", "n4", noon.Add(time.Hour))
	if got := w.Get("k").Suppressed; got != 0 {
		t.Errorf("count after the next delivery is %d, want 0", got)
	}
}

func TestWindows_ofNoLengthLimitNothing(t *testing.T) {
	w := NewWindows(0)
	w.Deliver("k", "n1", noon)
	w.Restore("k", Window{OpenedBy: "n1", Until: noon.Add(time.Hour)})
	if w.Limits() || w.Holds("k", "n2", noon, noon) || w.Len() != 0 {
		t.Error("a window of length 0 holds something back")
	}
}

func TestWindows_forgetsWhatEndedAndKeepsUntoldCounts(t *testing.T) {
	w := NewWindows(time.Minute)
	w.Deliver("told", "n1", noon)
	w.Deliver("untold", "n2", noon)
	w.Suppress("untold")
	w.Deliver("open", "n3", noon.Add(time.Hour))

	if got := w.Forget(noon.Add(time.Hour), 24*time.Hour); !slices.Equal(got, []string{"told"}) {
		t.Errorf("forgot %v after an hour, want [told]", got)
	}
	got := w.Forget(noon.Add(25*time.Hour), 24*time.Hour)
	slices.Sort(got)
	if !slices.Equal(got, []string{"open", "untold"}) || w.Len() != 0 {
		t.Errorf("forgot %v after a day, want [open untold]", got)
	}
}

// A restored window may be from a configuration with longer windows, or from a clock
// that was ahead.
func TestWindows_holdNothingForLongerThanTheirLength(t *testing.T) {
	const length = 5 * time.Minute
	rows := []struct {
		name string
		left time.Duration
		want bool
	}{
		{"opened by this configuration", length, true},
		{"opened by one with windows of a day", 23 * time.Hour, false},
		{"about to end, whoever opened it", time.Minute, true},
		{"opened a year ahead", 365 * 24 * time.Hour, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := NewWindows(length)
			w.Restore("told", Window{OpenedBy: "n1", Until: noon.Add(row.left)})
			w.Restore("untold", Window{OpenedBy: "n2", Until: noon.Add(row.left), Suppressed: 3})
			if got := w.Holds("told", "n3", noon, noon); got != row.want {
				t.Errorf("holds is %t, want %t", got, row.want)
			}
			want := []string{"told"}
			if row.want {
				want = nil
			}
			if got := w.Forget(noon, 24*time.Hour); !slices.Equal(got, want) {
				t.Errorf("forgot %v, want %v", got, want)
			}
			if got := w.Get("untold").Suppressed; got != 3 {
				t.Errorf("%d held back are known, want all 3: nobody was notified of them", got)
			}
		})
	}
}

func TestBucket_allowsTheBurstAndThenTheRate(t *testing.T) {
	b := NewBucket(2, 3)
	for n := range 3 {
		if !b.Take(noon) {
			t.Fatalf("attempt %d of the burst is refused", n+1)
		}
	}
	if b.Take(noon) {
		t.Error("a fourth attempt is allowed at once")
	}
	if got, want := b.Next(noon), noon.Add(500*time.Millisecond); !got.Equal(want) {
		t.Errorf("next attempt is at %s, want %s", got, want)
	}
	if !b.Take(noon.Add(500 * time.Millisecond)) {
		t.Error("the attempt after half a second is refused")
	}
}

func TestBucket_withoutARateIsNoBound(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		b := NewBucket(rate, 1)
		for range 100 {
			if !b.Take(noon) || !b.Next(noon).Equal(noon) {
				t.Fatalf("rate %v limits something", rate)
			}
		}
	}
}

func TestBucket_aClockThatGoesBackGainsNothing(t *testing.T) {
	b := NewBucket(1, 1)
	b.Take(noon)
	if b.Take(noon.Add(-time.Hour)) {
		t.Error("going back an hour yielded a token")
	}
	if !b.Take(noon.Add(-time.Hour + time.Second)) {
		t.Error("a second later there is no token: the clock that went back stops the bucket")
	}
}

func TestBucket_neverExceedsItsRateAndNextIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.001, 1000).Draw(t, "rate")
		burst := rapid.IntRange(0, 20).Draw(t, "burst")
		b, now, taken := NewBucket(rate, burst), noon, 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "wait")))
			if b.Take(now) {
				taken++
			} else if next := b.Next(now); !next.After(now) {
				t.Fatalf("refused at %s, and the next attempt is said to be at %s", now, next)
			}
			if next := b.Next(now); next.After(now) && rapid.Bool().Draw(t, "wait for the token") {
				if now = next; !b.Take(now) {
					t.Fatalf("no token at %s, as was promised", next)
				}
				taken++
			}
		}
		most := float64(max(burst, 1)) + now.Sub(noon).Seconds()*rate + 1e-3
		if float64(taken) > most {
			t.Fatalf("%d attempts in %s, at most %.3f are allowed", taken, now.Sub(noon), most)
		}
	})
}
