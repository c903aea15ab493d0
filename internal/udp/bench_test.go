package udp

import (
	"testing"

	"butler/messages"
)

func BenchmarkParse(b *testing.B) {
	for name, payload := range map[string][]byte{
		"plain":    scheduler("/scheduler-task-failed/", nil),
		"emoji":    scheduler("/scheduler-task-failed/", map[int]string{3: "Reload of Test failing reloads 1 (emojis supported! 🤪)"}),
		"dirty":    scheduler("/scheduler-task-failed/", map[int]string{3: "Daily\tSales\nReload", 11: "Max\x01 retries reached"}),
		"refused":  scheduler("/scheduler-task-failed/", map[int]string{6: "not-a-guid"}),
		"no event": []byte("Test message"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			var checker Checker
			for b.Loop() {
				checker.parse(payload, ParseOptions{})
			}
		})
	}
}

func BenchmarkAppendEntry(b *testing.B) {
	d := datagram("10.11.12.13:4096", string(scheduler("/scheduler-task-failed/", nil)))
	room := make([]byte, 0, EntrySize(len(d.Payload)))
	b.ReportAllocs()
	for b.Loop() {
		room = AppendEntry(room[:0], d)
	}
}

func BenchmarkSetContains(b *testing.B) {
	list, err := NewAllowList([]string{"10.0.0.0/8", "192.168.1.1", "2001:db8::/32"}, directory{})
	if err != nil {
		b.Fatal(err)
	}
	set, err := list.Resolve(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	sender := addrs("10.11.12.13")[0]
	b.ReportAllocs()
	for b.Loop() {
		set.Contains(sender)
	}
}

// TestEntryParser_allocatesOnce guards the way of an event: one allocation holds all its texts.
func TestEntryParser_allocatesOnce(t *testing.T) {
	entry := EncodeEntry(datagram("10.11.12.13:4096", string(scheduler("/scheduler-task-failed/", nil))))
	var parser EntryParser
	var event messages.TaskEvent
	if got := testing.AllocsPerRun(100, func() { event, _ = parser.Parse(entry) }); got > 1 {
		t.Errorf("%v allocations, want 1 (%s)", got, event.MessageType)
	}
}

// TestChecker_allocatesNothing guards the same way.
func TestChecker_allocatesNothing(t *testing.T) {
	payload := scheduler("/scheduler-task-failed/", nil)
	var checker Checker
	if got := testing.AllocsPerRun(100, func() { _, _ = checker.Check(payload, ParseOptions{}) }); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
