package actorkit

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"butler/messages"
)

// replies receives the answers to goroutines that are not actors. It is one process of
// the runtime for all of them, which it distinguishes by a number: one process each would
// cost more than the question.
type replies struct {
	system *actor.ActorSystem
	self   *actor.PID

	mu      sync.Mutex
	last    uint32
	waiting map[uint32]func(message any) bool
}

func newReplies(system *actor.ActorSystem) *replies {
	r := &replies{system: system, waiting: map[uint32]func(any) bool{}}
	r.self, _ = system.ProcessRegistry.Add(r, "replies") // the first of its name
	return r
}

// Expect returns an address for an answer. take is called with every message sent there
// until it returns true or the address is forgotten. It must not block. The caller must
// Forget an address that has had no answer.
func (k *Kit) Expect(take func(message any) bool) messages.Ref {
	r := k.replies
	r.mu.Lock()
	defer r.mu.Unlock()
	for taken := true; taken || r.last == 0; { // 0 is not a valid number
		r.last++
		_, taken = r.waiting[r.last]
	}
	r.waiting[r.last] = take
	return messages.Ref{Address: r.self.GetAddress(), ID: r.self.GetId(), Request: r.last}
}

// Forget removes an address that Expect has returned. Later messages to it are dead
// letters.
func (k *Kit) Forget(at messages.Ref) {
	k.replies.mu.Lock()
	defer k.replies.mu.Unlock()
	delete(k.replies.waiting, at.Request)
}

// Answer sends a message to an address. It has the effect of sending to that PID, but is
// cheaper for an address of Expect, which needs no look-up in the registry.
func (k *Kit) Answer(to messages.Ref, message any) {
	r := k.replies
	if to.Request != 0 && to.ID == r.self.GetId() && to.Address == r.self.GetAddress() && r.deliver(to.Request, message) {
		return
	}
	k.System.Root.Send(PIDOf(to), message)
}

// SendUserMessage implements actor.Process.
func (r *replies) SendUserMessage(to *actor.PID, message any) {
	if !r.deliver(to.GetRequestId(), actor.UnwrapEnvelopeMessage(message)) {
		r.system.DeadLetter.SendUserMessage(to, message)
	}
}

// deliver passes a message to the function that waits at an address, and reports whether
// there is one.
func (r *replies) deliver(request uint32, message any) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	take, waits := r.waiting[request]
	if waits && take(message) {
		delete(r.waiting, request)
	}
	return waits
}

// SendSystemMessage implements actor.Process.
func (*replies) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (*replies) Stop(*actor.PID) {}
