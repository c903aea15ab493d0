package actorkit

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is an unbounded user queue and a system queue, which has priority. It replaces
// the mailbox of the runtime for two reasons: the depth counters of that one become wrong
// when a handler panics, and it delivers batches twice.
//
// If a handler panics, the messages after that one are kept and handled after the restart.
type mailbox struct {
	stat *kindStat

	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	work       func() // process

	mu     sync.Mutex
	user   []any
	system []any

	// batch is the part of the user queue that is being handled, from index next. Only
	// the running goroutine uses them.
	batch []any
	next  int

	// depth counts the messages in user and batch, systemDepth those in system. They are
	// increased before a message is queued, so 0 means empty, without taking the lock.
	depth       atomic.Int64
	systemDepth atomic.Int64
	scheduled   atomic.Bool
	suspended   atomic.Bool
}

// keepCapacity is the largest queue whose memory an idle mailbox keeps.
const keepCapacity = 64

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	m.depth.Add(1)
	m.stat.mailbox.Add(1)
	m.mu.Lock()
	m.user = append(m.user, message)
	m.mu.Unlock()
	m.schedule()
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) {
	m.systemDepth.Add(1)
	m.mu.Lock()
	m.system = append(m.system, message)
	m.mu.Unlock()
	m.schedule()
}

// RegisterHandlers implements actor.Mailbox.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher, m.work = invoker, dispatcher, m.process
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int { return int(m.depth.Load()) }

func (m *mailbox) schedule() {
	if m.scheduled.CompareAndSwap(false, true) {
		m.dispatcher.Schedule(m.work)
	}
}

// process handles messages until there are none, or until the mailbox has used its turn
// and is scheduled again.
func (m *mailbox) process() {
	for !m.run() {
		m.scheduled.Store(false)
		if !m.pending() || !m.scheduled.CompareAndSwap(false, true) {
			return
		}
	}
	runtime.Gosched()
	m.dispatcher.Schedule(m.work)
}

func (m *mailbox) pending() bool {
	return m.systemDepth.Load() > 0 || !m.suspended.Load() && m.depth.Load() > 0
}

// run handles messages until there are none, the mailbox is suspended, a handler panics,
// or the throughput is reached. It returns true in the last case only.
func (m *mailbox) run() (over bool) {
	var message any
	defer func() {
		if cause := recover(); cause != nil {
			m.invoker.EscalateFailure(cause, message)
		}
	}()
	for handled := 0; ; handled++ {
		if handled >= m.dispatcher.Throughput() {
			return true
		}
		if message = m.popSystem(); message != nil {
			switch message.(type) {
			case *actor.SuspendMailbox:
				m.suspended.Store(true)
			case *actor.ResumeMailbox:
				m.suspended.Store(false)
			default:
				m.invoker.InvokeSystemMessage(message)
			}
			continue
		}
		if m.suspended.Load() {
			return false
		}
		if message = m.popUser(); message == nil {
			return false
		}
		m.invoker.InvokeUserMessage(message)
	}
}

func (m *mailbox) popSystem() any {
	if m.systemDepth.Load() == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.system) == 0 {
		return nil
	}
	m.systemDepth.Add(-1)
	message := m.system[0]
	m.system = m.system[1:]
	if len(m.system) == 0 {
		m.system = nil
	}
	return message
}

func (m *mailbox) popUser() any {
	if m.next == len(m.batch) && (m.depth.Load() == 0 || !m.refill()) {
		return nil
	}
	message := m.batch[m.next]
	m.batch[m.next] = nil
	m.next++
	m.depth.Add(-1)
	m.stat.mailbox.Add(-1)
	return message
}

// refill makes the queue the batch, and reports whether that has messages. The queue
// gets the memory of the old batch, unless that is large.
func (m *mailbox) refill() bool {
	spare := m.batch[:0]
	if cap(spare) > keepCapacity {
		spare = nil
	}
	m.mu.Lock()
	m.batch, m.user = m.user, spare
	m.mu.Unlock()
	m.next = 0
	return len(m.batch) > 0
}
