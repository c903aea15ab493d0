package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"butler/messages"
)

// globalHandle addresses the engine itself.
const globalHandle = -1

// closeTimeout bounds the closing handshake.
const closeTimeout = time.Second

// session is one conversation. One goroutine uses it at a time.
type session struct {
	client *Client
	socket *websocket.Conn
	wire   net.Conn // below TLS: to bound the farewell
	lastID int
	// waiting are the calls without an answer; early are the answers that came
	// before somebody asked for them.
	waiting map[string]string
	early   map[string]answer
	kept    int64 // bytes in early
	// complaint is an error of the engine about the session as a whole.
	complaint error
	// broken says that nothing more can be read or sent.
	broken bool
}

// answer is a message of the engine: the answer to a call, or a notification.
type answer struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`
	// Delta says that the result is a list of changes, which nobody asked for.
	Delta bool `json:"delta"`
}

type rpcError struct {
	Code      int    `json:"code"`
	Parameter string `json:"parameter"`
	Message   string `json:"message"`
}

// request is a call as it is sent.
type request struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Handle  int    `json:"handle"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

// dial connects and makes the handshake. The transport belongs to this session alone, so
// nothing of it is left when the session ends.
func (c *Client) dial(ctx context.Context, path string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.ConnectTimeout)
	defer cancel()
	s := &session{client: c, waiting: make(map[string]string), early: make(map[string]answer)}
	var mu sync.Mutex
	transport := c.transport.Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := c.options.Dial(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		s.wire = conn
		return conn, err
	}
	//nolint:bodyclose // the library closes it
	socket, resp, err := websocket.Dial(ctx, c.scheme+"://"+c.address+path, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: transport, CheckRedirect: noRedirect},
		HTTPHeader:      c.header,
		CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		transport.CloseIdleConnections()
		return nil, c.handshakeError(err, resp)
	}
	socket.SetReadLimit(c.options.MaxMessage)
	s.socket = socket
	c.metrics.opened()
	return s, nil
}

// noRedirect follows nobody: headers and certificate are meant for this host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// close makes the closing handshake and frees the connection, after closeTimeout at the
// latest.
func (s *session) close() {
	_ = s.wire.SetDeadline(time.Now().Add(closeTimeout))
	_ = s.socket.Close(websocket.StatusNormalClosure, "")
	_ = s.wire.Close()
	s.client.metrics.closed()
}

// call sends a call and waits for its answer.
func (s *session) call(ctx context.Context, handle int, method string, params ...any) (json.RawMessage, error) {
	return s.callWithin(ctx, s.client.options.CallTimeout, handle, method, params...)
}

func (s *session) callWithin(ctx context.Context, limit time.Duration, handle int, method string, params ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	id, err := s.send(ctx, handle, method, params...)
	if err != nil {
		return nil, err
	}
	return s.await(ctx, id)
}

// send makes a call without waiting for its answer.
func (s *session) send(ctx context.Context, handle int, method string, params ...any) (id string, err error) {
	s.lastID++
	if params == nil {
		params = []any{}
	}
	text, err := json.Marshal(request{Version: "2.0", ID: s.lastID, Handle: handle, Method: method, Params: params})
	if err != nil {
		return "", s.client.failed(method, messages.FailureRejected, err)
	}
	if err := s.socket.Write(ctx, websocket.MessageText, text); err != nil {
		return "", s.lost(ctx, method, err)
	}
	id = strconv.Itoa(s.lastID)
	s.waiting[id] = method
	return id, nil
}

// next is await within the time of one call.
func (s *session) next(ctx context.Context, id string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, s.client.options.CallTimeout)
	defer cancel()
	return s.await(ctx, id)
}

// await returns the result of a call that was sent, reading whatever comes before it.
func (s *session) await(ctx context.Context, id string) (json.RawMessage, error) {
	method := s.waiting[id]
	for {
		if found, ok := s.early[id]; ok {
			delete(s.early, id)
			s.kept -= found.size()
			return s.result(method, found)
		}
		message, err := s.read(ctx)
		if err == nil {
			err = s.sort(id, message)
		}
		if err != nil {
			return nil, s.lost(ctx, method, err)
		}
	}
}

// read returns the next message of the engine.
func (s *session) read(ctx context.Context) (answer, error) {
	kind, text, err := s.socket.Read(ctx)
	if err != nil {
		return answer{}, err
	}
	if kind != websocket.MessageText {
		return answer{}, errNotText
	}
	return parse(text)
}

// parse reads a message.
func parse(text []byte) (answer, error) {
	if !utf8.Valid(text) {
		return answer{}, errNotText
	}
	var message answer
	if err := json.Unmarshal(text, &message); err != nil {
		return answer{}, fmt.Errorf("%w: %w", errNotText, err)
	}
	return message, nil
}

// sort handles a message: it keeps an answer that a call waits for, passes on a
// notification, and drops the rest. An error without a number answers the call id.
func (s *session) sort(id string, message answer) error {
	number := string(bytes.TrimSpace(message.ID))
	switch {
	case message.Method != "":
		return s.notified(message)
	case (number == "" || number == "null") && message.Error != nil:
		// The engine could not even read the number of a call.
		number = id
	}
	if _, ok := s.waiting[number]; !ok {
		return nil
	}
	delete(s.waiting, number)
	s.early[number] = message
	s.kept += message.size()
	if number != id && s.kept > s.client.options.MaxMessage {
		return errTooMuch
	}
	return nil
}

func (a answer) size() int64 { return int64(len(a.Result)) }

// notified handles a notification. Only two matter: those that say that the engine
// refuses the session.
func (s *session) notified(message answer) error {
	var params struct {
		State            string `json:"qSessionState"`
		MustAuthenticate bool   `json:"mustAuthenticate"`
	}
	_ = json.Unmarshal(message.Params, &params) // what reads differently says neither
	switch {
	case message.Method == "OnAuthenticationInformation" && params.MustAuthenticate:
		return errMustLogIn
	case message.Method == "OnConnected" && strings.HasPrefix(params.State, "SESSION_ERROR"):
		// Engines close the session next. One that goes on is taken at its word.
		s.complaint = fmt.Errorf("%w: %s", errNoSessions, params.State)
	}
	return nil
}

// result returns what an answer says.
func (s *session) result(method string, a answer) (json.RawMessage, error) {
	if a.Error != nil {
		return nil, s.client.refused(method, a.Error)
	}
	if len(a.Result) == 0 || a.Result[0] != '{' || a.Delta {
		return nil, s.invalid(method, errMissing("result"))
	}
	return a.Result, nil
}

// lost explains why a session can no longer be used.
func (s *session) lost(ctx context.Context, method string, err error) error {
	s.broken = true
	switch {
	case s.complaint != nil:
		err = s.complaint
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return s.client.failed(method, kindOfLoss(err), err)
}

// invalid reports an answer that could not be understood.
func (s *session) invalid(method string, err error) error {
	return s.client.failed(method, messages.FailureInvalid, err)
}

// handleOf returns the handle of the object that an answer hands out.
func (s *session) handleOf(method string, result json.RawMessage) (int, error) {
	var returned struct {
		Object *struct {
			Type   *string `json:"qType"`
			Handle *int    `json:"qHandle"`
		} `json:"qReturn"`
	}
	if err := json.Unmarshal(result, &returned); err != nil {
		return 0, s.invalid(method, err)
	}
	if returned.Object == nil {
		return 0, s.invalid(method, errMissing("qReturn"))
	}
	if returned.Object.Type == nil || returned.Object.Handle == nil {
		kind := messages.FailureRejected
		if method == "OpenDoc" {
			kind = messages.FailureNotFound
		}
		return 0, s.client.failed(method, kind, errNoObject)
	}
	return *returned.Object.Handle, nil
}

// openDoc opens an app, with its data or without, and returns its handle.
func (s *session) openDoc(ctx context.Context, appID string, withoutData bool) (int, error) {
	result, err := s.callWithin(ctx, s.client.options.OpenTimeout, globalHandle, "OpenDoc", appID, "", "", "", withoutData)
	if err != nil {
		return 0, err
	}
	return s.handleOf("OpenDoc", result)
}

// maxMisses is how many pings in a row may remain unanswered.
const maxMisses = 3

// keepAlive pings the engine until ctx ends, and ends ctx when no pong comes: otherwise
// a call would wait for a vanished peer until its deadline. It needs a concurrent reader,
// which handles the pongs.
func (s *session) keepAlive(ctx context.Context, giveUp context.CancelCauseFunc) {
	defer func() {
		if reason := recover(); reason != nil {
			giveUp(fmt.Errorf("panic: %v", reason))
		}
	}()
	ticker := time.NewTicker(s.client.options.PingInterval)
	defer ticker.Stop()
	for misses := 0; misses < maxMisses; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		misses++
		if s.ping(ctx) == nil {
			misses = 0
		}
	}
	giveUp(errSilent)
}

func (s *session) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.options.PingInterval)
	defer cancel()
	return s.socket.Ping(ctx)
}
