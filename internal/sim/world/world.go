package world

import (
	"iter"
	"strings"
	"sync"
	"time"

	"butler/internal/qlik"
)

// Options describe a world. The zero value is the small demo site.
type Options struct {
	// Seed decides every identifier and every generated name and number.
	Seed uint64
	// Tasks, Apps and Users are minimum numbers; the demo objects come first and
	// always exist.
	Tasks int
	Apps  int
	Users int
	// Epoch is when the site was last changed; the past of every object is
	// relative to it. The zero time means a fixed date.
	Epoch time.Time
	// Now returns the time that executions progress by; nil means the clock.
	Now func() time.Time
}

// defaultEpoch is a Wednesday noon.
var defaultEpoch = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// World is a simulated Qlik Sense site.
type World struct {
	identity identity
	epoch    time.Time
	now      func() time.Time

	tasks, apps, users uint64
	streams            []Stream
	tags               []Tag
	definitions        []Definition
	nodes              []Node

	mu         sync.RWMutex
	deleted    map[string]struct{}
	taskEdits  map[uint64][]func(*Task)
	appEdits   map[uint64][]func(*App)
	userEdits  map[uint64][]func(*User)
	runs       map[uint64]run
	runCount   uint64
	zeroReads  map[uint64]int
	licenceEnd time.Time
}

// New returns a world.
func New(o Options) *World {
	if o.Epoch.IsZero() {
		o.Epoch = defaultEpoch
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{
		identity:  identity{seed: mix(o.Seed + 1)},
		epoch:     o.Epoch.UTC(),
		now:       o.Now,
		tasks:     uint64(max(o.Tasks, len(demoTasks))),
		users:     uint64(max(o.Users, len(demoUsers))),
		apps:      uint64(max(o.Apps, len(demoApps))),
		deleted:   make(map[string]struct{}),
		taskEdits: make(map[uint64][]func(*Task)),
		appEdits:  make(map[uint64][]func(*App)),
		userEdits: make(map[uint64][]func(*User)),
		runs:      make(map[uint64]run),
		zeroReads: make(map[uint64]int),
	}
	w.licenceEnd = w.epoch.AddDate(0, 0, 239)
	w.fillSmallTables()
	return w
}

// Now returns the time of the world.
func (w *World) Now() time.Time { return w.now().UTC() }

// Epoch returns the time that the past of the site is relative to.
func (w *World) Epoch() time.Time { return w.epoch }

// TaskCount returns the number of tasks, including deleted ones.
func (w *World) TaskCount() int { return int(w.tasks) }

// TaskID returns the identifier of the n-th task; n wraps around.
func (w *World) TaskID(n int) string {
	return w.identity.id(kindTask, uint64(n)%w.tasks)
}

// TaskOfType returns the n-th task of a type, in an order that wraps around and is
// spread over all tasks; false if the type has none.
func (w *World) TaskOfType(t qlik.TaskType, n int) (string, bool) {
	for step := range len(demoTasks) + len(bulkTypes) {
		number := (uint64(n) + uint64(step)) % w.tasks
		if typeOf(number) == t {
			return w.identity.id(kindTask, number), true
		}
	}
	return "", false
}

// Task returns a task as it is now.
func (w *World) Task(id string) (Task, bool) {
	number, ok := w.taskNumber(id)
	if !ok {
		return Task{}, false
	}
	return w.buildTask(number), true
}

// ReadTask is Task counted as a read, for the reads during which an execution hides
// its script log (Outcome.ZeroFileReferenceReads).
func (w *World) ReadTask(id string) (Task, bool) {
	number, ok := w.taskNumber(id)
	if !ok {
		return Task{}, false
	}
	task := w.buildTask(number)
	w.countRead(number, task.Operational.LastExecutionResult.Status)
	return task, true
}

// Tasks yields every task in order.
func (w *World) Tasks() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		for number := range w.tasks {
			if w.isDeleted(w.identity.id(kindTask, number)) {
				continue
			}
			if !yield(w.buildTask(number)) {
				return
			}
		}
	}
}

// App returns an app.
func (w *World) App(id string) (App, bool) {
	number, ok := w.known(kindApp, id, w.apps)
	if !ok {
		return App{}, false
	}
	return w.buildApp(number), true
}

// Apps yields every app in order.
func (w *World) Apps() iter.Seq[App] {
	return func(yield func(App) bool) {
		for number := range w.apps {
			if !w.isDeleted(w.identity.id(kindApp, number)) && !yield(w.buildApp(number)) {
				return
			}
		}
	}
}

// User returns a user.
func (w *World) User(id string) (User, bool) {
	number, ok := w.known(kindUser, id, w.users)
	if !ok {
		return User{}, false
	}
	return w.buildUser(number), true
}

// Users yields every user in order.
func (w *World) Users() iter.Seq[User] {
	return func(yield func(User) bool) {
		for number := range w.users {
			if !w.isDeleted(w.identity.id(kindUser, number)) && !yield(w.buildUser(number)) {
				return
			}
		}
	}
}

// Streams returns every stream. Frozen.
func (w *World) Streams() []Stream { return w.streams }

// Tags returns every tag. Frozen.
func (w *World) Tags() []Tag { return w.tags }

// Definitions returns every custom property definition. Frozen.
func (w *World) Definitions() []Definition { return w.definitions }

// Nodes returns every node. Frozen.
func (w *World) Nodes() []Node { return w.nodes }

// Delete removes a task, app, user or licence; false when there is no such object.
func (w *World) Delete(id string) bool {
	if !w.exists(id) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deleted[strings.ToLower(id)] = struct{}{}
	return true
}

func (w *World) exists(id string) bool {
	if _, ok := w.taskNumber(id); ok {
		return true
	}
	if _, ok := w.known(kindApp, id, w.apps); ok {
		return true
	}
	if _, ok := w.known(kindUser, id, w.users); ok {
		return true
	}
	return w.holdsLicence(id)
}

// EditTask changes a task from now on: edit is applied to every document built of it,
// so it must always do the same. It returns false when there is no such task.
func (w *World) EditTask(id string, edit func(*Task)) bool {
	number, ok := w.taskNumber(id)
	if ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taskEdits[number] = append(w.taskEdits[number], edit)
	}
	return ok
}

// EditApp is EditTask for an app.
func (w *World) EditApp(id string, edit func(*App)) bool {
	number, ok := w.known(kindApp, id, w.apps)
	if ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.appEdits[number] = append(w.appEdits[number], edit)
	}
	return ok
}

// EditUser is EditTask for a user.
func (w *World) EditUser(id string, edit func(*User)) bool {
	number, ok := w.known(kindUser, id, w.users)
	if ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.userEdits[number] = append(w.userEdits[number], edit)
	}
	return ok
}

func (w *World) taskNumber(id string) (uint64, bool) { return w.known(kindTask, id, w.tasks) }

func (w *World) known(k kind, id string, count uint64) (uint64, bool) {
	number, ok := w.identity.number(k, id)
	if !ok || number >= count || w.isDeleted(w.identity.id(k, number)) {
		return 0, false
	}
	return number, true
}

func (w *World) isDeleted(id string) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	_, deleted := w.deleted[id]
	return deleted
}

// edits returns the edits of one object; the list is only ever appended to.
func edits[T any](w *World, of map[uint64][]func(*T), number uint64) []func(*T) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return of[number]
}
