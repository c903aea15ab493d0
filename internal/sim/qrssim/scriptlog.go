package qrssim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"butler/internal/qlik"
	"butler/internal/sim/world"
)

// maxTickets bounds the unused tickets; beyond it the oldest is dropped.
const maxTickets = 10_000

// ticket permits one download of one script log.
type ticket struct {
	taskID, reference string
	usableAt          time.Time
}

// tickets holds the tickets that were issued and not used.
type tickets struct {
	mu     sync.Mutex
	random *rand.Rand
	open   map[string]ticket
	// order lists the names by age, including used ones until they are too old.
	order []string
}

func newTickets(seed uint64) *tickets {
	return &tickets{random: rand.New(rand.NewPCG(seed, 0x71c4e7)), open: make(map[string]ticket)}
}

// issue returns the name of a new ticket.
func (t *tickets) issue(issued ticket) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) >= maxTickets {
		delete(t.open, t.order[0])
		t.order = t.order[1:]
	}
	a, b := t.random.Uint64(), t.random.Uint64()
	name := fmt.Sprintf("%08x-%04x-4%03x-9%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
	t.open[name] = issued
	t.order = append(t.order, name)
	return name
}

// look returns a ticket without using it.
func (t *tickets) look(name string) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.open[name]
	return found, ok
}

// use removes a ticket; false when another request has used it meanwhile.
func (t *tickets) use(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.open[name]
	delete(t.open, name)
	return ok
}

type stringResponse struct {
	Value      string `json:"value"`
	SchemaPath string `json:"schemaPath"`
}

func (s *Server) oldTicket(c *call) {
	s.mu.Lock()
	disabled := s.switches.withoutOldScriptLog
	s.mu.Unlock()
	s.answerTicket(c, disabled, c.query["filereferenceid"])
}

func (s *Server) newTicket(c *call) {
	s.mu.Lock()
	disabled := s.switches.withoutNewScriptLog
	s.mu.Unlock()
	s.answerTicket(c, disabled, c.query["executionresultid"])
}

func (s *Server) answerTicket(c *call, disabled bool, reference string) {
	switch {
	case disabled:
		c.refuse(http.StatusNotFound, "there is nothing at this path")
		return
	case !qlik.IsGUID(reference):
		c.refuse(http.StatusBadRequest, "the reference to the script log is no identifier")
		return
	}
	if _, ok := s.world.ScriptLog(c.id, reference); !ok {
		c.missing()
		return
	}
	name := s.tickets.issue(ticket{
		taskID: c.id, reference: reference, usableAt: s.world.Now().Add(s.options.ScriptLogDelay),
	})
	c.answer(stringResponse{Value: name, SchemaPath: "StringResponse"})
}

// download serves a script log as the product does, as text with CRLF line ends. A
// ticket that is used too early stays valid.
func (s *Server) download(c *call) {
	found, ok := s.tickets.look(c.id)
	if !ok || s.world.Now().Before(found.usableAt) {
		c.missing()
		return
	}
	var log world.ScriptLog
	if log, ok = s.world.ScriptLog(found.taskID, found.reference); !ok || !s.tickets.use(c.id) {
		c.missing()
		return
	}
	c.Header().Set("Content-Type", "text/plain")
	c.Header().Set("Content-Disposition", `attachment; filename="scriptlog.txt"`)
	if s.options.ScriptLogBOM {
		_, _ = io.WriteString(c, "\ufeff")
	}
	_, _ = io.WriteString(c, log.Text("\r\n"))
}
