package enginesim

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"butler/internal/sim/edge"
)

// maxCall bounds one call of a client, in bytes.
const maxCall = 1 << 20

// together is how long a shuffling session waits for further calls of a batch.
const together = 2 * time.Millisecond

// session is one open session.
type session struct {
	server *Server
	socket *websocket.Conn
	wire   net.Conn
	number int64
	path   string
	calls  int
	state  state
}

// call is a message of a client.
type call struct {
	ID     json.RawMessage   `json:"id"`
	Handle int               `json:"handle"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
	Delta  bool              `json:"delta"`
}

// reply is the answer to a call.
type reply struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Delta   bool            `json:"delta,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// served reports whether sessions begin at a path.
func served(path string) bool {
	app, ok := strings.CutPrefix(path, "/app/")
	return path == "/" || ok && app != ""
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !served(r.URL.Path):
		http.Error(w, "there is nothing at this path", http.StatusNotFound)
		return
	case r.Header.Get("X-Qlik-User") == "":
		http.Error(w, "no user", http.StatusForbidden)
		return
	}
	taken := &takenOver{ResponseWriter: w}
	socket, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		return
	}
	if !s.enter() {
		_ = socket.CloseNow()
		return
	}
	defer s.running.Done()
	s.open.Add(1)
	socket.SetReadLimit(maxCall)
	t := &session{server: s, socket: socket, wire: taken.wire, number: s.last.Add(1), path: r.URL.Path}
	t.state.handles = make(map[int]object)
	code := t.serve(r.Context())
	_ = socket.CloseNow()
	s.open.Add(-1)
	s.ended.Add(Session{
		Number: t.number, Path: t.path, User: r.Header.Get("X-Qlik-User"), Calls: t.calls, CloseCode: code,
	})
}

// enter registers a session; false after Stop, which waits for the earlier ones.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running.Add(1)
	return true
}

// takenOver records the connection of a WebSocket, so that it can be broken.
type takenOver struct {
	http.ResponseWriter
	wire net.Conn
}

// Hijack takes the connection over from the server.
func (t *takenOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.wire = conn
	return conn, buffered, err
}

// serve answers calls until the session ends, and returns the close code of the client,
// -1 for none. A call in progress ends when the client leaves.
func (t *session) serve(ctx context.Context) int {
	ctx, leave := context.WithCancelCause(ctx)
	calls, read := make(chan call), make(chan struct{})
	go func() {
		defer close(read)
		t.read(ctx, calls, leave)
	}()
	defer func() {
		leave(nil)
		<-read
	}()
	if t.notify(ctx, "OnConnected", map[string]any{"qSessionState": "SESSION_CREATED"}) != nil {
		return -1
	}
	for ctx.Err() == nil {
		batch := t.next(ctx, calls)
		for i := range batch {
			if t.server.options.Shuffle {
				i = len(batch) - 1 - i
			}
			if !t.answer(ctx, batch[i]) {
				return int(websocket.CloseStatus(context.Cause(ctx)))
			}
		}
	}
	return int(websocket.CloseStatus(context.Cause(ctx)))
}

// read passes calls on, so that pings are answered while a call is in progress. It
// calls leave with the reason why there are no more.
func (t *session) read(ctx context.Context, calls chan<- call, leave context.CancelCauseFunc) {
	for {
		_, text, err := t.socket.Read(ctx)
		var c call
		if err == nil {
			err = json.Unmarshal(text, &c)
		}
		if err != nil {
			leave(err)
			return
		}
		select {
		case calls <- c:
		case <-ctx.Done():
			return
		}
	}
}

// next returns the next call, or the next batch of calls with Shuffle.
func (t *session) next(ctx context.Context, calls <-chan call) (batch []call) {
	var wait <-chan time.Time
	for {
		select {
		case c := <-calls:
			batch = append(batch, c)
			if !t.server.options.Shuffle {
				return batch
			}
			wait = time.After(together)
		case <-wait:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
}

// answer handles one call; false when the session is over.
func (t *session) answer(ctx context.Context, c call) bool {
	t.calls++
	verdict := t.server.http.Faults().Judge(c.Method, t.path)
	params, _ := json.Marshal(c.Params)
	record := Call{
		Session: t.number, Method: c.Method, Handle: c.Handle, Params: string(params),
		At: t.server.world.Now(), Fault: verdict.Fault.Kind,
	}
	defer func() { t.server.calls.Add(record) }()
	if !edge.Pause(ctx, verdict.Delay) {
		return false
	}
	switch verdict.Fault.Kind {
	case edge.Hang:
		return true
	case edge.ResetBefore:
		return t.drop()
	default:
	}
	r := t.handle(ctx, c, verdict.Fault)
	if r.Error != nil {
		record.Code = r.Error.Code
	}
	if verdict.Fault.Kind == edge.ResetAfter || t.state.dropped {
		return t.drop()
	}
	if t.server.options.Chatter && t.notify(ctx, "OnSessionStatus", map[string]any{"at": t.calls}) != nil {
		return false
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic("BUG: an answer of the simulated engine is no JSON: " + err.Error())
	}
	return t.send(ctx, text, verdict.Fault)
}

// handle executes a call, or returns the answer of a fault.
func (t *session) handle(ctx context.Context, c call, fault edge.Rule) reply {
	r := reply{Version: "2.0", ID: c.ID, Delta: c.Delta}
	switch fault.Kind {
	case edge.Status:
		code := fault.Status
		if code == 0 {
			code = codeAborted
		}
		r.Error = &rpcError{Code: code, Message: fault.Body}
		return r
	case edge.WrongShape:
		r.Result = map[string]any{"unexpected": []int{1}}
		return r
	default:
	}
	result, bad := t.invoke(ctx, c)
	if bad != nil {
		r.Error = bad
		return r
	}
	if c.Delta {
		for name, value := range result {
			result[name] = []any{map[string]any{"op": "add", "path": "/", "value": value}}
		}
	}
	r.Result = result
	return r
}

// send writes a message, possibly broken by a fault; false when the session is over.
func (t *session) send(ctx context.Context, text []byte, fault edge.Rule) bool {
	switch fault.Kind {
	case edge.InvalidJSON:
		text = []byte(`{"jsonrpc":"2.0","id":`)
		if fault.Body != "" {
			text = []byte(fault.Body)
		}
	case edge.Truncate:
		if w, err := t.socket.Writer(ctx, websocket.MessageText); err == nil {
			_, _ = w.Write(text[:len(text)/2])
		}
		return t.drop()
	default:
	}
	return t.socket.Write(ctx, websocket.MessageText, text) == nil
}

func (t *session) notify(ctx context.Context, method string, params map[string]any) error {
	text, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
	return t.socket.Write(ctx, websocket.MessageText, text)
}

// drop breaks the connection without a closing handshake.
func (t *session) drop() bool {
	edge.Reset(t.wire)
	return false
}
