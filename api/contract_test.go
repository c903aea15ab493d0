package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/api/openapi"
	"butler/api/web"
	"butler/api/web/webtest"
	"butler/config"
)

// contract is a served API that holds every answer against its description.
type contract struct {
	t      *testing.T
	url    string
	schema *jsonschema.Compiler
	doc    map[string]any
	logs   *observer.ObservedLogs
	client *http.Client
	// seen are the operations that were called, with the statuses they answered.
	seen map[string][]int
}

// allEndpoints are the names of every endpoint in the table.
func allEndpoints() []string {
	var out []string
	for _, e := range (&rest{}).endpoints() {
		if !slices.Contains(out, e.name) {
			out = append(out, e.name)
		}
	}
	return out
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func newContract(t *testing.T, change func(*Options)) *contract {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	options := Options{Address: "127.0.0.1:0", Log: zap.New(core), Audit: zap.New(core).Named("audit"), Endpoints: allEndpoints(), Version: "1.2.3"}
	if change != nil {
		change(&options)
	}
	server, err := Listen(options)
	if err != nil {
		t.Fatal(err)
	}
	webtest.Serve(t, server)
	c := &contract{t: t, url: "http://" + server.Address(), logs: logs, seen: map[string][]int{}, client: webtest.Client}
	document, err := openapi.Read()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := document.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if c.doc, err = jsonObject(raw); err != nil {
		t.Fatal(err)
	}
	c.schema = jsonschema.NewCompiler()
	if err := c.schema.AddResource("openapi.json", c.doc); err != nil {
		t.Fatal(err)
	}
	return c
}

func jsonObject(raw []byte) (map[string]any, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	object, _ := value.(map[string]any)
	return object, err
}

// request is one call and the status that it has to have.
type request struct {
	name, method, target, body string
	// host is what the header Host says; "" is the address.
	host   string
	header http.Header
	want   int
	// answer is what the answer must be, as JSON; "" for anything that the description allows.
	answer string
}

// call makes one request and checks its answer against the description of the
// operation at path.
func (c *contract) call(path string, r request) []byte {
	c.t.Helper()
	req := webtest.Request(c.t, r.method, c.url+r.target, r.body)
	req.Host = r.host
	maps.Copy(req.Header, r.header)
	if r.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, text := webtest.Answer(c.t, c.client, req)
	body := []byte(text)
	if answer.StatusCode != r.want {
		c.t.Errorf("%s: got status %d, want %d: %s", r.name, answer.StatusCode, r.want, body)
		return body
	}
	if r.answer != "" {
		c.same(r, body)
	}
	method := strings.ToLower(r.method)
	if instead := r.header.Get("X-HTTP-Method-Override"); instead != "" {
		method = strings.ToLower(instead)
	}
	if path != "" {
		c.check(r.name, path, method, answer, body)
	}
	return body
}

func (c *contract) same(r request, body []byte) {
	c.t.Helper()
	var want, got any
	if json.Unmarshal([]byte(r.answer), &want) != nil || json.Unmarshal(body, &got) != nil {
		c.t.Errorf("%s: want %s, got %s", r.name, r.answer, body)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s: answer (-want +got):\n%s", r.name, diff)
	}
}

// check holds an answer against what is described for its status.
func (c *contract) check(name, path, method string, answer *http.Response, body []byte) {
	c.t.Helper()
	c.seen[method+" "+path] = append(c.seen[method+" "+path], answer.StatusCode)
	described, ok := dig(c.doc, "paths", path, method, "responses", strconv.Itoa(answer.StatusCode)).(map[string]any)
	if !ok {
		c.t.Errorf("%s: the description of %s %s has no status %d", name, method, path, answer.StatusCode)
		return
	}
	at := []string{"paths", path, method, "responses", strconv.Itoa(answer.StatusCode)}
	if ref, isRef := described["$ref"].(string); isRef {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		described, _ = dig(c.doc, at...).(map[string]any)
	}
	media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	contents, _ := described["content"].(map[string]any)
	if len(contents) == 0 {
		if len(body) > 0 {
			c.t.Errorf("%s: want no body, got %s", name, body)
		}
		return
	}
	if contents[media] == nil {
		c.t.Errorf("%s: %s is not described for status %d", name, media, answer.StatusCode)
		return
	}
	if media == "application/json" {
		c.valid(name, append(at, "content", media, "schema"), body)
	}
}

func (c *contract) valid(name string, at []string, body []byte) {
	c.t.Helper()
	for i := range at {
		at[i] = strings.ReplaceAll(strings.ReplaceAll(at[i], "~", "~0"), "/", "~1")
	}
	compiled, err := c.schema.Compile("openapi.json#/" + strings.Join(at, "/"))
	if err != nil {
		c.t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		c.t.Errorf("%s: %v: %s", name, err, body)
		return
	}
	if err := compiled.Validate(value); err != nil {
		c.t.Errorf("%s: the answer is not as described: %v\n%s", name, err, body)
	}
}

// dig returns what lies at a path of keys, or nil.
func dig(value any, path ...string) any {
	for _, key := range path {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	return value
}

func TestContract_everyRouteIsDescribedAndTheOtherWayRound(t *testing.T) {
	document, err := openapi.Read()
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{}
	paths, _ := document["paths"].(openapi.Document)
	for path, operations := range paths {
		of, _ := operations.(openapi.Document)
		for method, operation := range of {
			if endpoint, ok := openapi.EnabledBy(operation); ok {
				described[strings.ToUpper(method)+" "+path] = endpoint
			}
		}
	}
	served := map[string]string{}
	for _, e := range (&rest{}).endpoints() {
		served[e.method+" "+e.path] = e.name
	}
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("operations by their endpoint (-described +served):\n%s", diff)
	}
}

// What the configuration can switch on is served, and what is served can be switched on.
func TestEndpoints_haveASwitchEach(t *testing.T) {
	keys, err := config.Keys(nil)
	if err != nil {
		t.Fatal(err)
	}
	var switches []string
	for _, k := range keys {
		if key, below := strings.CutPrefix(k.Path, "restServerEndpointsEnable."); below && key != "scheduler.updateSchedule" { // which never had a call
			switches = append(switches, key[strings.LastIndexByte(key, '.')+1:])
		}
	}
	served := allEndpoints()
	slices.Sort(switches)
	slices.Sort(served)
	if diff := cmp.Diff(switches, served); diff != "" {
		t.Errorf("endpoints (-switches +served):\n%s", diff)
	}
}

func TestContract_smallEndpoints(t *testing.T) {
	c := newContract(t, nil)
	long := strings.Repeat("f", maxDigits)
	for path, rows := range map[string][]request{
		"/v4/butlerping": {
			{name: "ping", method: "GET", target: "/v4/butlerping", want: 200, answer: `{"response":"Butler reporting for duty","butlerVersion":"1.2.3"}`},
			{name: "ping by a client that only posts", method: "POST", target: "/v4/butlerping", body: "{}", header: http.Header{"X-Http-Method-Override": {"get"}}, want: 200},
		},
		"/v4/configfile/endpointsenabled": {
			{name: "enabled", method: "GET", target: "/v4/configfile/endpointsenabled", want: 200, answer: asJSON(t, allEndpoints())},
		},
		"/v4/base62tobase16": {
			{name: "62 to 16", method: "GET", target: "/v4/base62tobase16?base62=1Z", want: 200, answer: `{"base62":"1Z","base16":"7b"}`},
			{name: "nothing is zero", method: "GET", target: "/v4/base62tobase16?base62=", want: 200, answer: `{"base62":"","base16":"0"}`},
			{name: "leading zeros disappear", method: "GET", target: "/v4/base62tobase16?base62=001Z", want: 200, answer: `{"base62":"001Z","base16":"7b"}`},
			{name: "missing", method: "GET", target: "/v4/base62tobase16", want: 400},
			{name: "twice", method: "GET", target: "/v4/base62tobase16?base62=1&base62=2", want: 400},
			{name: "no digit", method: "GET", target: "/v4/base62tobase16?base62=a%21b", want: 400},
		},
		"/v4/base16tobase62": {
			{name: "16 to 62", method: "GET", target: "/v4/base16tobase62?base16=7B", want: 200, answer: `{"base62":"1Z","base16":"7B"}`},
			{name: "the longest", method: "GET", target: "/v4/base16tobase62?base16=" + long, want: 200},
			{name: "too long", method: "GET", target: "/v4/base16tobase62?base16=0" + long, want: 400},
			{name: "no digit", method: "GET", target: "/v4/base16tobase62?base16=7g", want: 400},
		},
	} {
		for _, r := range rows {
			c.call(path, r)
		}
	}
}

func TestREST_convertsThereAndBack(t *testing.T) {
	for _, number := range []string{"1", "f", "10", "deadbeef", strings.Repeat("9", 60)} {
		if back := convert(convert(number, digits16, digits62), digits62, digits16); back != number {
			t.Errorf("%s comes back as %s", number, back)
		}
	}
}

func TestREST_whatIsNotEnabledDoesNotExist(t *testing.T) {
	c := newContract(t, func(o *Options) { o.Endpoints = []string{"butlerping"} })
	for _, r := range []request{
		{name: "enabled", method: "GET", target: "/v4/butlerping", want: 200},
		{name: "head", method: "HEAD", target: "/v4/butlerping", want: 200},
		{name: "not enabled", method: "GET", target: "/v4/base62tobase16?base62=1", want: 404},
		{name: "another method", method: "POST", target: "/v4/butlerping", want: 404},
		{name: "options", method: "OPTIONS", target: "/v4/butlerping", want: 404},
		{name: "a slash more", method: "GET", target: "/v4/butlerping/", want: 404},
		{name: "other letters", method: "GET", target: "/v4/ButlerPing", want: 404},
		{name: "unknown override", method: "POST", target: "/v4/butlerping", header: http.Header{"X-Http-Method-Override": {"PATCH"}}, want: 400},
		{name: "override of a PUT counts for nothing", method: "PUT", target: "/v4/butlerping", header: http.Header{"X-Http-Method-Override": {"GET"}}, want: 404},
	} {
		body := c.call("", r)
		if r.want == 404 {
			want := fmt.Sprintf(`{"statusCode":404,"error":"Not Found","message":"Route %s:%s not found"}`, r.method, strings.Split(r.target, "?")[0])
			if strings.TrimSpace(string(body)) != want {
				t.Errorf("%s: want %s, got %s", r.name, want, body)
			}
		}
	}
}

func TestREST_refusesABodyThatIsTooLarge(t *testing.T) {
	c := newContract(t, nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v4/butlerping HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", web.MaxBody+1)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), web.CodeTooLarge) {
		t.Errorf("want status 413 with the code that clients know, got %d, %s, %v", answer.StatusCode, body, err)
	}
}

func TestREST_tellsAClientThatCallsTooOften(t *testing.T) {
	c := newContract(t, func(o *Options) { o.CallsPerMinute = 1 })
	c.call("/v4/butlerping", request{name: "first", method: "GET", target: "/v4/butlerping", want: 200})
	c.call("/v4/butlerping", request{name: "second", method: "GET", target: "/v4/butlerping", want: 429})
	if c.logs.FilterMessage("call refused, the client calls too often").Len() != 1 {
		t.Error("want one line in the log")
	}
}

func TestREST_describesWhatIsEnabled(t *testing.T) {
	c := newContract(t, func(o *Options) { o.Endpoints, o.Access = []string{"keyValueStore"}, known })
	page := string(c.call("", request{name: "page", method: "GET", target: "/documentation/", want: 200}))
	for _, want := range []string{"butler API <small>1.2.3", c.url, "key-value store", "/v4/keyvalues/{namespace}", "{&#34;key&#34;:&#34;lastRun&#34;", "The body is larger than 1 MiB."} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q on the page, got\n%s", want, page)
		}
	}
	if strings.Contains(page, "butlerping") {
		t.Error("the page shows an endpoint that does not exist")
	}
	described, err := jsonObject(c.call("", request{name: "JSON", method: "GET", target: "/documentation/json", want: 200}))
	if paths, _ := described["paths"].(map[string]any); err != nil || len(paths) != 6 {
		t.Errorf("want the six paths of the store, got %v, %v", paths, err)
	}
	if text := c.call("", request{name: "YAML", method: "GET", target: "/documentation/yaml", want: 200}); !bytes.Contains(text, []byte("openapi: 3.1.0")) {
		t.Errorf("want the description as YAML, got %.200s", text)
	}
	c.call("", request{name: "another page", method: "GET", target: "/documentation/static", want: 404})
	c.call("", request{name: "its head", method: "HEAD", target: "/documentation", want: 200})
}

func TestREST_countsItsDescriptionAsACall(t *testing.T) {
	c := newContract(t, func(o *Options) { o.CallsPerMinute = 1 })
	c.call("", request{name: "first", method: "GET", target: "/documentation/json", want: 200})
	c.call("", request{name: "second", method: "GET", target: "/documentation", want: 429})
	c.call("/v4/butlerping", request{name: "third", method: "GET", target: "/v4/butlerping", want: 429})
}

// The table of errors in the handbook has a row for every status that a call may
// have, and for every code.
func TestDocs_everyErrorIsInTheTable(t *testing.T) {
	handbook, err := os.ReadFile("../docs/rest.md")
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi.Read()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := document.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"408", "431"} // which a request has that is no call
	for _, status := range regexp.MustCompile(`"([45]\d\d)":`).FindAllSubmatch(raw, -1) {
		want = append(want, string(status[1]))
	}
	for _, status := range want {
		if !strings.Contains(string(handbook), "\n| "+status) {
			t.Errorf("want a row for status %s", status)
		}
	}
	for _, code := range []string{web.CodeValidation, web.CodeInvalidJSON, web.CodeMediaType, web.CodeTooLarge} {
		if !strings.Contains(string(handbook), "`"+code+"`") {
			t.Errorf("want a row for the code %s", code)
		}
	}
}
