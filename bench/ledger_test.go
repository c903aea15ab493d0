package bench_test

import (
	"fmt"
	"testing"
	"time"

	"butler/bench"
)

var began = time.Date(2031, 1, 5, 12, 0, 0, 0, time.UTC)

func execution(n int) string { return fmt.Sprintf("%08x-c5d4-3210-fedc-ba0987654321", n) }

func task(n int) string { return fmt.Sprintf("%08x-b5a6-7890-1234-567890abcdef", n) }

// ledger returns a ledger of n events, alternately of tasks 0 and 1, one every millisecond.
func ledger(n int) *bench.Ledger {
	l := bench.NewLedger(n, began)
	for i := range n {
		l.Expect(i, execution(i), task(i%2), []string{"sink"})
		l.Sent(i, i+1, began.Add(time.Duration(i)*time.Millisecond))
	}
	return l
}

func TestLedger_findsMarkersInAnyText(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":                   `{"executionId":"` + execution(0) + `"}`,
		"a path":                 "https://qmc/x/" + execution(0) + "/y-z",
		"capitals":               "0000000" + "0-C5D4-3210-FEDC-BA0987654321",
		"behind dashes":          "a-b-c----" + execution(0),
		"beside others":          task(7) + " " + execution(99) + " " + execution(0),
		"mentioned twice":        execution(0) + " and again " + execution(0),
		"above a log of another": execution(0) + "\nlog of " + execution(1),
		"nothing else":           execution(0),
		"behind half an ID":      execution(0)[:20] + " " + execution(0),
		"directly behind a GUID": task(7) + execution(0),
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger(2)
			l.Received("sink", began.Add(time.Second), []byte(text))
			if d := l.Deliveries()[0]; d.Received != 1 || d.Duplicates != 0 || d.Lost != 1 {
				t.Errorf("want one receipt, got %+v", d)
			}
		})
	}
}

func TestLedger_countsEachPartOfABatch(t *testing.T) {
	l := ledger(3)
	l.Received("sink", began.Add(time.Second), []byte(execution(0)), []byte(execution(1)), []byte(execution(0)))
	if d := l.Deliveries()[0]; d.Received != 2 || d.Duplicates != 0 {
		t.Errorf("want two of three, and two parts about one event as one receipt; got %+v", d)
	}
}

func TestLedger_ignoresWhatIsNoMarker(t *testing.T) {
	l := ledger(1)
	l.Received("sink", began, []byte("2026-11-21 10:00 - nothing - "+execution(0)[:35]+" "+execution(5)))
	if missing := l.Missing(); missing != 1 {
		t.Errorf("want the event missing still, got %d", missing)
	}
}

func TestLedger_tellsLossRepetitionAndLatencyApart(t *testing.T) {
	l := ledger(100)
	for i := range 99 {
		l.Received("sink", began.Add(time.Duration(i)*time.Millisecond+10*time.Millisecond), []byte(execution(i)))
	}
	l.Received("sink", began.Add(time.Second), []byte(execution(4)))
	l.Received("elsewhere", began.Add(time.Second), []byte(execution(4)))
	deliveries := l.Deliveries()
	if len(deliveries) != 2 || deliveries[0].Destination != "elsewhere" || deliveries[0].Foreign != 1 {
		t.Fatalf("want the receipt that was not expected, got %+v", deliveries)
	}
	d := deliveries[1]
	if d.Expected != 100 || d.Received != 99 || d.Lost != 1 || d.Duplicates != 1 {
		t.Errorf("want 99 of 100 and one repetition, got %+v", d)
	}
	if d.P50 < 9.9 || d.P50 > 10.1 || d.Max > 10.1 {
		t.Errorf("want 10 ms for all: a repetition has no latency; got %+v", d)
	}
	if windows := l.Windows(50 * time.Millisecond); len(windows) != 2 || windows[0].Sent != 50 {
		t.Errorf("want two windows of 50 events, got %+v", windows)
	}
}

func TestLedger_takesTheOldestEventOfATask(t *testing.T) {
	l := ledger(4) // events 0 and 2 are of task 0
	for range 3 {
		l.ReceivedTask("sink", began.Add(time.Second), []byte("task "+task(0)))
	}
	if d := l.Deliveries()[0]; d.Received != 2 || d.Duplicates != 1 || d.Lost != 2 {
		t.Errorf("want both events of the task and one repetition, got %+v", d)
	}
}
