package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"butler/internal/qlik"
	"butler/internal/sim/appender"
	"butler/internal/sim/world"
	"butler/messages"
)

// traffic is a stream of datagrams about the tasks of a simulated site, and the
// memory of what was sent. Every task always ends in the same way, so whatever
// the service asks the repository, and whenever, has one right answer.
type traffic struct {
	world  *world.World
	target net.Addr
	packet net.PacketConn
	random *rand.Rand
	mix    []share
	// padding is how much noise is added to the message of every event, in bytes.
	padding int
	pools   map[pool][]string
	next    map[pool]int

	mu         sync.Mutex
	sent       []sentDatagram
	executions map[string]*execution
	later      []sentDatagram
}

// sentDatagram is one datagram that left the sender.
type sentDatagram struct {
	at        time.Time
	family    messages.Family
	execution string
	payload   []byte
	// attack names what is wrong with it, "" for an honest one.
	attack string
	// welcome says that a correct receiver accepts it.
	welcome bool
}

// execution is what the site knows of one execution.
type execution struct {
	id     string
	taskID string
	appID  string
	typ    qlik.TaskType
	// known says that the repository has the task.
	known bool
	final qlik.ExecutionStatus
	// owners are the addresses of the owner of the task's app.
	owners []string
}

func (e execution) String() string {
	return fmt.Sprintf("execution %s of %s task %s, which ends in %s", e.id, e.typ, e.taskID, e.final)
}

// pool is a set of tasks that end alike.
type pool struct {
	typ   qlik.TaskType
	final qlik.ExecutionStatus
}

// share is a part of the traffic.
type share struct {
	weight int
	pool   pool
	family messages.Family
	// running announces a distribute task that goes on after its message.
	running bool
	// unknown announces a task that the repository does not have.
	unknown bool
}

// crashMix is a bad day on a busy site: every family and type of task.
var crashMix = []share{
	{weight: 16, pool: pool{qlik.TaskReload, qlik.StatusFinishedFail}, family: messages.FamilyFailed},
	{weight: 5, pool: pool{qlik.TaskReload, qlik.StatusAborted}, family: messages.FamilyAborted},
	{weight: 7, pool: pool{qlik.TaskReload, qlik.StatusFinishedSuccess}, family: messages.FamilySucceeded},
	{weight: 20, pool: pool{qlik.TaskExternalProgram, qlik.StatusFinishedFail}, family: messages.FamilyFailed},
	{weight: 12, pool: pool{qlik.TaskExternalProgram, qlik.StatusFinishedSuccess}, family: messages.FamilySucceeded},
	{weight: 10, pool: pool{qlik.TaskUserSync, qlik.StatusFinishedFail}, family: messages.FamilyFailed},
	{weight: 8, pool: pool{qlik.TaskUserSync, qlik.StatusFinishedSuccess}, family: messages.FamilySucceeded},
	{weight: 3, pool: pool{qlik.TaskPreload, qlik.StatusFinishedFail}, family: messages.FamilyFailed},
	{weight: 3, pool: pool{qlik.TaskPreload, qlik.StatusFinishedSuccess}, family: messages.FamilySucceeded},
	{weight: 3, pool: pool{qlik.TaskDistribute, qlik.StatusFinishedFail}, family: messages.FamilyDistribute, running: true},
	{weight: 3, pool: pool{qlik.TaskDistribute, qlik.StatusFinishedSuccess}, family: messages.FamilyDistribute, running: true},
	{weight: 2, pool: pool{qlik.TaskDistribute, qlik.StatusFinishedSuccess}, family: messages.FamilyDistribute},
	{weight: 2, pool: pool{qlik.TaskExternalProgram, qlik.StatusAborted}, family: messages.FamilyAborted},
	{weight: 2, family: messages.FamilyFailed, unknown: true},
}

// Of a hundred datagrams, so many are sent again and so many are hostile.
const (
	percentRepeated = 8
	percentHostile  = 6
)

// welcomeAttacks are the hostile datagrams whose event is taken, cleaned.
var welcomeAttacks = []string{
	"control characters", "endless name", "invalid UTF-8", "markup", "path in the timestamp",
}

// newTraffic prepares the tasks of a mix. A distribute task is used once, any other again and again.
func newTraffic(t *testing.T, v *service, mix []share, seed uint64) *traffic {
	t.Helper()
	packet, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = packet.Close() })
	target, err := net.ResolveUDPAddr("udp4", v.udp)
	must(t, err)
	f := &traffic{
		world: v.sim.World, packet: packet, target: target, mix: mix,
		random: rand.New(rand.NewPCG(seed, 0x7aff1c)),
		pools:  map[pool][]string{}, next: map[pool]int{}, executions: map[string]*execution{},
	}
	f.fillPools()
	return f
}

// firstBulkTask is the number of the first task without recipients of its own.
const firstBulkTask = 15

func (f *traffic) fillPools() {
	finals := map[qlik.TaskType][]qlik.ExecutionStatus{}
	for _, s := range f.mix {
		if !s.unknown && !slices.Contains(finals[s.pool.typ], s.pool.final) {
			finals[s.pool.typ] = append(finals[s.pool.typ], s.pool.final)
		}
	}
	seen := map[qlik.TaskType]int{}
	for n := firstBulkTask; n < f.world.TaskCount(); n++ {
		id := f.world.TaskID(n)
		task, _ := f.world.Task(id)
		typ := qlik.TaskType(task.TaskType)
		if len(finals[typ]) == 0 {
			continue
		}
		p := pool{typ, finals[typ][seen[typ]%len(finals[typ])]}
		seen[typ]++
		f.pools[p] = append(f.pools[p], id)
	}
}

// run sends rate datagrams a second until ctx ends.
func (f *traffic) run(ctx context.Context, rate int) error {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := f.step(); err != nil {
				return err
			}
		}
	}
}

// burst sends n datagrams at once.
func (f *traffic) burst(t *testing.T, n int) {
	t.Helper()
	for range n {
		must(t, f.step())
	}
}

// step sends what is due later, and the next datagram.
func (f *traffic) step() error {
	for len(f.later) > 0 && time.Now().After(f.later[0].at) {
		due := f.later[0]
		f.later = f.later[1:]
		f.send(due)
	}
	s := f.pick()
	e, err := f.execution(s)
	if err != nil {
		return err
	}
	d, event := f.honest(s.family, e, f.padding, time.Now())
	if f.random.IntN(100) < percentHostile {
		names := appender.Hostile()
		d.attack = names[f.random.IntN(len(names))]
		d.welcome = slices.Contains(welcomeAttacks, d.attack)
		if d.payload, err = appender.HostileDatagram(d.attack, f.random.Uint64(), appender.Format{}, event); err != nil {
			return err
		}
	}
	f.send(d)
	if f.random.IntN(100) < percentRepeated {
		f.send(d)
	}
	switch second := f.random.IntN(2) == 0; {
	case second && s.running && e.Final == qlik.StatusFinishedSuccess:
		f.sendLater(e, messages.FamilySucceeded, e.End)
	case second && s.family == messages.FamilyAborted:
		f.sendLater(e, messages.FamilyFailed, d.at.Add(300*time.Millisecond))
	}
	return nil
}

// volley sends n events of one task, as fast as it can: some are received together.
func (f *traffic) volley(t *testing.T, s share, n int) {
	t.Helper()
	same, datagrams := f.next[s.pool], make([]sentDatagram, n)
	for i := range datagrams {
		f.next[s.pool] = same
		e, err := f.execution(s)
		must(t, err)
		datagrams[i], _ = f.honest(s.family, e, 0, time.Now())
	}
	for _, d := range datagrams {
		f.send(d)
	}
}

// honest returns the datagram of an event at a time, and the event.
func (f *traffic) honest(family messages.Family, e world.Execution, padding int, at time.Time) (sentDatagram, appender.Event) {
	event := appender.EventOf(e, f.marked(family, e.ExecutionID, padding), at)
	return sentDatagram{
		at: at, family: family, execution: e.ExecutionID, welcome: true, payload: appender.Format{}.Append(nil, event),
	}, event
}

// marked returns the type of a message that names its execution in a way that
// stays recognisable in a mail, which may quote the logs of other executions.
// The padding is noise, because what repeats itself takes no room in the journal.
func (f *traffic) marked(family messages.Family, executionID string, padding int) appender.MessageType {
	noise := make([]byte, padding)
	for i := range noise {
		noise[i] = byte('A' + f.random.IntN(58))
	}
	kind := appender.TypeOf(family)
	kind.Message += " [event of " + executionID + "]" + string(noise)
	return kind
}

func (f *traffic) pick() share {
	total := 0
	for _, s := range f.mix {
		total += s.weight
	}
	throw := f.random.IntN(total)
	for _, s := range f.mix {
		if throw -= s.weight; throw < 0 {
			return s
		}
	}
	return f.mix[0]
}

// execution makes a task run in the world.
func (f *traffic) execution(s share) (world.Execution, error) {
	if s.unknown {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012x", f.random.Uint64()&0xffffffffffff)
		e := world.Execution{TaskID: id, TaskName: "Gone", ExecutionID: f.world.ExecutionID(f.random.Uint64() & 0xffffffff)}
		f.remember(&execution{id: e.ExecutionID, taskID: id})
		return e, nil
	}
	tasks, n := f.pools[s.pool], f.next[s.pool]
	f.next[s.pool]++
	if len(tasks) == 0 || s.pool.typ == qlik.TaskDistribute && n >= len(tasks) {
		return world.Execution{}, fmt.Errorf("the site has not enough tasks of type %s (%d)", s.pool.typ, len(tasks))
	}
	// Few tasks of the other types, as a site that fails does: caches and windows count.
	id := tasks[n%min(len(tasks), tasksAtMost(s.pool.typ))]
	outcome := world.Outcome{Final: s.pool.final, Duration: time.Second + time.Duration(f.random.IntN(2000))*time.Millisecond}
	begin := f.world.Now()
	if !s.running {
		begin = begin.Add(-outcome.Duration - time.Second)
	}
	e, err := f.world.Run(id, outcome, begin)
	if err != nil {
		return e, err
	}
	f.remember(&execution{
		id: e.ExecutionID, taskID: id, appID: e.AppID, typ: s.pool.typ, known: true, final: s.pool.final, owners: ownerAddresses(f.world, e.AppID),
	})
	return e, nil
}

func tasksAtMost(t qlik.TaskType) int {
	switch t {
	case qlik.TaskDistribute:
		return 1 << 30
	case qlik.TaskReload: // Slack, which is slow, is told of each
		return 8
	default:
		return 40
	}
}

// ownerAddresses returns the mail addresses of the owner of an app.
func ownerAddresses(w *world.World, appID string) []string {
	app, ok := w.App(appID)
	if !ok {
		return nil
	}
	user, _ := w.User(app.Owner.ID)
	var out []string
	for _, a := range user.Attributes {
		if a.AttributeType == "email" {
			out = append(out, a.AttributeValue)
		}
	}
	return out
}

// sendLater plans a second message about an execution: the end of a distribute
// task after its completion, or the failure that follows an abort.
func (f *traffic) sendLater(e world.Execution, family messages.Family, at time.Time) {
	d, _ := f.honest(family, e, 0, at)
	f.later = append(f.later, d)
	slices.SortStableFunc(f.later, func(a, b sentDatagram) int { return a.at.Compare(b.at) })
}

func (f *traffic) remember(e *execution) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.executions[strings.ToLower(e.id)] = e
}

// send sends a datagram and remembers it when it left.
func (f *traffic) send(d sentDatagram) {
	d.at = time.Now()
	if _, err := f.packet.WriteTo(d.payload, f.target); err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, d)
}

// count returns how many datagrams left.
func (f *traffic) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}
