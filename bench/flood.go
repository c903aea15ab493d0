package bench

import (
	"fmt"
	"net/netip"
	"time"
)

// Flood is a bounded, open-loop load of equally large failure events.
type Flood struct {
	// Rate is in datagrams a second, Count how many there are in all.
	Rate, Count int
	// Type is the message type; "" is /scheduler-reload-failed/.
	Type string
	// Tasks fail in turn; none means fifty that exist nowhere.
	Tasks []Task
	// First numbers the first execution, so that floods of one run do not repeat each other.
	First int
}

// Task is a reload task with the app that it reloads, both as GUIDs.
type Task struct{ ID, AppID string }

// line has the length of a realistic failure event, about 330 bytes, and every
// variable part has a fixed width.
const line = `%s;sense-node-%02d;Daily sales reload of the northern region %04d;Sales dashboard of the northern region;INTERNAL\sa_scheduler;` +
	`%s;%s;2026-05-06 14:23:45,123;WARN;%08x-c5d4-3210-fedc-ba0987654321;Max retries reached and the task was given up`

// Datagram returns the n-th datagram.
func (f Flood) Datagram(n int) []byte {
	kind, number := f.Type, n%50
	if kind == "" {
		kind = "/scheduler-reload-failed/"
	}
	task := Task{fmt.Sprintf("%08x-b5a6-7890-1234-567890abcdef", number), "a1b2c3d4-e5f6-7890-abcd-ef1234567890"}
	if len(f.Tasks) > 0 {
		number = n % len(f.Tasks)
		task = f.Tasks[number]
	}
	return fmt.Appendf(nil, line, kind, number%100, number%10_000, task.ID, task.AppID, f.First+n)
}

// ExecutionID returns the execution ID of the n-th datagram.
func (f Flood) ExecutionID(n int) string {
	return fmt.Sprintf("%08x-c5d4-3210-fedc-ba0987654321", f.First+n)
}

// Bursts prepares the load, so that sending costs nothing but system calls.
func (f Flood) Bursts() [][]byte {
	size := len(f.Datagram(0))
	per := min(MaxBurst(size), max(1, f.Rate/1000))
	bursts := make([][]byte, 0, f.Count/per+1)
	for n := 0; n < f.Count; {
		burst := make([]byte, 0, per*size)
		for range min(per, f.Count-n) {
			burst = append(burst, f.Datagram(n)...)
			n++
		}
		bursts = append(bursts, burst)
	}
	return bursts
}

// Send sends the load at its rate, whatever the receiver does with it. It
// returns when each burst was sent.
func (f Flood) Send(to netip.AddrPort, bursts [][]byte) (time.Duration, error) {
	size := len(f.Datagram(0))
	sender, err := NewSender(to, size)
	if err != nil {
		return 0, err
	}
	defer sender.Close()
	began, sent := time.Now(), 0
	for _, burst := range bursts {
		due := began.Add(time.Duration(float64(sent) / float64(f.Rate) * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if err := sender.Send(burst); err != nil {
			return time.Since(began), fmt.Errorf("send datagram %d: %w", sent, err)
		}
		sent += len(burst) / size
	}
	return time.Since(began), nil
}
