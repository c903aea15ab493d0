package qliktest

import (
	"context"
	"strings"
	"sync"

	"butler/internal/qlik"
	"butler/messages"
)

// Call is one call of a Port.
type Call struct {
	// Method is the method's name: "Tasks", "Apps", "User", "Execution", "ScriptLog" or "Ping".
	Method string
	IDs    []string
}

// Port is a scripted port of the gate. Every function that is nil finds
// nothing; Before, when set, runs first in every call and may block, or fail the call.
type Port struct {
	Before func(ctx context.Context, c Call) error
	Task   func(id string) (messages.Task, bool)
	App    func(id string) (messages.App, bool)
	Owner  func(id string) (messages.Owner, error)
	Result func(id string, t qlik.TaskType) (messages.Execution, error)
	Script func(id string) (messages.Execution, messages.ScriptLog, error)

	mu      sync.Mutex
	calls   []Call
	running int
	highest int
}

// Calls returns the calls made so far, in the order they began.
func (p *Port) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call(nil), p.calls...)
}

// Count returns how many calls of a method were made.
func (p *Port) Count(method string) int {
	count := 0
	for _, c := range p.Calls() {
		if c.Method == method {
			count++
		}
	}
	return count
}

// Highest returns the largest number of calls that ran at once.
func (p *Port) Highest() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.highest
}

func (p *Port) begin(ctx context.Context, method string, ids ...string) (func(), error) {
	call := Call{Method: method, IDs: ids}
	p.mu.Lock()
	p.calls = append(p.calls, call)
	p.running++
	p.highest = max(p.highest, p.running)
	p.mu.Unlock()
	end := func() {
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
	}
	if p.Before == nil {
		return end, ctx.Err()
	}
	return end, p.Before(ctx, call)
}

// Tasks returns the tasks that Task finds.
func (p *Port) Tasks(ctx context.Context, ids ...string) ([]messages.Task, error) {
	end, err := p.begin(ctx, "Tasks", ids...)
	defer end()
	if err != nil || p.Task == nil {
		return nil, err
	}
	return found(ids, p.Task), nil
}

// Apps returns the apps that App finds.
func (p *Port) Apps(ctx context.Context, ids ...string) ([]messages.App, error) {
	end, err := p.begin(ctx, "Apps", ids...)
	defer end()
	if err != nil || p.App == nil {
		return nil, err
	}
	return found(ids, p.App), nil
}

func found[T any](ids []string, find func(string) (T, bool)) []T {
	var out []T
	for _, id := range ids {
		if value, ok := find(strings.ToLower(id)); ok {
			out = append(out, value)
		}
	}
	return out
}

// ErrNotFound is what a real port says of a thing that does not exist.
var ErrNotFound error = messages.Failure{Kind: messages.FailureNotFound, Text: "status: 404"}

// User returns what Owner says.
func (p *Port) User(ctx context.Context, id string) (messages.Owner, error) {
	end, err := p.begin(ctx, "User", id)
	defer end()
	if err != nil {
		return messages.Owner{}, err
	}
	if p.Owner == nil {
		return messages.Owner{}, ErrNotFound
	}
	return p.Owner(id)
}

// Executions returns what Result says of each, up to the first failure that is not ErrNotFound.
func (p *Port) Executions(ctx context.Context, t qlik.TaskType, ids ...string) (map[string]messages.Execution, error) {
	end, err := p.begin(ctx, "Executions", ids...)
	defer end()
	if err != nil || p.Result == nil {
		return nil, err
	}
	out := map[string]messages.Execution{}
	for _, id := range ids {
		execution, err := p.Result(id, t)
		switch {
		case err == nil:
			out[strings.ToLower(id)] = execution
		case messages.FailureOf(err).Kind != messages.FailureNotFound:
			return out, err
		}
	}
	return out, nil
}

// ScriptLog returns what Script says.
func (p *Port) ScriptLog(ctx context.Context, f qlik.LogFetch, _ messages.Execution) (messages.Execution, messages.ScriptLog, error) {
	end, err := p.begin(ctx, "ScriptLog", f.TaskID)
	defer end()
	if err != nil {
		return messages.Execution{}, messages.ScriptLog{}, err
	}
	if p.Script == nil {
		return messages.Execution{}, messages.ScriptLog{}, ErrNotFound
	}
	return p.Script(f.TaskID)
}

// Ping fails only as Before says.
func (p *Port) Ping(ctx context.Context) error {
	end, err := p.begin(ctx, "Ping")
	defer end()
	return err
}
