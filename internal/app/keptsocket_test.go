//go:build linux

package app_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"butler/internal/demo"
	"butler/internal/systemd"
)

// serviceManager keeps the sockets of a service, as systemd does.
type serviceManager struct {
	t      *testing.T
	path   string
	socket *net.UnixConn

	mu   sync.Mutex
	kept []*os.File
}

func newServiceManager(t *testing.T, v *service) *serviceManager {
	t.Helper()
	// A service learns by its own process ID that sockets are meant for it.
	starter := filepath.Join(v.dir, "start")
	must(t, os.WriteFile(starter, []byte(fmt.Sprintf("#!/bin/sh\n%s=$$ exec '%s' \"$@\"\n", systemd.PIDEnv, v.binary)), 0o700))
	v.binary = starter
	m := &serviceManager{t: t, path: "@butler-" + rand.Text()} // an abstract name
	var err error
	m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	must(t, err)
	var serving sync.WaitGroup
	serving.Go(m.serve)
	v.launch, v.keptSocket = m.start, true
	t.Cleanup(func() {
		_ = m.socket.Close()
		serving.Wait()
		m.forget()
	})
	return m
}

func (m *serviceManager) serve() {
	message, control := make([]byte, 4096), make([]byte, 256)
	for {
		n, carried, _, _, err := m.socket.ReadMsgUnix(message, control)
		if err != nil {
			return
		}
		files := m.files(control[:carried])
		switch text := string(message[:n]); {
		case strings.HasPrefix(text, "FDSTOREREMOVE=1"):
			m.forget()
		case strings.HasPrefix(text, "FDSTORE=1"):
			m.mu.Lock()
			m.kept = append(m.kept, files...)
			m.mu.Unlock()
			continue
		}
		for _, f := range files { // a barrier ends when its descriptor is closed
			_ = f.Close()
		}
	}
}

func (m *serviceManager) files(control []byte) []*os.File {
	parsed, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		m.t.Error(err)
	}
	var out []*os.File
	for i := range parsed {
		descriptors, err := syscall.ParseUnixRights(&parsed[i])
		if err != nil {
			m.t.Error(err)
		}
		for _, fd := range descriptors {
			out = append(out, os.NewFile(uintptr(fd), "kept"))
		}
	}
	return out
}

func (m *serviceManager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.kept {
		_ = f.Close()
	}
	m.kept = nil
}

func (m *serviceManager) stored() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.kept)
}

// start starts a process as systemd does: with the sockets that are kept.
func (m *serviceManager) start(cmd *exec.Cmd) error {
	m.mu.Lock() // nothing is closed while it is passed on
	defer m.mu.Unlock()
	cmd.ExtraFiles = m.kept
	cmd.Env = append(cmd.Env, systemd.SocketEnv+"="+m.path, fmt.Sprintf("%s=%d", systemd.SocketsEnv, len(m.kept)))
	return cmd.Start()
}

// begin starts a process that keeps its socket.
func (m *serviceManager) begin(v *service) {
	m.t.Helper()
	v.start()
	v.ready()
	v.until("one socket is kept", func() bool { return m.stored() == 1 })
}

// received waits until the running process has read n datagrams.
func (v *service) received(n float64) {
	v.t.Helper()
	v.until("the datagrams are read", func() bool { return v.metrics()["butler_udp_packets_received_total"] == n })
}

// failure is the datagram of a failed task.
func failure(n int) []byte {
	return fmt.Appendf(nil, `/scheduler-task-failed/;127.0.0.1;Daily sales;;INTERNAL\sa_scheduler;657d54d6-6275-41ee-9921-a919f768ff35;;`+
		"2026-11-20 10:00:0%d,000;WARN;8a1cb3e5-2f19-4ac0-9e5e-00000000000%d;Max retries reached", n, n)
}

// Under systemd, everything that was sent is accepted, whoever ended the process, except
// for what it had read and not stored when it was killed.
func TestCrash_underSystemdMissesNothingBetweenTwoProcesses(t *testing.T) {
	seed := seedOf(t)
	v := crashService(t, crashSite(t, seed), demo.Settings{PollEvery: "1s"})
	m := newServiceManager(t, v)
	f := newTraffic(t, v, crashMix, seed)
	m.begin(v)
	stop := load(t, f, loadRate)
	for _, end := range []func(){v.kill, func() { v.terminate(drainTime) }, v.kill} {
		pause(t, storeTime+settleTime)
		end()
		pause(t, settleTime)
		m.begin(v)
	}
	pause(t, storeTime+settleTime)
	stop()
	v.end()
	report(t, v, gather(t, v, f, nil))
}

func TestService_opensAnotherSocketAfterItsAddressHasChanged(t *testing.T) {
	v := newService(t, siteOf(t).sim, demo.Settings{})
	m := newServiceManager(t, v)
	m.begin(v)
	v.kill()
	edit(t, v.config, "serverHost: 127.0.0.1", "serverHost: 127.0.0.3") // and the same port
	v.udp = strings.Replace(v.udp, "127.0.0.1", "127.0.0.3", 1)
	m.begin(v)
	datagrams(t, "127.0.0.1", v.udp, failure(1))
	v.received(1)
	v.kill()
	datagrams(t, "127.0.0.1", v.udp, failure(2))
	m.begin(v)
	v.received(1)

	v.kill()
	edit(t, v.config, "udpServerConfig: {enable: true", "udpServerConfig: {enable: false")
	v.start()
	v.until("the socket is given up", func() bool { return m.stored() == 0 })
}
