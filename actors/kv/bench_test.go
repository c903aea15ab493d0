package kv

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"butler/messages"
)

// loaded100k returns a namespace of 100,000 keys that expire one after the other.
func loaded100k(b *testing.B) (*world, *machine, []string) {
	b.Helper()
	const keys = 100_000
	w := newWorld(b, Limits{Keys: 2 * keys})
	w.put("etl", "first", "v")
	m := w.spaces[w.dir.last]
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprint("key ", i)
		m.handle(start, messages.PutValue{Namespace: "etl", Key: names[i], Value: strings.Repeat("v", 100), TTL: time.Hour + time.Duration(i)*time.Millisecond})
		m.handle(start, committed{m.issued})
	}
	return w, m, names
}

// The cost of a durable put in the namespace itself, without the ledger.
func BenchmarkMachine_put(b *testing.B) {
	_, m, names := loaded100k(b)
	value := strings.Repeat("w", 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.handle(start, messages.PutValue{Namespace: "etl", Key: names[i%len(names)], Value: value, TTL: time.Hour + time.Duration(i)*time.Millisecond})
		m.handle(start, committed{m.issued})
	}
}

func BenchmarkMachine_get(b *testing.B) {
	_, m, names := loaded100k(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.handle(start, messages.GetValue{Namespace: "etl", Key: names[i%len(names)]})
	}
}

// The cost per value of the expiry of 100,000 values, in steps as the timer fires.
func BenchmarkMachine_expire(b *testing.B) {
	values := 0
	for b.Loop() {
		b.StopTimer()
		_, m, names := loaded100k(b)
		values += len(names)
		after := start.Add(3 * time.Hour)
		b.StartTimer()
		for len(m.due) > 0 {
			m.handle(after, messages.ExpiryDue{At: time.UnixMicro(m.armed)})
			m.handle(after, committed{m.issued})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(values), "ns/value")
}
