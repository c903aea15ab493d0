package httpc_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/porttest"
)

// targetVariable names the address that the test calls when it runs as the
// process behind a proxy: a process reads the proxies of its environment once.
const targetVariable = "HTTPC_TEST_TARGET"

const callBehindProxy = "TestProxy_isThatOfTheEnvironment"

func TestProxy_isThatOfTheEnvironment(t *testing.T) {
	if target := os.Getenv(targetVariable); target != "" {
		fmt.Println(call(t, target))
		return
	}
	const password = "pr0xy-passw0rd"
	credentials := base64.StdEncoding.EncodeToString([]byte("anna:" + password))
	var status atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(int(status.Load()))
		fmt.Fprintf(w, "%s says: %s, %s, %s", r.URL.Host, r.Header.Get("Proxy-Authorization"), password, r.Method)
	}))
	defer proxy.Close()
	away := net.JoinHostPort("127.0.0.1", strconv.Itoa(porttest.Of(t, "tcp"))) // nobody listens there
	transient, misconfigured := fmt.Sprintf("kind %d: ", destination.Transient), fmt.Sprintf("kind %d: ", destination.MisconfiguredKind)
	for _, row := range []struct {
		name, target, proxy string
		status              int32
		want                string
	}{
		{"it is asked", "http://sink.example/hook", proxy.Listener.Addr().String(), 200, "accepted with 200: sink.example says: Basic " + credentials + ", " + password + ", POST"},
		{"it refuses, and repeats the credentials", "http://sink.example/hook", proxy.Listener.Addr().String(), 407, misconfigured + "sink.example answered 407 Proxy Authentication Required: sink.example says: Basic ***, ***, POST"},
		{"it wants other credentials for a tunnel", "https://sink.example/hook", proxy.Listener.Addr().String(), 407, misconfigured + "POST https://sink.example: the proxy answered 407 Proxy Authentication Required"},
		{"it cannot make a tunnel", "https://sink.example/hook", proxy.Listener.Addr().String(), 502, transient + "POST https://sink.example: the proxy answered 502 Bad Gateway"},
		{"it is away", "https://sink.example/hook", away, 0, transient + "POST https://sink.example: the proxy on the way to sink.example refuses connections"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status.Store(row.status)
			address := "http://anna:" + password + "@" + row.proxy
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+callBehindProxy+"$")
			child.Env = append(os.Environ(), targetVariable+"="+row.target, "HTTP_PROXY="+address, "HTTPS_PROXY="+address, "NO_PROXY=")
			out, err := child.CombinedOutput()
			if got, _, _ := strings.Cut(string(out), "\n"); err != nil || got != row.want {
				t.Errorf("want %q, got %q (%v)", row.want, got, err)
			}
		})
	}
}

// call posts to an address and words what came of it.
func call(t *testing.T, target string) string {
	t.Helper()
	client, err := httpc.New(destination.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := httpc.Send(client, req)
	if err != nil {
		kind, _ := destination.KindOf(err)
		return fmt.Sprintf("kind %d: %v", kind, err)
	}
	return fmt.Sprintf("accepted with %d: %s", answer.Status, answer.Body)
}
