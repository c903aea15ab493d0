package schedule

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/internal/cron"
	"butler/messages"
)

// Whatever happens to the process, every run of a time at which it was awake is
// started at that time, of those in a gap the latest if it is not too late, and
// none twice.
func TestMachine_runsWhatIsDueOnceWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scheduleOf("s", rapid.SampledFrom([]string{"* * * * *", "*/7 * * * *", "0 * * * *", "13,14 */2 * * *", "30 2 * * *"}).Draw(t, "cron"), "Europe/Oslo")
		d := newRig(rapid.SampledFrom([]string{"2026-11-20 00:00:00 +0000", "2026-03-28 23:30:00 +0000", "2026-10-24 22:30:00 +0000"}).Draw(t, "from"), s)
		times, err := timesOf(s, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		running := true
		var wanted []time.Time
		pass := func() (dues []time.Time, long time.Duration) {
			long = time.Duration(rapid.IntRange(0, 3*3600).Draw(t, "seconds")) * time.Second
			for _, at := range cron.Preview(times, d.now, 200) {
				if running && !at.After(d.now.Add(long)) {
					dues = append(dues, at)
				}
			}
			return dues, long
		}
		gap := func(dues []time.Time, now time.Time) {
			if len(dues) > 0 && !dues[len(dues)-1].Before(now.Add(-grace)) {
				wanted = append(wanted, dues[len(dues)-1])
			}
		}
		turn := func(to messages.ScheduleState) {
			d.do(d.m.command(d.now, messages.SwitchSchedule{ID: "s", To: to}))
			running = to == messages.ScheduleStarted
		}
		t.Repeat(map[string]func(*rapid.T){
			"awake": func(*rapid.T) {
				dues, long := pass()
				wanted = append(wanted, dues...)
				d.until(d.now.Add(long))
			},
			"asleep": func(*rapid.T) {
				dues, long := pass()
				gap(dues, d.now.Add(long))
				d.sleep(long)
			},
			"down": func(*rapid.T) {
				dues, long := pass()
				gap(dues, d.now.Add(long))
				d.now = d.now.Add(long)
				d.restart()
			},
			"stop":  func(*rapid.T) { turn(messages.ScheduleStopped) },
			"start": func(*rapid.T) { turn(messages.ScheduleStarted) },
			"": func(t *rapid.T) {
				if !slices.EqualFunc(wanted, d.dues, time.Time.Equal) {
					t.Fatalf("want the runs\n%v, got\n%v", wanted, d.dues)
				}
			},
		})
	})
}
