package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	system "golang.org/x/sys/unix"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/appender"
	"butler/internal/sim/world"
	"butler/messages"
)

// What BenchmarkDecisions sends: events of so many tasks, in datagrams of one
// size, so many a system call, and never so many ahead of the decisions that
// any buffer is full.
const (
	benchTasks = 50
	benchSize  = 330
	benchBurst = 64
	benchAhead = 8192
)

// BenchmarkDecisions measures the processor time of an event from the socket to
// the recorded decision, while the metadata of its task is cached and its
// destination refuses every connection. Time of the processor says more than a
// rate where others use the machine, too. The sender and the simulated site
// share the process: a system call sends a burst, which costs a microsecond an
// event.
func BenchmarkDecisions(b *testing.B) {
	service, execution := deafSite(b)
	sent := 0
	flood := func(n int) {
		burst, err := bursts(service.UDPAddress().String())
		if err != nil {
			b.Fatal(err)
		}
		defer burst.Close()
		for until := sent + n; sent < until; sent += benchBurst {
			awaitNotices(service, sent-benchAhead)
			room := make([]byte, 0, benchBurst*benchSize)
			for i := range benchBurst {
				room = execution(room, sent+i)
			}
			if _, err := burst.Write(room); err != nil {
				b.Fatal(err)
			}
		}
		awaitNotices(service, sent)
	}
	flood(20 * benchTasks)
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	first := sent
	flood(b.N)
	b.StopTimer()
	events := float64(sent - first)
	b.ReportMetric(float64(processorTime(b)-before)/events, "cpu-ns/event")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
}

// deafSite starts a service whose one destination refuses every connection, and
// returns it with what writes the datagram of an execution.
func deafSite(b *testing.B) (*app.App, func(room []byte, n int) []byte) {
	b.Helper()
	dir := b.TempDir()
	s, err := sim.New(sim.Options{Seed: 1, CertDir: filepath.Join(dir, "cert"), World: world.Options{Tasks: 21 * benchTasks}})
	if err == nil {
		err = s.Start()
	}
	if err == nil {
		b.Cleanup(s.Stop)
		err = s.HTTP.Refuse(true)
	}
	if err != nil {
		b.Fatal(err)
	}
	path, err := demo.WriteConfig(s, demo.Settings{
		Directory: dir, LogLevel: "error", Off: []string{"email", "slack", "influxdb", "disklog"},
	})
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	if err != nil {
		b.Fatal(err)
	}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.ErrorLevel))
	before := runtime.GOMAXPROCS(0)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) }) // the next round would have one thread more
	app.TuneRuntime()
	service, err := app.New(app.Options{Config: cfg, Log: log})
	if err == nil {
		err = service.Start(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = service.Stop(ctx)
	})
	return service, executionsOf(b, s)
}

// executionsOf returns what writes the datagram of an execution of one of the tasks.
func executionsOf(b *testing.B, s *sim.Sim) func(room []byte, n int) []byte {
	b.Helper()
	const digits = 12
	var all [][]byte
	for n, last := 0, ""; len(all) < benchTasks; n++ {
		id, ok := s.World.TaskOfType(qlik.TaskReload, n)
		if !ok {
			b.Fatal("the site has too few tasks")
		}
		if id == last {
			continue
		}
		last = id
		task, _ := s.World.Task(id)
		e := world.Execution{TaskID: id, TaskName: task.Name, TaskType: qlik.TaskReload, Node: "sense-node-01"}
		if task.App != nil {
			e.AppID, e.AppName = task.App.ID, task.App.Name
		}
		event := appender.EventOf(e, appender.TypeOf(messages.FamilyFailed), time.Now())
		event.ExecutionID = "00000000-0000-4000-8000-0123456789ab"
		text := appender.Format{}.Append(nil, event)
		all = append(all, append(text, bytes.Repeat([]byte{'.'}, max(0, benchSize-len(text)))...)[:benchSize])
	}
	return func(room []byte, n int) []byte {
		from := len(room)
		room = append(room, all[n%len(all)]...)
		at := from + bytes.Index(room[from:], []byte("0123456789ab"))
		copy(room[at:at+digits], fmt.Appendf(nil, "%0*x", digits, n))
		return room
	}
}

// bursts connects to a receiver. The kernel cuts what is written into datagrams.
func bursts(address string) (*net.UDPConn, error) {
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUDP("udp", nil, to)
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlled := raw.Control(func(fd uintptr) {
		err = system.SetsockoptInt(int(fd), system.IPPROTO_UDP, system.UDP_SEGMENT, benchSize)
	})
	if controlled != nil {
		return nil, controlled
	}
	return conn, err
}

// awaitNotices returns when so many notices have been recorded: all of them wait.
func awaitNotices(service *app.App, n int) {
	for {
		if _, waiting := service.Backlog(); waiting >= n {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
