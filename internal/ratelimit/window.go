package ratelimit

import (
	"time"

	"butler/messages"
)

// Window is the state of one key.
type Window struct {
	// OpenedBy is the delivered notice that opened the window. A second attempt of it is
	// not held back; the same notice queued again, for a repeated event, is.
	OpenedBy messages.NoticeID
	// Until is when the window ends; further notices do not extend it.
	Until time.Time
	// Suppressed counts the notices held back since that delivery. The next
	// delivered notice reports it.
	Suppressed int
}

// Windows allow one delivered notice per key and window. Build it with NewWindows.
type Windows struct {
	length time.Duration
	byKey  map[string]Window
}

// NewWindows returns windows of the given length. A length of 0 holds nothing back.
func NewWindows(length time.Duration) *Windows {
	return &Windows{length: max(length, 0), byKey: map[string]Window{}}
}

// Limits reports whether the windows can hold anything back.
func (w *Windows) Limits() bool { return w.length > 0 }

// Len returns the number of keys with a window.
func (w *Windows) Len() int { return len(w.byKey) }

// Get returns the window of a key, the zero Window for none.
func (w *Windows) Get(key string) Window { return w.byKey[key] }

// Restore restores a window from before a restart.
func (w *Windows) Restore(key string, was Window) {
	if w.Limits() {
		w.byKey[key] = was
	}
}

// Holds reports whether a notice of key, queued at that time, has to be held back now.
func (w *Windows) Holds(key string, id messages.NoticeID, queuedAt, now time.Time) bool {
	was, ok := w.byKey[key]
	if !ok || !w.open(was, now) {
		return false
	}
	opened := was.Until.Add(-w.length)
	return was.OpenedBy != id || queuedAt.After(opened)
}

// open reports whether a window holds notices back. One that ends later than the length
// allows was opened with another configuration or a wrong clock, and does not: an alert
// too many is better than none.
func (w *Windows) open(was Window, now time.Time) bool {
	left := was.Until.Sub(now)
	return 0 < left && left <= w.length
}

// Suppress counts one notice of key that was held back.
func (w *Windows) Suppress(key string) {
	open := w.byKey[key]
	open.Suppressed++
	w.byKey[key] = open
}

// Deliver opens the window of key for a notice that was delivered at now. That notice
// has reported the count of those held back, which starts again.
func (w *Windows) Deliver(key string, id messages.NoticeID, now time.Time) {
	if w.Limits() {
		w.byKey[key] = Window{OpenedBy: id, Until: now.Add(w.length)}
	}
}

// Forget removes the windows that have ended and returns their keys. A window with an
// unreported count is kept longer, by keepCount.
func (w *Windows) Forget(now time.Time, keepCount time.Duration) []string {
	var ended []string
	for key, was := range w.byKey {
		untold := was.Suppressed > 0 && now.Before(was.Until.Add(keepCount))
		if !untold && !w.open(was, now) {
			ended = append(ended, key)
			delete(w.byKey, key)
		}
	}
	return ended
}
