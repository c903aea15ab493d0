// Package cloudsim owns the simulated tenant of Qlik Cloud: the part of its API
// about app reloads, and the events and webhooks about them.
//
// It guarantees the contract of the interface to any client: every call needs the
// bearer token, and unknown objects answer 404 with an error in the product's form.
// Requests are recorded, and faults are switched on and off while it runs.
//
// It must never be reachable from another machine.
package cloudsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"butler/internal/sim/edge"
)

// Options describe a tenant. The zero value is an empty tenant.
type Options struct {
	// ID is the ID of the tenant; "" means "ten-1".
	ID string
	// Token is the bearer token that is required; "" means "token-1".
	Token string
	// TLS serves HTTPS; nil serves plain HTTP.
	TLS  *tls.Config
	Seed uint64
}

// App is an app of the tenant.
type App struct {
	ID, Name, Description, OwnerID string
	Tags                           []string
	Size                           int64
	// Unlisted leaves it out of the catalogue.
	Unlisted bool
}

// User is a user of the tenant.
type User struct{ ID, Name, Email string }

// Reload is a reload of an app.
type Reload struct {
	ID, AppID, UserID       string
	Trigger                 string
	ErrorCode, ErrorMessage string
	Start                   time.Time
	Took                    time.Duration
	// Log is the script log, with CRLF between its lines; "" means none.
	Log string
}

// Server is a simulated tenant.
type Server struct {
	options  Options
	http     *edge.HTTP
	requests *edge.History[string]

	mu      sync.Mutex
	apps    map[string]App
	users   map[string]User
	reloads map[string]Reload
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	if o.ID == "" {
		o.ID = "ten-1"
	}
	if o.Token == "" {
		o.Token = "token-1"
	}
	s := &Server{options: o, requests: edge.NewHistory[string](0), apps: map[string]App{}, users: map[string]User{}, reloads: map[string]Reload{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/apps/{app}/reloads/logs/{reload}", s.scriptLog)
	mux.HandleFunc("GET /api/v1/reloads/{reload}", s.reload)
	mux.HandleFunc("GET /api/v1/apps/{app}", s.app)
	mux.HandleFunc("GET /api/v1/items", s.items)
	mux.HandleFunc("GET /api/v1/users/{user}", s.user)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { missing(w) })
	s.http = edge.NewHTTP(edge.HTTPOptions{
		Handler: s.authorised(mux), TLS: o.TLS, Faults: edge.NewFaults(o.Seed),
		Observe: func(e edge.Exchange) { s.requests.Add(fmt.Sprintf("%s %s %d", e.Method, e.Path, e.Status)) },
	})
	return s
}

// Start listens on a free port of 127.0.0.1.
func (s *Server) Start() error { return s.http.Start() }

// Stop ends every request and frees the port, for good.
func (s *Server) Stop() { s.http.Stop() }

// URL returns scheme, host and port.
func (s *Server) URL() string { return s.http.URL() }

// Outage makes the tenant unreachable, or reachable again at the same address.
func (s *Server) Outage(on bool) error { return s.http.Refuse(on) }

// Faults returns the rules for faulty answers.
func (s *Server) Faults() *edge.Faults { return s.http.Faults() }

// Requests returns the requests: method, path and status.
func (s *Server) Requests() *edge.History[string] { return s.requests }

// Add adds apps, users and reloads to the tenant.
func (s *Server) Add(things ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, thing := range things {
		switch thing := thing.(type) {
		case App:
			s.apps[thing.ID] = thing
		case User:
			s.users[thing.ID] = thing
		case Reload:
			s.reloads[thing.ID] = thing
		default:
			panic(fmt.Sprintf("BUG: a tenant has no %T", thing))
		}
	}
}

// Event returns the event for the end of a reload, as a webhook sends it.
func (s *Server) Event(reloadID, status string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reloads[reloadID]
	a := s.apps[r.AppID]
	event, err := json.Marshal(map[string]any{
		"cloudEventsVersion": "0.1", "source": "com.qlik/engine", "contentType": "application/json", "eventId": "e-" + reloadID,
		"eventTime": r.Start.Add(r.Took).UTC().Format(time.RFC3339), "eventTypeVersion": "1.0.0", "eventType": "com.qlik.v1.app.reload.finished",
		"extensions": map[string]any{"ownerId": a.OwnerID, "tenantId": s.options.ID, "userId": r.UserID, "topLevelResourceId": a.ID},
		"data": map[string]any{
			"name": a.Name, "status": status, "reloadId": r.ID, "duration": fmt.Sprintf("PT%dS", int(r.Took.Seconds())),
			"endedWithMemoryConstraint": false, "isPartialReload": false, "peakMemoryBytes": 1 << 20, "rowLimit": -1,
			"statements": []string{}, "size": map[string]any{"memory": 2048},
		},
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return event
}

// Sign returns the Qlik-Signature header of a webhook with a secret.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *Server) authorised(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+s.options.Token {
			answer(w, http.StatusUnauthorized, failure("AUTH-1", "Unauthorized"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) scriptLog(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	reload, ok := s.reloads[r.PathValue("reload")]
	s.mu.Unlock()
	if !ok || reload.Log == "" || reload.AppID != r.PathValue("app") {
		missing(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(reload.Log))
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	reload, ok := s.reloads[r.PathValue("reload")]
	s.mu.Unlock()
	if !ok {
		missing(w)
		return
	}
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	answer(w, http.StatusOK, map[string]any{
		"id": reload.ID, "appId": reload.AppID, "type": reload.Trigger, "status": "FAILED", "errorCode": reload.ErrorCode,
		"errorMessage": reload.ErrorMessage, "log": reload.ErrorMessage, "creationTime": stamp(reload.Start),
		"startTime": stamp(reload.Start), "endTime": stamp(reload.Start.Add(reload.Took)),
	})
}

func (s *Server) app(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	app, ok := s.apps[r.PathValue("app")]
	s.mu.Unlock()
	if !ok {
		missing(w)
		return
	}
	answer(w, http.StatusOK, map[string]any{"attributes": map[string]any{
		"id": app.ID, "name": app.Name, "description": app.Description, "ownerId": app.OwnerID, "thumbnail": "",
		"hasSectionAccess": false, "published": true, "publishTime": "2031-01-02T03:04:05.000Z",
	}})
}

func (s *Server) items(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	app, ok := s.apps[r.URL.Query().Get("resourceId")]
	s.mu.Unlock()
	data := []any{}
	if ok && !app.Unlisted && r.URL.Query().Get("resourceType") == "app" {
		tags := []any{}
		for i, name := range app.Tags {
			tags = append(tags, map[string]any{"id": fmt.Sprintf("tag-%d", i), "name": name})
		}
		data = append(data, map[string]any{
			"resourceId": app.ID, "name": app.Name, "resourceSize": map[string]any{"appFile": app.Size}, "meta": map[string]any{"tags": tags},
		})
	}
	answer(w, http.StatusOK, map[string]any{"data": data, "links": map[string]any{}})
}

func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	user, ok := s.users[r.PathValue("user")]
	s.mu.Unlock()
	if !ok {
		missing(w)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"id": user.ID, "name": user.Name, "email": user.Email, "picture": "https://pictures.example.com/" + strings.ToLower(user.ID),
	})
}

func missing(w http.ResponseWriter) {
	answer(w, http.StatusNotFound, failure("NF-1", "Not found"))
}

func failure(code, title string) map[string]any {
	return map[string]any{"errors": []any{map[string]any{"code": code, "title": title}}, "traceId": "0"}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
