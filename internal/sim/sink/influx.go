package sink

import (
	"compress/gzip"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"butler/internal/sim/edge"
)

// maxWrite bounds the lines of one write, uncompressed, in bytes.
const maxWrite = 25 << 20

// InfluxOptions describe an InfluxDB sink. It speaks the write interfaces of
// all versions at once.
type InfluxOptions struct {
	// Databases exist from the start (v1: databases, v2: buckets, v3: databases).
	Databases []string
	// Org is the organisation of the buckets; "" accepts any.
	Org string
	// Token is required on /api/v2/write when set.
	Token string
	// User and Password are required on /write and /query when set.
	User     string
	Password string
	Seed     uint64
	History  int
}

// Influx is a simulated InfluxDB.
type Influx struct {
	*edge.HTTP
	options  InfluxOptions
	writes   *edge.History[Write]
	requests *edge.History[HTTPRequest]

	mu        sync.Mutex
	databases []string
	policies  map[string][]string
	retention []string
}

// Write is one accepted write.
type Write struct {
	At time.Time
	// Version is 1 for /write, 2 for /api/v2/write (which v3 has as well).
	Version int
	// Database is the database or bucket.
	Database string
	Policy   string
	Org      string
	Gzip     bool
	Points   []Point
}

// NewInflux returns a sink that does not listen yet.
func NewInflux(o InfluxOptions) *Influx {
	s := &Influx{
		options:   o,
		writes:    edge.NewHistory[Write](o.History),
		requests:  edge.NewHistory[HTTPRequest](o.History),
		databases: slices.Clone(o.Databases),
		policies:  make(map[string][]string),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", s.ping)
	mux.HandleFunc("/health", s.health)
	mux.HandleFunc("/query", s.query)
	mux.HandleFunc("POST /write", s.writeV1)
	mux.HandleFunc("POST /api/v2/write", s.writeV2)
	s.HTTP = edge.NewHTTP(edge.HTTPOptions{Handler: mux, Faults: edge.NewFaults(o.Seed), Observe: s.record})
	return s
}

// Writes returns the accepted writes.
func (s *Influx) Writes() *edge.History[Write] { return s.writes }

// Requests returns every request, accepted or not.
func (s *Influx) Requests() *edge.History[HTTPRequest] { return s.requests }

// Databases returns the names of the databases and buckets.
func (s *Influx) Databases() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.databases)
}

// RetentionPolicies returns the statements that created retention policies.
func (s *Influx) RetentionPolicies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.retention)
}

func (s *Influx) record(e edge.Exchange) {
	s.requests.Add(HTTPRequest{
		At: e.At, Method: e.Method, Path: e.Path, Header: e.Header.Clone(), Body: e.Body, Status: e.Status, Fault: e.Fault,
	})
}

func (s *Influx) ping(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Influxdb-Version", "1.8.10")
	w.WriteHeader(http.StatusNoContent)
}

func (s *Influx) health(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, map[string]any{"name": "influxdb", "status": "pass", "message": "ready for queries and writes"})
}

func (s *Influx) query(w http.ResponseWriter, r *http.Request) {
	if !s.allowedV1(w, r) {
		return
	}
	statement := r.FormValue("q")
	switch strings.ToLower(strings.Join(strings.Fields(statement), " ")) {
	case "":
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": `missing required parameter "q"`})
	case "show databases":
		s.showDatabases(w)
	default:
		s.create(w, r.Method, statement)
	}
}

func (s *Influx) showDatabases(w http.ResponseWriter) {
	values := [][]string{{"_internal"}}
	for _, name := range s.Databases() {
		values = append(values, []string{name})
	}
	series := map[string]any{"name": "databases", "columns": []string{"name"}, "values": values}
	answerJSON(w, http.StatusOK, map[string]any{
		"results": []any{map[string]any{"statement_id": 0, "series": []any{series}}},
	})
}

// The two statements that create something; identifiers may be quoted.
var (
	createDatabase = regexp.MustCompile(`(?i)^\s*create\s+database\s+("(?:[^"\\]|\\.)+"|\w+)` +
		`(?:\s+with\s+duration\s+\w+\s+replication\s+\d+\s+name\s+("(?:[^"\\]|\\.)+"|\w+))?\s*$`)
	createPolicy = regexp.MustCompile(`(?i)^\s*create\s+retention\s+policy\s+("(?:[^"\\]|\\.)+"|\w+)\s+on\s+("(?:[^"\\]|\\.)+"|\w+)` +
		`\s+duration\s+(inf|(?:\d+(?:ns|u|µ|ms|s|m|h|d|w))+)\s+replication\s+\d+(\s+default)?\s*$`)
)

func (s *Influx) create(w http.ResponseWriter, method, statement string) {
	if method != http.MethodPost {
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "a statement that changes something needs POST"})
		return
	}
	if found := createDatabase.FindStringSubmatch(statement); found != nil {
		s.addDatabase(identifier(found[1]))
		if found[2] != "" {
			s.addPolicy(identifier(found[1]), identifier(found[2]), statement)
		}
		answerJSON(w, http.StatusOK, emptyResult)
		return
	}
	found := createPolicy.FindStringSubmatch(statement)
	switch {
	case found == nil:
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "error parsing query: " + statement})
	case !s.addPolicy(identifier(found[2]), identifier(found[1]), statement):
		answerJSON(w, http.StatusOK, map[string]any{
			"results": []any{map[string]any{"statement_id": 0, "error": "database not found: " + identifier(found[2])}},
		})
	default:
		answerJSON(w, http.StatusOK, emptyResult)
	}
}

var emptyResult = map[string]any{"results": []any{map[string]any{"statement_id": 0}}}

func (s *Influx) addDatabase(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.databases, name) {
		s.databases = append(s.databases, name)
	}
}

func (s *Influx) addPolicy(database, policy, statement string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.databases, database) {
		return false
	}
	s.policies[database] = append(s.policies[database], policy)
	s.retention = append(s.retention, strings.TrimSpace(statement))
	return true
}

// identifier returns a name without its quotes.
func identifier(text string) string {
	if text == "" || text[0] != '"' {
		return text
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(text[1 : len(text)-1])
}

func (s *Influx) writeV1(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	write := Write{Version: 1, Database: query.Get("db"), Policy: query.Get("rp")}
	switch {
	case !s.allowedV1(w, r):
	case write.Database == "":
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "database is required"})
	case !slices.Contains(s.Databases(), write.Database):
		answerJSON(w, http.StatusNotFound, map[string]any{"error": fmt.Sprintf("database not found: %q", write.Database)})
	case !s.knowsPolicy(write.Database, write.Policy):
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "retention policy not found: " + write.Policy})
	default:
		s.accept(w, r, write, func(err error) {
			answerJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
		})
	}
}

func (s *Influx) knowsPolicy(database, policy string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return policy == "" || policy == "autogen" || slices.Contains(s.policies[database], policy)
}

func (s *Influx) writeV2(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	write := Write{Version: 2, Database: query.Get("bucket"), Org: query.Get("org")}
	token := strings.TrimPrefix(strings.TrimPrefix(r.Header.Get("Authorization"), "Token "), "Bearer ")
	switch {
	case s.options.Token != "" && !same(token, s.options.Token):
		answerV2(w, http.StatusUnauthorized, "unauthorized", "unauthorized access")
	case s.options.Org != "" && write.Org != "" && write.Org != s.options.Org:
		answerV2(w, http.StatusNotFound, "not found", fmt.Sprintf("organization name %q not found", write.Org))
	case !slices.Contains(s.Databases(), write.Database):
		answerV2(w, http.StatusNotFound, "not found", fmt.Sprintf("bucket %q not found", write.Database))
	default:
		s.accept(w, r, write, func(err error) { answerV2(w, http.StatusBadRequest, "invalid", err.Error()) })
	}
}

// accept parses the lines of a write and records it. It refuses a write with a bad line.
func (s *Influx) accept(w http.ResponseWriter, r *http.Request, write Write, refuse func(error)) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			refuse(fmt.Errorf("unpack the body: %w", err))
			return
		}
		body, write.Gzip = unpacked, true
	}
	var text strings.Builder
	text.Grow(int(min(max(r.ContentLength, 0), maxWrite)))
	_, err := io.Copy(&text, io.LimitReader(body, maxWrite))
	if err != nil {
		refuse(fmt.Errorf("read the body: %w", err))
		return
	}
	if write.Points, err = ParseLines(text.String(), r.URL.Query().Get("precision")); err != nil {
		refuse(err)
		return
	}
	write.At = time.Now()
	s.writes.Add(write)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Influx) allowedV1(w http.ResponseWriter, r *http.Request) bool {
	if s.options.User == "" && s.options.Password == "" {
		return true
	}
	user, password, given := r.BasicAuth()
	if !given {
		user, password = r.URL.Query().Get("u"), r.URL.Query().Get("p")
	}
	if same(user, s.options.User) && same(password, s.options.Password) {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="InfluxDB"`)
	answerJSON(w, http.StatusUnauthorized, map[string]any{"error": "authorization failed"})
	return false
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func answerV2(w http.ResponseWriter, status int, code, message string) {
	answerJSON(w, status, map[string]any{"code": code, "message": message})
}

func answerJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

// Mentions reports whether a text, such as an execution ID, is in a tag or a text field.
func (w Write) Mentions(marker string) bool {
	for _, p := range w.Points {
		for _, value := range p.Tags {
			if strings.Contains(value, marker) {
				return true
			}
		}
		for _, value := range p.Fields {
			if text, ok := value.(string); ok && strings.Contains(text, marker) {
				return true
			}
		}
	}
	return false
}
