package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/engine"
	"butler/messages"
)

// peer is the server's end of a session that a test writes frame by frame.
type peer struct {
	socket *websocket.Conn
	wire   net.Conn
	ctx    context.Context
}

// text sends a text message.
func (p *peer) text(text string) { _ = p.socket.Write(p.ctx, websocket.MessageText, []byte(text)) }

// bytes puts bytes on the connection that need not be a frame.
func (p *peer) bytes(raw ...byte) { _, _ = p.wire.Write(raw) }

// call reads the next call of the client and returns its number.
func (p *peer) call() int {
	_, text, err := p.socket.Read(p.ctx)
	if err != nil {
		return 0
	}
	var call struct {
		ID int `json:"id"`
	}
	_ = json.Unmarshal(text, &call)
	return call.ID
}

// wait returns when the client is gone.
func (p *peer) wait() {
	for p.call() != 0 {
	}
}

// wireKeeper keeps the connection that a WebSocket takes over.
type wireKeeper struct {
	http.ResponseWriter
	wire *net.Conn
}

func (k *wireKeeper) Hijack() (conn net.Conn, buffered *bufio.ReadWriter, err error) {
	conn, buffered, err = http.NewResponseController(k.ResponseWriter).Hijack()
	*k.wire = conn
	return conn, buffered, err
}

// scripted starts an engine that is one function and returns a client of it.
func scripted(t *testing.T, script func(*peer)) *engine.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &peer{ctx: r.Context()}
		socket, err := websocket.Accept(&wireKeeper{w, &p.wire}, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return
		}
		defer func() { _ = socket.CloseNow() }()
		p.socket = socket
		script(p)
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.Listener.Addr().String(), func(o *engine.Options) {
		withToken(o)
		o.MaxMessage, o.CallTimeout = 1<<16, 2*time.Second
	})
}

const list = `{"jsonrpc":"2.0","id":%d,"result":{"qDocList":[{"qDocId":"a","qDocName":"A"}]}}`

func TestSession_ignoresWhatIsNotItsAnswer(t *testing.T) {
	tests := []struct {
		name   string
		before []string
	}{
		{"notifications", []string{
			`{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}`,
			`{"jsonrpc":"2.0","method":"OnAuthenticationInformation","params":{"mustAuthenticate":false}}`,
			`{"jsonrpc":"2.0","method":"OnMaxParallelSessionsExceeded"}`,
			`{"jsonrpc":"2.0","method":"OnOdd","params":[1,2]}`,
			`{"jsonrpc":"2.0","change":[1],"close":[2]}`,
		}},
		{"a session that the engine complains of and goes on with", []string{
			`{"method":"OnConnected","params":{"qSessionState":"SESSION_ERROR_NO_LICENSE"}}`,
		}},
		{"answers that nobody asked for", []string{
			`{"id":99,"result":{"qDocList":[]}}`, `{"id":-1,"result":{}}`, `{"id":99,"error":{"code":2}}`, `{"id":1.0,"result":{}}`,
		}},
		{"more such answers than may be kept", slices.Repeat([]string{`{"id":99,"result":{"x":"` + strings.Repeat("x", 1<<15) + `"}}`}, 9)},
		{"numbers that are none", []string{`{"id":"1","result":{}}`, `{"id":[1],"result":{}}`, `{"id":{"a":1},"result":{}}`}},
		{"nothing at all", []string{`{}`, `null`, `{"id":null,"result":{}}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := scripted(t, func(p *peer) {
				id := p.call()
				for _, message := range test.before {
					p.text(message)
				}
				p.text(fmt.Sprintf(list, id))
				p.wait()
			})
			got, err := client.ListApps(t.Context())
			if diff := cmp.Diff([]engine.App{{ID: "a", Name: "A"}}, got); err != nil || diff != "" {
				t.Errorf("%v, apps (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestSession_endsAtAFrameThatMakesNoSense(t *testing.T) {
	huge := strings.Repeat("x", 1<<16)
	tests := []struct {
		name   string
		script func(*peer)
		kind   messages.FailureKind
	}{
		{"binary message", func(p *peer) { _ = p.socket.Write(p.ctx, websocket.MessageBinary, []byte(`{"id":1,"result":{}}`)) }, messages.FailureInvalid},
		{"text that is not UTF-8", func(p *peer) { p.text("{\"id\":1,\"result\":{\"qDocList\":[{\"qDocName\":\"\xff\"}]}}") }, messages.FailureInvalid},
		{"a list", func(p *peer) { p.text(`[{"id":1}]`) }, messages.FailureInvalid},
		{"two documents in one", func(p *peer) { p.text(`{"id":1,"result":{"qDocList":[]}}{}`) }, messages.FailureInvalid},
		{"result that is no object", func(p *peer) { p.text(`{"id":1,"result":[]}`) }, messages.FailureInvalid},
		{"no result and no error", func(p *peer) { p.text(`{"id":1}`) }, messages.FailureInvalid},
		{"code that is no number", func(p *peer) { p.text(`{"id":1,"error":{"code":"x"}}`) }, messages.FailureInvalid},
		{"names that are numbers", func(p *peer) { p.text(`{"id":1,"result":{"qDocList":[{"qDocId":1}]}}`) }, messages.FailureInvalid},
		{"patches instead of a result", func(p *peer) {
			p.text(`{"id":1,"delta":true,"result":{"qDocList":[{"op":"add","path":"/","value":[]}]}}`)
		}, messages.FailureInvalid},
		{"huge message", func(p *peer) { p.text(`{"id":1,"result":{"qDocList":[],"x":"` + huge + `"}}`) }, messages.FailureInvalid},
		{"huge message that is small on the wire", func(p *peer) {
			p.text(`{"id":1,"result":{"qDocList":[]}}` + strings.Repeat(" ", 10<<20))
		}, messages.FailureInvalid},
		{"frame longer than there is memory", func(p *peer) {
			p.bytes(0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
			p.bytes(bytes.Repeat([]byte{' '}, 1<<17)...)
		}, messages.FailureInvalid},
		{"frame of negative length", func(p *peer) { p.bytes(0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0) }, messages.FailureInvalid},
		{"frame of an unknown kind", func(p *peer) { p.bytes(0x83, 0) }, messages.FailureInvalid},
		{"continuation of nothing", func(p *peer) { p.bytes(0x80, 1, 'x') }, messages.FailureInvalid},
		{"reserved bits", func(p *peer) { p.bytes(0xb1, 1, 'x') }, messages.FailureInvalid},
		{"compressed rubbish", func(p *peer) { p.bytes(0xc1, 4, 0xff, 0xff, 0xff, 0xff) }, messages.FailureInvalid},
		{"text that is no frame", func(p *peer) { p.bytes([]byte("HTTP/1.1 500 go away\r\n\r\n")...) }, messages.FailureInvalid},
		{"half a header", func(p *peer) {
			p.bytes(0x81)
			_ = p.wire.Close()
		}, messages.FailureUnavailable},
		{"error of no call in particular", func(p *peer) { p.text(`{"id":null,"error":{"code":-32700,"message":"Parse error"}}`) }, messages.FailureRejected},
		{"a log-in is wanted", func(p *peer) {
			p.text(`{"method":"OnAuthenticationInformation","params":{"mustAuthenticate":true,"loginUri":"https://` + user + `/"}}`)
		}, messages.FailureRejected},
		{"no licence, then farewell", func(p *peer) {
			p.text(`{"method":"OnConnected","params":{"qSessionState":"SESSION_ERROR_NO_LICENSE"}}`)
			_ = p.socket.Close(websocket.StatusNormalClosure, "")
		}, messages.FailureRejected},
		{"farewell", func(p *peer) { _ = p.socket.Close(websocket.StatusNormalClosure, token) }, messages.FailureUnavailable},
		{"going away", func(p *peer) { _ = p.socket.Close(websocket.StatusGoingAway, user) }, messages.FailureUnavailable},
		{"against the policy", func(p *peer) { _ = p.socket.Close(websocket.StatusPolicyViolation, token) }, messages.FailureRejected},
		{"our message is wrong", func(p *peer) { _ = p.socket.Close(websocket.StatusProtocolError, "") }, messages.FailureInvalid},
		{"farewell of an impossible code", func(p *peer) { p.bytes(0x88, 2, 0, 1) }, messages.FailureInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := scripted(t, func(p *peer) {
				p.call()
				test.script(p)
				p.wait()
			})
			_, err := client.ListApps(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			if kind := kindOf(t, err); kind != test.kind {
				t.Errorf("error %v of kind %v, want %v", err, kind, test.kind)
			}
			wantSafe(t, err)
		})
	}
}

func TestErrors_sayInPlainWordsWhatAnAnswerHasOddly(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"an answer without a shape", `7`, "GetDocList: the answer has a JSON number where an object is wanted"},
		{"an error that is a text", `{"id":%d,"error":"no"}`, "GetDocList: the answer has a JSON string at error where an object is wanted"},
		{"a code that is a text", `{"id":%d,"error":{"code":"2"}}`, "GetDocList: the answer has a JSON string at error.code where a whole number is wanted"},
		{"apps that are texts", `{"id":%d,"result":{"qDocList":["a"]}}`, "GetDocList: the answer has a JSON string where an object is wanted"},
		{"a name that is a flag", `{"id":%d,"result":{"qDocList":[{"qDocName":true}]}}`, "GetDocList: the answer has a JSON bool at qDocName where text is wanted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := scripted(t, func(p *peer) {
				id := p.call()
				p.text(strings.ReplaceAll(test.answer, "%d", strconv.Itoa(id)))
				p.wait()
			})
			_, err := client.ListApps(t.Context())
			if kind := kindOf(t, err); kind != messages.FailureInvalid || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error %v, want an invalid answer: %s", err, test.want)
			}
		})
	}
}

func TestReload_saysInPlainWordsWhatAnAnswerHasOddly(t *testing.T) {
	const version, opened = `{"qVersion":{}}`, `{"qReturn":{"qType":"Doc","qHandle":1}}`
	tests := []struct {
		name    string
		results []string
		want    string
	}{
		{"a handle that is a text", []string{version, `{"qReturn":{"qType":"Doc","qHandle":"1"}}`}, "OpenDoc: the answer has a JSON string at qReturn.qHandle where a whole number is wanted"},
		{"a document that is a list", []string{version, `{"qReturn":[]}`}, "OpenDoc: the answer has a JSON array at qReturn where an object is wanted"},
		{"an outcome that is a text", []string{version, opened, `{"qReturn":"true"}`}, "DoReload: the answer has a JSON string at qReturn where true or false is wanted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := scripted(t, func(p *peer) {
				for _, result := range test.results {
					p.text(fmt.Sprintf(`{"id":%d,"result":%s}`, p.call(), result))
				}
				p.wait()
			})
			ended := make(chan error, 1)
			_, err := client.Reload(t.Context(), engine.Reload{AppID: "a"}, func(o engine.ReloadOutcome) { ended <- o.Err })
			if err == nil {
				err = <-ended
			}
			if kind := kindOf(t, err); kind != messages.FailureInvalid || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error %v, want an invalid answer: %s", err, test.want)
			}
		})
	}
}

func TestSession_isNotKeptBusyForEver(t *testing.T) {
	tests := []struct {
		name   string
		script func(*peer)
	}{
		{"notifications without end", func(p *peer) {
			for p.socket.Write(p.ctx, websocket.MessageText, []byte(`{"method":"OnTick"}`)) == nil {
			}
		}},
		{"an answer that drips", func(p *peer) {
			p.bytes(0x01, 1, ' ') // the first frame of a message, and then one more for ever
			for _, err := p.wire.Write([]byte{0, 1, ' '}); err == nil; _, err = p.wire.Write([]byte{0, 1, ' '}) {
				<-time.After(5 * time.Millisecond)
			}
		}},
		{"pings instead of an answer", func(p *peer) {
			ctx := p.socket.CloseRead(p.ctx)
			for p.socket.Ping(ctx) == nil {
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := scripted(t, func(p *peer) {
				p.call()
				test.script(p)
			})
			_, err := client.ListApps(t.Context())
			if kind := kindOf(t, err); kind != messages.FailureTimeout {
				t.Errorf("error %v of kind %v, want a timeout", err, kind)
			}
		})
	}
}

func TestSession_keepsOnlySoMuchOfWhatCameTooEarly(t *testing.T) {
	client := scripted(t, func(p *peer) {
		// OpenDoc, two properties, lineage; then the list of sheets and its items.
		answers := []string{
			`{"qReturn":{"qType":"Doc","qHandle":1}}`, `{"qProp":{}}`, `{"qScript":""}`, `{"qLineage":[]}`,
			`{"qReturn":{"qType":"GenericObject","qHandle":2}}`,
			`{"qLayout":{"qAppObjectList":{"qItems":[` + strings.Repeat(`{"qInfo":{"qId":"a"}},`, 7) + `{"qInfo":{"qId":"b"}}]}}}`,
		}
		for _, answer := range answers {
			p.text(fmt.Sprintf(`{"id":%d,"result":%s}`, p.call(), answer))
		}
		first := p.call()
		for range 7 {
			p.call()
		}
		// All but the first, each within the limit of one message.
		for i := 7; i > 0; i-- {
			p.text(fmt.Sprintf(`{"id":%d,"result":{"x":%q}}`, first+i, strings.Repeat("x", 1<<15)))
		}
		p.wait()
	})
	_, err := client.Dump(t.Context(), "a", io.Discard)
	if kind := kindOf(t, err); kind != messages.FailureInvalid || !strings.Contains(err.Error(), "more than allowed") {
		t.Errorf("error %v of kind %v, want that it is too much", err, kind)
	}
}

func TestSession_doesNotFollowToAnotherHost(t *testing.T) {
	asked := make(chan struct{}, 1)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	_, err := newClient(t, server.Listener.Addr().String(), nil).ListApps(t.Context())
	if kind := kindOf(t, err); kind != messages.FailureRejected {
		t.Errorf("error %v, want rejected", err)
	}
	select {
	case <-asked:
		t.Error("the other host was asked, with our headers")
	default:
	}
}

func TestSession_farewellIsNotWaitedForLong(t *testing.T) {
	client := scripted(t, func(p *peer) {
		p.text(fmt.Sprintf(list, p.call()))
		_, _ = io.Copy(io.Discard, p.wire) // never says farewell
	})
	begin := time.Now()
	if _, err := client.ListApps(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}
