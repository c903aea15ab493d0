package kv

import (
	"slices"

	"butler/messages"
)

// Limits of watching one namespace.
const (
	maxWatchers = 64
	// MaxWindow is the maximum number of changes that a watcher may leave unconfirmed,
	// maxUnconfirmed that of bytes; a single change may be larger. All values that
	// expire in one step fit into the window.
	MaxWindow      = 2 * purgeAtOnce
	maxUnconfirmed = 4 << 20
	// changeOverhead is the approximate size of a change without its texts.
	changeOverhead = 256
)

// watcher receives changes as long as it has credit.
type watcher struct {
	ref messages.Ref
	// since is the revision before the first change to send.
	since  uint64
	window int
	// unconfirmed are the changes that were sent and not confirmed, bytes their size.
	unconfirmed []unconfirmed
	bytes       int
}

type unconfirmed struct {
	revision uint64
	bytes    int
}

// watch adds a watcher.
func (m *machine) watch(in messages.WatchNamespace) {
	if in.ReplyTo.IsZero() {
		return
	}
	m.unwatch(in.ReplyTo)
	if len(m.watchers) >= maxWatchers || m.waiting >= maxWaitingAnswers {
		m.refuse(in, errWatchers)
		return
	}
	window := in.Window
	if window <= 0 || window > MaxWindow {
		window = MaxWindow
	}
	m.watchers = append(m.watchers, &watcher{ref: in.ReplyTo, since: m.last, window: window})
	m.after(m.creation, in, reply{opWatch, in.ReplyTo, messages.WatchNamespaceReply{Revision: m.last}, messages.FailureNone})
}

// unwatch removes a watcher.
func (m *machine) unwatch(ref messages.Ref) {
	m.watchers = slices.DeleteFunc(m.watchers, func(w *watcher) bool { return w.ref == ref })
}

// confirm returns credit to a watcher.
func (m *machine) confirm(in messages.ConfirmChanges) {
	for _, w := range m.watchers {
		if w.ref == in.Watcher {
			w.confirm(in.Through)
		}
	}
}

func (w *watcher) confirm(through uint64) {
	n := 0
	for n < len(w.unconfirmed) && w.unconfirmed[n].revision <= through {
		w.bytes -= w.unconfirmed[n].bytes
		n++
	}
	w.unconfirmed = slices.Delete(w.unconfirmed, 0, n)
}

// fanOut sends a change to all watchers, and ends the watch of those without credit.
func (m *machine) fanOut(change *messages.ValueChanged) {
	m.watchers = slices.DeleteFunc(m.watchers, func(w *watcher) bool {
		if change.Revision <= w.since {
			return false
		}
		size := changeOverhead + len(change.Key) + len(change.Value)
		if len(w.unconfirmed) >= w.window || len(w.unconfirmed) > 0 && w.bytes+size > maxUnconfirmed {
			m.do(send{w.ref, messages.WatchEnded{Namespace: m.name, Reason: messages.WatchMissed}})
			return true
		}
		w.unconfirmed = append(w.unconfirmed, unconfirmed{change.Revision, size})
		w.bytes += size
		m.do(send{w.ref, *change})
		return false
	})
}

// endWatches ends the watch of every watcher.
func (m *machine) endWatches(reason messages.WatchEnd) {
	for _, w := range m.watchers {
		m.do(send{w.ref, messages.WatchEnded{Namespace: m.name, Reason: reason}})
	}
	m.watchers = nil
}
