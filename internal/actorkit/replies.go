package actorkit

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"butler/messages"
)

// replies is where everybody who is no actor gets an answer: one process for all
// of them, which tells them apart by a number. One for each, with its entry in the
// registry of the runtime, cost more than the way of a question to its actor.
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

// Expect returns an address for an answer. take is called with what is sent there
// until it says that it was the answer, or the address is forgotten; it must not
// block. An address that gets no answer is to be forgotten.
func (k *Kit) Expect(take func(message any) bool) messages.Ref {
	r := k.replies
	r.mu.Lock()
	defer r.mu.Unlock()
	for taken := true; taken || r.last == 0; { // 0 means no number
		r.last++
		_, taken = r.waiting[r.last]
	}
	r.waiting[r.last] = take
	return messages.Ref{Address: r.self.GetAddress(), ID: r.self.GetId(), Request: r.last}
}

// Forget ends the life of an address that Expect has returned. What comes there
// later is a dead letter.
func (k *Kit) Forget(at messages.Ref) {
	k.replies.mu.Lock()
	defer k.replies.mu.Unlock()
	delete(k.replies.waiting, at.Request)
}

// Answer sends a message to an address. It is what a message to that PID does, but
// an answer that somebody expects takes no PID and no look into the registry of the
// runtime.
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

// deliver reports whether somebody waits at an address. Only one answer counts.
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
