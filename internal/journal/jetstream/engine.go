package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"butler/internal/journal"
	"butler/internal/logx"
)

const (
	// maxPayload bounds a message of the embedded server: a record and its headers.
	maxPayload = 17 << 20
	// headerRoom is what headers may take of a message.
	headerRoom = 4 << 10
	// memoryStreams is what streams in memory may use; we have none.
	memoryStreams = 1 << 20
	readyTimeout  = 30 * time.Second
)

// engine is a connection and, when embedded, the server behind it.
type engine struct {
	server *server.Server // nil when external
	conn   *nats.Conn
	js     jetstream.JetStream
	dir    string
	lines  *serverLog
	alarm  alarm
	// broken is set when the embedded server has to be replaced.
	broken atomic.Bool
}

func startEngine(ctx context.Context, opts Options, log *zap.Logger) (*engine, error) {
	if opts.URL != "" {
		return connect(opts, log)
	}
	return embed(ctx, opts, log)
}

// embed starts a server in this process.
func embed(ctx context.Context, opts Options, log *zap.Logger) (*engine, error) {
	if err := probe(opts.Dir); err != nil {
		return nil, err
	}
	srv, err := server.NewServer(&server.Options{
		ServerName:         "butler",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           opts.Dir,
		SyncAlways:         opts.SyncInterval == 0,
		SyncInterval:       opts.SyncInterval,
		MaxPayload:         maxPayload,
		JetStreamMaxMemory: memoryStreams,
		// The file system says when it is full, not a share of it fixed at start.
		JetStreamMaxStore: math.MaxInt64 / 2,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare journal server: %w", err)
	}
	eng := &engine{server: srv, dir: opts.Dir}
	eng.lines = &serverLog{log: log, failed: eng.alarm.ring}
	srv.SetLoggerV2(eng.lines, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(readyTimeout) || !srv.JetStreamEnabled() {
		eng.stop()
		return nil, fmt.Errorf("%w: journal server does not start: %s", journal.ErrUnavailable, eng.lines.complaint())
	}
	if eng.conn, err = nats.Connect("", append(callbacks(log), nats.InProcessServer(srv), nats.NoReconnect())...); err != nil {
		eng.stop()
		return nil, fmt.Errorf("connect to the journal server: %w", err)
	}
	if eng.js, err = jetstream.New(eng.conn); err != nil {
		eng.stop()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return eng, ctx.Err()
}

// connect uses a server elsewhere. The client connects again by itself; while it
// is disconnected a call fails at once instead of being kept in memory.
func connect(opts Options, log *zap.Logger) (*engine, error) {
	options := append(callbacks(log), nats.Name("butler"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if opts.CredentialsFile != "" {
		options = append(options, nats.UserCredentials(opts.CredentialsFile))
	}
	if len(opts.RootCAs) > 0 {
		options = append(options, nats.RootCAs(opts.RootCAs...))
	}
	if opts.ClientCert != "" {
		options = append(options, nats.ClientCert(opts.ClientCert, opts.ClientKey))
	}
	conn, err := nats.Connect(opts.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: connect to NATS: %w", journal.ErrUnavailable, err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return &engine{conn: conn, js: js}, nil
}

func callbacks(log *zap.Logger) []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("journal connection lost", logx.Err(err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("journal connection is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("journal connection reports an error", logx.Err(err))
		}),
	}
}

func (e *engine) stop() {
	if e.conn != nil {
		e.conn.Close()
	}
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
}

func (e *engine) maxRecord() int { return int(e.conn.MaxPayload()) - headerRoom }

// call bounds a call to the server. After a write error an embedded server says
// so in its log but leaves the caller without an answer, so an error line
// shortens the wait of the calls that are under way.
func (e *engine) call(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	forget := e.alarm.add(func() { time.AfterFunc(callGrace, cancel) })
	return ctx, func() { forget(); cancel() }
}

// alarm runs what was added when it is rung, once.
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

// Codes of JetStream API errors that have a meaning of their own here.
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeMessageTooLarge       = 10054
	codeStoreFailed           = 10077 // the limit of a stream that discards new messages
)

// explain gives err the meaning that the port defines, and notes that the
// embedded server is broken when it no longer answers: after a write error it
// stays silent or turns JetStream off, and only opening it again helps. ctx is
// that of the caller.
func (s *Store) explain(ctx context.Context, eng *engine, err error) error {
	if s.isClosed() {
		return journal.ErrClosed
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case codeInsufficientResources, codeStorageExceeded, codeStoreFailed:
			return fmt.Errorf("%w: %s", journal.ErrFull, api.Description)
		case codeMessageTooLarge:
			return fmt.Errorf("%w: %s", journal.ErrTooLarge, api.Description)
		}
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("%w: %w", journal.ErrTooLarge, err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if eng.server == nil {
		return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
	}
	if !eng.broken.Swap(true) {
		s.log.Warn("journal storage failed and will be opened again", logx.Err(err))
	}
	if err := probe(eng.dir); err != nil {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: journal server: %s", journal.ErrUnavailable, eng.lines.complaint())
	}
	return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// storageError turns an error of the file system into one of the port.
func storageError(err error) error {
	if diskFull(err) {
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	}
	return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
}

// serverLog passes the lines of the server on. It never ends the process.
type serverLog struct {
	log *zap.Logger
	// failed is called for every error line.
	failed func()
	last   atomic.Pointer[string]
}

const serverLine = "journal server"

// ownChoice begins the warning about maxPayload, which is as we want it.
const ownChoice = "Maximum payloads"

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(serverLine, text(format, v)) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

func (l *serverLog) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, ownChoice) {
		l.log.Warn(serverLine, text(format, v))
	}
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.complain(format, v)
	l.failed()
}

// Fatalf is how the server says that it cannot start.
func (l *serverLog) Fatalf(format string, v ...any) { l.complain(format, v) }

func (l *serverLog) complain(format string, v []any) {
	line := fmt.Sprintf(format, v...)
	l.last.Store(&line)
	l.log.Error(serverLine, zap.String("text", line))
}

// complaint returns the last error line, to tell why there is no answer.
func (l *serverLog) complaint() string {
	if line := l.last.Load(); line != nil {
		return strings.TrimSpace(*line)
	}
	return "no answer in time"
}

func text(format string, v []any) zap.Field {
	return zap.String("text", fmt.Sprintf(format, v...))
}
