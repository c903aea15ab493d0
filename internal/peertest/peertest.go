// Package peertest runs real servers for tests, of Debian packages.
//
// It guarantees that a server listens on a free port of this machine and is gone
// when its test ends.
package peertest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"butler/internal/porttest"
)

// Address returns a loopback address that nobody listens on.
func Address(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(porttest.Of(t, "tcp")))
}

// Start runs a server until the test ends, and returns when ready, an address of
// its web server, answers.
func Start(t *testing.T, ready, program string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v (its Debian package is needed)", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended //nolint:errcheck // it was killed
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", program, err, output.String())
		case <-deadline:
			t.Fatalf("%s is not ready", program)
		case <-tick.C:
			if resp, err := http.Get(ready); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode < 300 {
					return
				}
			}
		}
	}
}

// InfluxDB runs an InfluxDB 1.6 and returns its address.
func InfluxDB(t *testing.T) string {
	t.Helper()
	dir, address := t.TempDir(), Address(t)
	config := filepath.Join(dir, "influxdb.conf")
	text := fmt.Sprintf("reporting-disabled = true\nbind-address = %q\n[meta]\n dir = %q\n[data]\n dir = %q\n wal-dir = %q\n[http]\n bind-address = %q\n",
		Address(t), filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	Start(t, "http://"+address+"/ping", "influxd", "-config", config)
	return address
}

// Get returns the body of an answer.
func Get(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", address, resp.Status, err, body)
	}
	return string(body)
}
