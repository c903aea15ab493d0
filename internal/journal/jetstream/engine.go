package jetstream

import (
	"context"
	"fmt"
	"math"
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
	// headerRoom is the maximum size of the headers of a message.
	headerRoom = 4 << 10
	// memoryStreams is the limit for streams in memory; there are none.
	memoryStreams = 1 << 20
	readyTimeout  = 30 * time.Second
	// stopTimeout is how long a server may take to stop before it is abandoned.
	stopTimeout = 5 * time.Second
)

// engine is a server and the connection to it.
type engine struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	way    string // the path by which the server reaches its files
	log    *zap.Logger
	lines  *serverLog
	alarm  alarm
	// broken is set when the server has to be replaced.
	broken atomic.Bool
}

// startEngine starts a server in this process.
func startEngine(opts Options, log *zap.Logger) (*engine, error) {
	if err := probe(opts.Dir, roomToStart); err != nil {
		return nil, err
	}
	way, err := openWay(opts.Dir)
	if err != nil {
		return nil, storageError(err)
	}
	srv, err := server.NewServer(&server.Options{
		ServerName:         "butler",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           way,
		SyncAlways:         opts.SyncInterval == 0,
		SyncInterval:       opts.SyncInterval,
		MaxPayload:         maxPayload,
		JetStreamMaxMemory: memoryStreams,
		// The file system decides when it is full, not a share of it that is fixed at start.
		JetStreamMaxStore: math.MaxInt64 / 2,
	})
	if err != nil {
		closeWay(way)
		return nil, fmt.Errorf("prepare journal server: %w", err)
	}
	eng := &engine{server: srv, way: way, log: log}
	eng.lines = &serverLog{log: log, way: way, dir: opts.Dir, failed: eng.alarm.ring}
	srv.SetLoggerV2(eng.lines, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(readyTimeout) || !srv.JetStreamEnabled() {
		eng.stop()
		return nil, fmt.Errorf("%w: journal server does not start: %s", journal.ErrUnavailable, eng.lines.complaint())
	}
	if eng.conn, err = nats.Connect("", nats.InProcessServer(srv), nats.NoReconnect(), nats.Timeout(readyTimeout),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("journal connection reports an error", logx.Err(err))
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("journal connection lost", logx.Err(err))
			}
		})); err != nil {
		eng.stop()
		return nil, fmt.Errorf("connect to the journal server: %w", err)
	}
	if eng.js, err = jetstream.New(eng.conn); err != nil {
		eng.stop()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return eng, nil
}

// stop stops the server. A server that deadlocks, as after a write error in the middle
// of a purge, is abandoned, without access to the files.
func (e *engine) stop() {
	if e.conn != nil {
		e.conn.Close()
	}
	stopped := make(chan struct{})
	go func() {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		close(stopped)
	}()
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-stopped:
	case <-late.C:
		e.log.Error("journal server does not stop and is left behind; its memory is free again when butler restarts")
	}
	closeWay(e.way)
}

// unread returns the number of failed reads of files by the server.
func (e *engine) unread() int64 { return e.lines.unread.Load() }

func (e *engine) maxRecord() int { return int(e.conn.MaxPayload()) - headerRoom }

// call returns the context for a call to the server. After a write error the server
// writes an error line but sends no reply, so an error line shortens the timeout of
// the calls in progress.
func (e *engine) call(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	forget := e.alarm.add(func() { time.AfterFunc(callGrace, cancel) })
	return ctx, func() { forget(); cancel() }
}
