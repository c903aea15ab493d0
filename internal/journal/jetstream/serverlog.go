package jetstream

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
)

// serverLog forwards the log lines of the server. It never ends the process.
type serverLog struct {
	log *zap.Logger
	// way is the path by which the server knows the directory dir.
	way, dir string
	// failed is called for every error line.
	failed func()
	last   atomic.Pointer[string]
	// unread counts failed reads of files, and why is the latest such line.
	unread atomic.Int64
	why    atomic.Pointer[string]
}

const serverLine = "journal server"

// cannotRead is part of the warning about a file that cannot be read. Nothing else
// shows that: the reply to a request for such a record is that there is none.
const cannotRead = "loadBlock error"

// ownChoice begins the warning about the size of maxPayload, which is intended.
const ownChoice = "Maximum payloads"

// Noticef logs what the server does. The lines of its banner begin with blanks and signs.
func (l *serverLog) Noticef(format string, v ...any) {
	line := l.text(format, v)
	if first, _ := utf8.DecodeRuneInString(line); unicode.IsLetter(first) {
		l.log.Debug(serverLine, zap.String("text", line))
	}
}

func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, ownChoice) {
		return
	}
	line := l.text(format, v)
	l.log.Warn(serverLine, zap.String("text", line))
	if strings.Contains(format, cannotRead) {
		l.why.Store(&line)
		l.unread.Add(1)
	}
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.complain(format, v)
	l.failed()
}

// Fatalf is called when the server cannot start.
func (l *serverLog) Fatalf(format string, v ...any) { l.complain(format, v) }

func (l *serverLog) complain(format string, v []any) {
	line := l.text(format, v)
	l.last.Store(&line)
	l.log.Error(serverLine, zap.String("text", line))
}

// complaint returns the last error line, as the reason of a missing reply.
func (l *serverLog) complaint() string {
	if line := l.last.Load(); line != nil {
		return strings.TrimSpace(*line)
	}
	return "no answer in time"
}

func (l *serverLog) text(format string, v []any) string {
	return strings.ReplaceAll(fmt.Sprintf(format, v...), l.way, l.dir)
}

// alarm calls the registered functions, each at most once, when it rings.
type alarm struct {
	mu      sync.Mutex
	last    int
	waiting map[int]func()
}

// add registers f until the returned function is called.
func (a *alarm) add(f func()) (forget func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[int]func(){}
	}
	a.last++
	n := a.last
	a.waiting[n] = f
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, n)
	}
}

func (a *alarm) ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.waiting {
		f()
	}
	clear(a.waiting)
}
