//go:build unix

package kv

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/messages"
	"butler/supervisors"
)

// childDir is the environment variable with the directory of the journal. It is set when
// the test binary runs as the process to be killed.
const childDir = "BUTLER_KV_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Println("error:", putForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// onDisk is a store on a real journal.
type onDisk struct {
	store  *jetstream.Store
	ledger *journal.Ledger
	kit    *actorkit.Kit
	pid    *actor.PID
}

func openOnDisk(dir string) (*onDisk, error) {
	ctx := context.Background()
	s, err := jetstream.Open(ctx, jetstream.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	log, err := s.Open(ctx, "kv", journal.Limits{})
	if err != nil {
		return nil, err
	}
	ledger, err := journal.OpenLedger(ctx, log, journal.LedgerOptions{})
	if err != nil {
		return nil, err
	}
	kit := actorkit.New(zap.NewNop(), nil)
	strategy := supervisors.NewStrategy(supervisors.Service, zap.NewNop(), supervisors.NewBoard(), func(string, any) {})
	opts := Options{Kit: kit, Ledger: ledger, Limits: Limits{Keys: 1 << 20}, Supervise: strategy}
	pid, err := kit.System.Root.SpawnNamed(opts.Props().Clone(actor.WithGuardian(strategy)), "kv")
	return &onDisk{s, ledger, kit, pid}, err
}

// asker returns the address of an actor that calls handle for every answer.
func (d *onDisk) asker(handle func(message any)) messages.Ref {
	return actorkit.RefOf(d.kit.System.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) { handle(ctx.Message()) })))
}

// putForever keeps sixteen puts in progress, and prints the number of every value that
// was acknowledged.
func putForever(dir string) error {
	d, err := openOnDisk(dir)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 16 {
		next := w
		var self messages.Ref
		put := func() {
			d.kit.System.Root.Send(d.pid, messages.PutValue{
				Namespace: fmt.Sprint("etl ", w%3), Key: fmt.Sprint("key ", next), Value: strings.Repeat("v", next%2000),
				TTL: time.Hour, ReplyTo: self,
			})
		}
		self = d.asker(func(message any) {
			reply, ok := message.(messages.PutValueReply)
			switch {
			case !ok:
				return
			case reply.Failure.Failed():
				failed <- reply.Failure
			}
			fmt.Println(next)
			next += 16
			put()
		})
		put()
	}
	return <-failed
}

// A process is killed while it puts as fast as it can: every acknowledged value must be
// found again, with its time to live.
func TestStore_findsEveryAcknowledgedPutAfterKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), childDir+"="+dir), os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var acknowledged []int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var n int
		if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if acknowledged = append(acknowledged, n); len(acknowledged) == 2000 {
			must(t, cmd.Process.Signal(syscall.SIGKILL))
		}
	}
	_ = cmd.Wait() // it was killed

	d, err := openOnDisk(dir)
	must(t, err)
	answers := make(chan messages.GetValueReply)
	self := d.asker(func(message any) {
		if reply, ok := message.(messages.GetValueReply); ok {
			answers <- reply
		}
	})
	for _, n := range acknowledged {
		ns, key := fmt.Sprint("etl ", n%16%3), fmt.Sprint("key ", n)
		d.kit.System.Root.Send(d.pid, messages.GetValue{Namespace: ns, Key: key, ReplyTo: self})
		got := <-answers
		if !got.Found || len(got.Value) != n%2000 || got.TTL <= 0 || got.TTL > time.Hour {
			t.Fatalf("want value %d as acknowledged, got found %v, %d bytes, %v left", n, got.Found, len(got.Value), got.TTL)
		}
	}
	must(t, d.kit.System.Root.StopFuture(d.pid).Wait())
	must(t, d.ledger.Close(t.Context()))
	must(t, d.store.Close())
	t.Logf("%d values were acknowledged before the kill", len(acknowledged))
}

// The time from a put to its acknowledgement on a journal that syncs, by the number of
// puts in progress.
func BenchmarkStore_put(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients, " at a time"), func(b *testing.B) {
			d, err := openOnDisk(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			acknowledged := make(chan struct{}, clients)
			self := d.asker(func(message any) {
				if _, ok := message.(messages.PutValueReply); ok {
					acknowledged <- struct{}{}
				}
			})
			for range clients {
				acknowledged <- struct{}{}
			}
			for i := 0; b.Loop(); i++ {
				<-acknowledged
				d.kit.System.Root.Send(d.pid, messages.PutValue{
					Namespace: "etl", Key: fmt.Sprint("key ", i%1000), Value: strings.Repeat("v", 100), TTL: time.Hour, ReplyTo: self,
				})
			}
			for range clients {
				<-acknowledged
			}
			_ = d.kit.System.Root.StopFuture(d.pid).Wait()
			_ = d.ledger.Close(b.Context())
			_ = d.store.Close()
		})
	}
}
