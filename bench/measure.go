package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"butler/bench/bare"
	"butler/bench/target"
)

// measureEvents sends events and measures their delivery.
func measureEvents(ctx context.Context, r *Runner, v Variant) (Result, error) {
	s, err := r.open(ctx, v, nil)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	if v.Warm > 0 {
		if _, err := s.run(ctx, v.WarmRate, v.Warm, v.Drain); err != nil {
			return Result{}, fmt.Errorf("warm up: %w", err)
		}
	}
	p, err := s.run(ctx, v.Rate, v.Count, v.Drain)
	if err != nil {
		return Result{}, err
	}
	return p.result(), nil
}

// windowWidth is the time resolution of the latencies.
const windowWidth = 500 * time.Millisecond

// result returns the figures of a phase.
func (p *phase) result() Result {
	out := Result{Deliveries: p.ledger.Deliveries(), Calls: map[string]int{}}
	p.mu.Lock()
	out.Samples = p.samples
	p.mu.Unlock()
	out.addDeliveries()
	if len(out.Deliveries) > 0 {
		out.Windows = p.ledger.Windows(windowWidth)
	}
	if p.before.readings.Decided >= 0 {
		out.add("events not decided", float64(max(0, p.count-p.decided)))
	}
	if p.decidedIn > 0 {
		out.add("decided", rate(p.count, p.decidedIn))
	}
	p.addProcess(&out)
	calls := 0
	for operation, n := range p.after.calls {
		if n -= p.before.calls[operation]; n > 0 {
			out.Calls[operation] = n
			calls += n
		}
	}
	tasks := min(p.count, p.session.variant.Tasks*len(p.session.variant.mix()))
	out.add("QRS calls", float64(calls))
	out.add("QRS calls an event", float64(calls)/float64(p.count))
	out.add("QRS calls a task", float64(calls)/float64(tasks))
	metadata, results := callsOf(out.Calls)
	out.add("QRS metadata calls a task", float64(metadata)/float64(tasks))
	out.add("QRS result calls an event", float64(results)/float64(p.count))
	out.add("TLS handshakes with QRS", float64(p.after.handshakes-p.before.handshakes))
	out.add("datagrams refused while the target was down", float64(p.sender.Refused))
	out.add("sender late at most", float64(p.sender.Late.Microseconds())/1000)
	return out
}

// callsOf returns the number of calls for the metadata of tasks, apps and users, and for
// the results of executions. Calls for script logs count as neither.
func callsOf(calls map[string]int) (metadata, results int) {
	for operation, n := range calls {
		_, path, _ := strings.Cut(operation, " ")
		collection, rest, _ := strings.Cut(path, "/")
		switch {
		case strings.Contains(rest, "scriptlog"):
		case slices.Contains([]string{"task", "app", "user"}, collection):
			metadata += n
		case slices.Contains([]string{"reloadtask", "executionresult", "executionsession"}, collection):
			results += n
		}
	}
	return metadata, results
}

// addDeliveries adds figures over all destinations: sums of losses and duplicates, and
// the worst latencies and rate.
func (r *Result) addDeliveries() {
	if len(r.Deliveries) == 0 {
		return
	}
	var lost, duplicates int
	var p50, p99, largest float64
	slowest, received := r.Deliveries[0].Rate, 0
	for _, d := range r.Deliveries {
		lost, duplicates, received = lost+d.Lost, duplicates+d.Duplicates+d.Foreign, received+d.Received
		p50, p99, largest, slowest = max(p50, d.P50), max(p99, d.P99), max(largest, d.Max), min(slowest, d.Rate)
	}
	if received > 0 { // without a receipt there is no latency
		r.add("p50", p50)
		r.add("p99", p99)
		r.add("max", largest)
	}
	r.add("lost", float64(lost))
	r.add("duplicates", float64(duplicates))
	r.add("delivered", slowest)
}

func (p *phase) addProcess(out *Result) {
	if p.after.used && p.before.used {
		spent := p.after.usage.CPU - p.before.usage.CPU
		out.add("CPU an event", float64(spent.Microseconds())/float64(p.count))
		out.add("peak memory", mebibytes(p.after.usage.Peak))
	}
	if p.after.dropsKnown && p.before.dropsKnown {
		out.add("kernel drops", float64(p.after.drops-p.before.drops))
	}
}

// measureStart measures a target that starts and is then idle, optionally with events in
// its journal.
func measureStart(ctx context.Context, r *Runner, v Variant) (Result, error) {
	var fill func(string) error
	if v.Pending > 0 {
		if r.Spec.Journal == "" {
			return Result{}, fmt.Errorf("a journal that can be filled: %w", errCannot)
		}
		fill = func(directory string) error {
			return bare.Fill(ctx, filepath.Join(directory, r.Spec.Journal), v.Pending)
		}
	}
	if r.Spec.Command == "" {
		return Result{}, fmt.Errorf("a command to start it: %w", errCannot)
	}
	s, err := r.open(ctx, v, fill)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	var out Result
	out.add("start to ready", s.ready.Seconds())
	if pending := s.target.Read(ctx).Pending; pending >= 0 && v.Pending > 0 {
		out.add("pending after the start", pending)
	}
	before := s.read(ctx)
	if err := wait(ctx, v.Duration); err != nil {
		return out, err
	}
	if after := s.read(ctx); after.used {
		out.add("memory", mebibytes(after.usage.RSS))
		out.add("CPU while idle", (after.usage.CPU-before.usage.CPU).Seconds()/after.at.Sub(before.at).Seconds()*100)
	}
	return out, nil
}

// measureHTTP compares calls of the REST API with a bare handler.
func measureHTTP(ctx context.Context, r *Runner, v Variant) (Result, error) {
	if r.Spec.REST == "" {
		return Result{}, fmt.Errorf("a REST API: %w", errCannot)
	}
	s, err := r.open(ctx, v, nil)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	handler, err := bare.StartHandler(ctx, r.Handler...)
	if err != nil {
		return Result{}, err
	}
	const rounds = 5
	address, _ := s.target.REST()
	put := bare.Call{Name: "key-value put", Method: "POST", Target: "/v4/keyvalues/etl", Body: `{"key":"lastRun","value":"2031-01-05","ttl":"600000"}`}
	many := put
	many.Name, many.Callers = "key-value put, 256 connections", 256
	rates, err := bare.Calls(address, handler, []bare.Call{
		put, many,
		{Name: "key-value get", Method: "GET", Target: "/v4/keyvalues/etl?key=lastRun"},
		{Name: "ping", Method: "GET", Target: "/v4/butlerping"},
	}, v.Duration, rounds)
	err = errors.Join(err, handler.Close())
	var out Result
	for _, rate := range rates {
		out.add(rate.Name, rate.Rate)
		out.add(rate.Name+" / bare handler", rate.Ratio)
	}
	return out, err
}

func followed(r target.Readings) float64 { return r.Followed }

// measureFollow lets the target follow executions that do not end, and restarts it meanwhile.
func measureFollow(ctx context.Context, r *Runner, v Variant) (Result, error) {
	if len(r.Spec.Series.Followed) == 0 || r.Spec.Command == "" {
		return Result{}, fmt.Errorf("a count of the executions that are followed: %w", errCannot)
	}
	s, err := r.open(ctx, v, nil)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	var out Result
	const noDrain = 0 // followed executions are not decided: only their number is awaited
	if _, err := s.run(ctx, v.Rate, v.Count, noDrain); err != nil {
		return out, err
	}
	out.addFollowed("", v.Count, s.reach(ctx, v.Count, v.Drain, followed))
	if err := wait(ctx, v.Duration); err != nil {
		return out, err
	}
	if usage, ok := s.target.Usage(); ok {
		out.add("memory", mebibytes(usage.RSS))
		out.add("peak memory", mebibytes(usage.Peak))
	}
	if err := s.target.Kill(); err != nil {
		return out, err
	}
	took, err := s.target.Launch(ctx)
	if err != nil {
		return out, err
	}
	out.add("start to ready after kill -9", took.Seconds())
	out.addFollowed(" after kill -9", v.Count, s.reach(ctx, v.Count, v.Drain, followed))
	if usage, ok := s.target.Usage(); ok {
		out.add("memory after kill -9", mebibytes(usage.RSS))
	}
	out.add("QRS calls at once, at most", float64(s.site.QRS.Load().MaxInFlight))
	out.Calls = s.site.QRS.Counts()
	return out, nil
}

// addFollowed adds how many of count executions are followed now.
func (r *Result) addFollowed(when string, count int, now float64) {
	out := max(0, now)
	r.add("followed"+when, out)
	r.add("not followed"+when, max(0, float64(count)-out))
}

// reach waits until a reading is at least want or has not changed for drain, and returns
// it.
func (s *session) reach(ctx context.Context, want int, drain time.Duration, of func(target.Readings) float64) float64 {
	last, since := -1.0, time.Now()
	for last < float64(want) && time.Since(since) < drain {
		if now := of(s.target.Read(ctx)); now != last {
			last, since = now, time.Now()
		}
		if wait(ctx, askEvery) != nil {
			break
		}
	}
	return last
}
