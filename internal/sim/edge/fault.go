package edge

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// FaultKind is the kind of a fault.
type FaultKind uint8

// The faults of an endpoint. Those about documents only make sense over HTTP.
const (
	// Slow answers correctly, after Delay and up to Jitter more.
	Slow FaultKind = iota
	// ResetBefore breaks the connection without handling the request.
	ResetBefore
	// ResetAfter handles the request and breaks the connection instead of answering:
	// the client cannot know that the request took effect.
	ResetAfter
	// Status answers with Rule.Status, Rule.RetryAfter and Rule.Body.
	Status
	// WrongShape answers 200 with a JSON object where an array is expected.
	WrongShape
	// InvalidJSON answers 200 with a text that only begins like JSON.
	InvalidJSON
	// Truncate handles the request, announces the whole body and sends half of it.
	Truncate
	// Hang never answers, until the client gives up or the endpoint stops.
	Hang
)

var faultNames = [...]string{
	"slow", "reset_before", "reset_after", "status", "wrong_shape", "invalid_json", "truncate", "hang",
}

// String returns the name of the kind.
func (k FaultKind) String() string {
	if int(k) < len(faultNames) {
		return faultNames[k]
	}
	return "unknown"
}

// Rule is one fault and the requests it hits. The zero values of the matching
// fields mean "any".
type Rule struct {
	// Name identifies the rule: setting a rule of the same name replaces it.
	Name string
	Kind FaultKind
	// Method is the HTTP method or SMTP command, in any case.
	Method string
	// PathPrefix is compared with the decoded path, in any case.
	PathPrefix string
	// Percent is the share of the matching requests that are hit; 0 means all.
	Percent float64
	// Times is how often the rule fires at most; 0 means no limit.
	Times int
	// Delay passes before anything else happens, plus a random part of Jitter.
	Delay  time.Duration
	Jitter time.Duration
	// Status is the status code of kind Status; 0 means 500.
	Status int
	// RetryAfter becomes a Retry-After header, in whole seconds rounded up.
	RetryAfter time.Duration
	// Body replaces the body of the kinds Status, WrongShape and InvalidJSON.
	Body string
}

func (r Rule) matches(method, path string) bool {
	if r.Method != "" && !strings.EqualFold(r.Method, method) {
		return false
	}
	return len(path) >= len(r.PathPrefix) && strings.EqualFold(path[:len(r.PathPrefix)], r.PathPrefix)
}

// Verdict is what happens to one request: a delay, then perhaps a fault.
type Verdict struct {
	Delay time.Duration
	// Fault is the rule that decides the answer; its kind is Slow when the answer is correct.
	Fault Rule
}

// Faults is the set of rules of one endpoint. It is safe for concurrent use.
type Faults struct {
	mu     sync.Mutex
	rules  []Rule
	hits   map[string]int
	random *rand.Rand
}

// NewFaults returns an empty set that draws from seed.
func NewFaults(seed uint64) *Faults {
	return &Faults{hits: make(map[string]int), random: rand.New(rand.NewPCG(seed, 0x5eed_fa17))}
}

// Set adds a rule, or replaces the one with the same name and resets its hits.
func (f *Faults) Set(rule Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hits[rule.Name] = 0
	for i := range f.rules {
		if f.rules[i].Name == rule.Name {
			f.rules[i] = rule
			return
		}
	}
	f.rules = append(f.rules, rule)
}

// Remove removes a rule; its hits stay readable.
func (f *Faults) Remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.rules {
		if f.rules[i].Name == name {
			f.rules = append(f.rules[:i], f.rules[i+1:]...)
			return
		}
	}
}

// Clear removes every rule.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// Hits returns how often the rule with that name has fired.
func (f *Faults) Hits(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits[name]
}

// Judge returns what happens to one request. The delays of all matching rules add
// up; the first matching rule that is not Slow decides the answer.
func (f *Faults) Judge(method, path string) Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	var v Verdict
	for _, rule := range f.rules {
		if !rule.matches(method, path) || !f.firesLocked(rule) {
			continue
		}
		f.hits[rule.Name]++
		v.Delay += rule.Delay
		if rule.Jitter > 0 {
			v.Delay += time.Duration(f.random.Int64N(int64(rule.Jitter)))
		}
		if rule.Kind != Slow {
			v.Fault = rule
			return v
		}
	}
	return v
}

func (f *Faults) firesLocked(rule Rule) bool {
	if rule.Times > 0 && f.hits[rule.Name] >= rule.Times {
		return false
	}
	return rule.Percent <= 0 || f.random.Float64()*100 < rule.Percent
}

// Pause waits for d; false when ctx ends first.
func Pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
