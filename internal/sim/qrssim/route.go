package qrssim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"butler/internal/sim/world"
)

// call is one request on its way through a handler.
type call struct {
	http.ResponseWriter
	request *http.Request
	// query is decoded, its names in lower case.
	query map[string]string
	// id is the path segment that matched the wildcard of the pattern.
	id string
}

type route struct {
	method  string
	pattern string
	parts   []string
	handle  func(*call)
}

// base is the base path of the interface.
const base = "/qrs/"

// wildcard matches one path segment of any content.
const wildcard = "{id}"

// table returns every operation. The first match wins, so fixed names come before
// wildcards.
func (s *Server) table() []route {
	var routes []route
	add := func(method, pattern string, handle func(*call)) {
		routes = append(routes, route{method: method, pattern: pattern, parts: strings.Split(pattern, "/"), handle: handle})
	}
	add(http.MethodGet, "about", s.about)
	add(http.MethodGet, "license", func(c *call) { c.answer(s.world.Licence()) })
	add(http.MethodGet, "license/accesstypeoverview", func(c *call) { c.answer(s.world.Overview()) })
	add(http.MethodPost, "task/{id}/start", s.startTask)
	add(http.MethodPost, "task/{id}/start/synchronous", s.startTaskSynchronously)
	add(http.MethodPost, "task/{id}/stop", s.stopTask)
	add(http.MethodGet, "reloadtask/{id}/scriptlog", s.oldTicket)
	add(http.MethodGet, "reloadtask/{id}/scriptlogfile", s.newTicket)
	add(http.MethodGet, "download/reloadtask/{id}/{id}", s.download)
	for _, c := range s.collections() {
		add(http.MethodGet, c.path, c.list)
		add(http.MethodGet, c.path+"/full", c.listFull)
		add(http.MethodGet, c.path+"/count", c.count)
		add(http.MethodPost, c.path+"/table", c.table)
		add(http.MethodGet, c.path+"/{id}", c.get)
		if c.remove != nil {
			add(http.MethodDelete, c.path+"/{id}", c.remove)
		}
	}
	return routes
}

// operation returns the name of the operation of a request.
func (s *Server) operation(method, path string) string {
	matched, _, _ := s.find(method, path)
	if matched == nil {
		return "unknown"
	}
	return matched.method + " " + matched.pattern
}

// find returns the route of a request and the segment at its first wildcard, or else
// the methods that the path allows.
func (s *Server) find(method, path string) (matched *route, id string, allowed []string) {
	rest, ok := strings.CutPrefix(strings.ToLower(path), base)
	if !ok {
		return nil, "", nil
	}
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i := range s.routes {
		first, ok := s.routes[i].match(segments)
		switch {
		case !ok:
		case s.routes[i].method == method:
			return &s.routes[i], first, nil
		case !slices.Contains(allowed, s.routes[i].method):
			allowed = append(allowed, s.routes[i].method)
		}
	}
	return nil, "", allowed
}

func (r *route) match(segments []string) (first string, ok bool) {
	if len(segments) != len(r.parts) {
		return "", false
	}
	for i, part := range r.parts {
		if part != wildcard && part != segments[i] {
			return "", false
		}
		if part == wildcard && first == "" {
			first = segments[i]
		}
	}
	return first, true
}

// ServeHTTP answers one request, after checking whether it is permitted.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, ok := parseQuery(r.URL.RawQuery)
	c := &call{ResponseWriter: w, request: r, query: query}
	if !ok {
		c.refuse(http.StatusBadRequest, "the query string is not properly encoded")
		return
	}
	if key := query["xrfkey"]; len(key) != 16 || key != r.Header.Get("X-Qlik-Xrfkey") {
		c.refuse(http.StatusBadRequest, "parameter xrfkey and header X-Qlik-Xrfkey must be the same 16 characters")
		return
	}
	if !namesUser(r.Header.Get("X-Qlik-User")) {
		c.refuse(http.StatusForbidden, "header X-Qlik-User must name a user directory and a user")
		return
	}
	matched, id, allowed := s.find(r.Method, r.URL.Path)
	switch {
	case matched != nil:
		c.id = id
		matched.handle(c)
	case len(allowed) > 0:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.refuse(http.StatusMethodNotAllowed, "the method is not allowed here")
	default:
		c.refuse(http.StatusNotFound, "there is nothing at this path")
	}
}

// namesUser reports whether a header reads UserDirectory=...; UserId=...
func namesUser(header string) bool {
	found := make(map[string]bool)
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(part, "=")
		found[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value) != ""
	}
	return found["userdirectory"] && found["userid"]
}

// parseQuery decodes a query string: plus and %20 are spaces, names ignore case, and
// the first of several values counts. It returns false for a broken escape.
func parseQuery(raw string) (map[string]string, bool) {
	out := make(map[string]string)
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil {
			return out, false
		}
		name = strings.ToLower(name)
		if _, known := out[name]; !known && name != "" {
			out[name] = value
		}
	}
	return out, true
}

func (c *call) answer(document any) { c.write(http.StatusOK, document) }

func (c *call) refuse(status int, message string) {
	c.write(status, struct {
		Message string `json:"message"`
	}{message})
}

func (c *call) write(status int, document any) {
	c.Header().Set("Content-Type", "application/json;charset=UTF-8")
	c.WriteHeader(status)
	encoder := json.NewEncoder(c)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(document)
}

func (c *call) missing() { c.refuse(http.StatusNotFound, "there is no object with this identifier") }

func (s *Server) about(c *call) {
	info := s.world.SystemInfo()
	c.answer(struct {
		BuildVersion string `json:"buildVersion"`
		BuildDate    string `json:"buildDate"`
		DatabaseKind string `json:"databaseProvider"`
		NodeType     int    `json:"nodeType"`
		SchemaPath   string `json:"schemaPath"`
	}{info.Version, s.world.Epoch().Format("1/2/2006 15:04:05 PM"), "Simulated", 1, "About"})
}

func (s *Server) startTask(c *call) {
	if s.begin(c) != nil {
		c.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) startTaskSynchronously(c *call) {
	execution := s.begin(c)
	if execution == nil {
		return
	}
	c.write(http.StatusCreated, stringResponse{Value: execution.ExecutionID, SchemaPath: "GuidResponse"})
}

// begin starts the task of the call; it returns nil after refusing the call.
func (s *Server) begin(c *call) *world.Execution {
	task, ok := s.world.Task(c.id)
	if !ok {
		c.missing()
		return nil
	}
	if last, ran := s.world.Last(c.id); s.options.RejectRunning && ran && s.world.Now().Before(last.End) {
		c.refuse(http.StatusConflict, "the task is running")
		return nil
	}
	execution, err := s.world.Start(c.id, s.options.OnStart(task))
	if err != nil {
		c.missing()
		return nil
	}
	s.options.OnExecution(execution)
	return &execution
}

func (s *Server) stopTask(c *call) {
	if _, ok := s.world.Task(c.id); !ok {
		c.missing()
		return
	}
	if execution, ok := s.world.Abort(c.id); ok {
		s.options.OnExecution(execution)
	}
	c.WriteHeader(http.StatusNoContent)
}
