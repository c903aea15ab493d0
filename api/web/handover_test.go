package web_test

import (
	"net/http"
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/sockets"
	"butler/api/web"
	"butler/api/web/webtest"
)

// named is a server that answers with its name; one of those that share sockets.
func named(t *testing.T, shared *sockets.Shared, name func() string) *web.Server {
	t.Helper()
	listener, err := shared.Listen("127.0.0.1:0", "port", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	answer := func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(name()) }
	server := web.New(listener, answer, func(ctx *fasthttp.RequestCtx, err error) { web.Fail(ctx, web.Unreadable(err)) }, nil)
	webtest.Serve(t, server)
	return server
}

// ask asks over a connection of its own and returns the answer.
func ask(t *testing.T, server *web.Server) string {
	t.Helper()
	return askOver(t, webtest.Client, server)
}

// askOver asks over a connection of the client.
func askOver(t *testing.T, client *http.Client, server *web.Server) string {
	t.Helper()
	_, text := webtest.Answer(t, client, webtest.Request(t, http.MethodGet, "http://"+server.Address()+"/readyz", ""))
	return text
}

func TestSockets_whoConnectsAfterAServerHasLeftReachesItsSuccessor(t *testing.T) {
	var shared sockets.Shared
	current := named(t, &shared, func() string { return "a" })
	for _, name := range []string{"b", "c", "d", "e"} {
		next := named(t, &shared, func() string { return name })
		if next.Address() != current.Address() {
			t.Fatalf("want both at %s, got %s", current.Address(), next.Address())
		}
		if err := current.HandOver(nil); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if got := ask(t, next); got != name {
				t.Fatalf("want the answer of %s, got %s", name, got)
			}
		}
		current = next
	}
}

func TestSockets_aServerThatHasLeftFinishesItsCalls(t *testing.T) {
	var shared sockets.Shared
	begun, goOn := make(chan bool), make(chan bool)
	first := true
	old := named(t, &shared, func() string {
		if first {
			first = false
			close(begun)
			<-goOn
		}
		return "old"
	})
	answered := make(chan string, 1)
	go func() { answered <- ask(t, old) }()
	<-begun
	next := named(t, &shared, func() string { return "next" })
	if err := old.HandOver(nil); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, next); got != "next" {
		t.Errorf("want the successor to answer meanwhile, got %s", got)
	}
	close(goOn)
	if got := <-answered; got != "old" {
		t.Errorf("want the call that was under way answered, got %s", got)
	}
}

func TestSockets_aConnectionEndsWithItsNextAnswerWhenItsServerHasLeft(t *testing.T) {
	var shared sockets.Shared
	old := named(t, &shared, func() string { return "old" })
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post := func() (last bool) {
		t.Helper()
		answer, _ := webtest.Answer(t, client, webtest.Request(t, http.MethodPost, "http://"+old.Address()+"/healthz", "x"))
		return answer.Close
	}
	if post() {
		t.Error("want the connection kept")
	}
	if err := old.HandOver(nil); err != nil {
		t.Fatal(err)
	}
	if !post() {
		t.Error("want the connection closed with the answer")
	}
}

func TestSockets_aCallOverAConnectionFromBeforeIsAnsweredByTheSuccessor(t *testing.T) {
	var shared sockets.Shared
	old := named(t, &shared, func() string { return "old" })
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func() string { return askOver(t, client, old) }
	get()
	next := named(t, &shared, func() string { return "next" })
	newest := named(t, &shared, func() string { return "newest" })
	for _, handed := range []struct{ from, to *web.Server }{{old, next}, {next, newest}} {
		if err := handed.from.HandOver(handed.to); err != nil {
			t.Fatal(err)
		}
	}
	if answer := get(); answer != "newest" {
		t.Errorf("want the newest server to answer, got %s", answer)
	}
}
