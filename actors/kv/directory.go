package kv

import (
	"cmp"
	"slices"
	"time"

	"butler/messages"
)

// maxWaiting bounds the commands that wait until one namespace is deleted.
const maxWaiting = 1024

// directory decides which namespaces exist. It is pure, as the machine is: it gets the
// time and one input, and returns effects.
//
// A namespace is created by its first put. Its memory is reserved here, so that this
// put is never refused and no namespace stays empty. While a namespace is being
// deleted, commands for its name wait: a name belongs to one namespace at a time, on
// disk as well.
type directory struct {
	limits       Limits
	room         *budget
	pendingBytes *budget
	byName       map[string]*entry
	byID         map[uint64]*entry
	last         uint64 // the newest ID; like revisions, IDs are microseconds since 1970
	out          []effect
}

// entry is a namespace in the directory.
type entry struct {
	id   uint64
	name string
	life int
	// durable says that the namespace is on disk, so it may be listed.
	durable bool
	// deleting says that it is being deleted. The waiting commands are routed after that.
	deleting bool
	delete   messages.DeleteNamespace
	waiting  []any
	reserved int64 // bytes, for waiting
}

func newDirectory(limits Limits, room, pendingBytes *budget) *directory {
	return &directory{limits: limits, room: room, pendingBytes: pendingBytes, byName: map[string]*entry{}, byID: map[uint64]*entry{}}
}

// enter adds a namespace.
func (d *directory) enter(id uint64, name string) *entry {
	e := &entry{id: id, name: name, life: 1}
	d.last = max(d.last, id)
	d.byName[name], d.byID[id] = e, e
	return e
}

// handle processes one input. The result is valid until the next call.
func (d *directory) handle(now time.Time, input any) []effect {
	clear(d.out)
	d.out = d.out[:0]
	switch in := input.(type) {
	case messages.ListNamespaces:
		d.do(reply{opListNamespaces, in.ReplyTo, messages.ListNamespacesReply{Namespaces: d.names()}, messages.FailureNone})
	case messages.NamespaceStarted:
		d.started(now, in)
	case messages.NamespaceEnded:
		d.ended(now, in.ID)
	default:
		d.route(now, input)
	}
	return d.out
}

func (d *directory) do(e effect) { d.out = append(d.out, e) }

func (d *directory) refuse(command any, why messages.Failure) {
	if answer, ok := refusal(command, why); ok {
		d.do(answer)
	}
}

// names returns the namespaces in the order of their creation.
func (d *directory) names() []string {
	entries := make([]*entry, 0, len(d.byID))
	for _, e := range d.byID {
		if e.durable {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.name
	}
	return names
}

// route forwards a command to its namespace.
func (d *directory) route(now time.Time, command any) {
	name, ok := namespaceOf(command)
	if !ok {
		return
	}
	put, isPut := command.(messages.PutValue)
	if isPut {
		if why := d.limits.refuses(put); why.Failed() {
			d.refuse(command, why)
			return
		}
	}
	e, known := d.byName[name]
	switch {
	case !known && isPut:
		d.create(now, put)
	case !known:
		d.refuse(command, errNoNamespace)
	case e.deleting:
		d.wait(e, command, pairCost(put.Key, put.Value))
	default:
		if in, ok := command.(messages.DeleteNamespace); ok {
			e.deleting, e.delete = true, in
		}
		d.do(forward{e.id, command})
	}
}

// wait keeps a command until the namespace is deleted.
func (d *directory) wait(e *entry, command any, size int64) {
	if len(e.waiting) >= maxWaiting || !d.pendingBytes.take(size) {
		d.refuse(command, errBusy)
		return
	}
	e.waiting = append(e.waiting, command)
	e.reserved += size
}

// create creates a namespace for its first put.
func (d *directory) create(now time.Time, put messages.PutValue) {
	size := namespaceCost(put.Namespace) + pairCost(put.Key, put.Value)
	switch {
	case put.If.Kind == messages.IfRevision:
		d.refuse(put, errConflict)
		return
	case len(d.byID) >= d.limits.Namespaces:
		d.refuse(put, errNamespacesFull)
		return
	case !d.room.take(size):
		d.refuse(put, errStoreFull)
		return
	}
	e := d.enter(max(d.last+1, uint64(max(now.UnixMicro(), 0))), put.Namespace)
	d.do(spawn{id: e.id, name: e.name, reserved: size})
	d.do(forward{e.id, put})
}

// started handles that a namespace is on disk. An actor that was restarted does not know
// of a deletion in progress: either it did not happen, or NamespaceEnded follows.
func (d *directory) started(now time.Time, in messages.NamespaceStarted) {
	e, ok := d.byID[in.ID]
	if !ok {
		return
	}
	e.durable = true
	if in.Life == e.life {
		return
	}
	e.life = in.Life
	if !e.deleting {
		return
	}
	e.deleting = false
	d.refuse(e.delete, errRestarted)
	d.resume(now, e)
}

// ended handles that a namespace is deleted.
func (d *directory) ended(now time.Time, id uint64) {
	e, ok := d.byID[id]
	if !ok {
		return
	}
	delete(d.byID, id)
	delete(d.byName, e.name)
	d.do(stop{id})
	d.resume(now, e)
}

// resume routes the commands that waited for the deletion.
func (d *directory) resume(now time.Time, e *entry) {
	waiting := e.waiting
	d.pendingBytes.take(-e.reserved)
	e.waiting, e.reserved = nil, 0
	for _, command := range waiting {
		d.route(now, command)
	}
}
