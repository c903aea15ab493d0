package operations

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"butler/internal/trail"
)

// story is a story with hostile text in it, or of a task.
func story(id string) trail.Story {
	if id == "a task" {
		return trail.Story{ExecutionID: id, State: trail.Unknown, OfTask: []trail.Brief{
			{ExecutionID: "older", At: oneDay, State: trail.Delivered, Summary: "all delivered"},
			{ExecutionID: "newer", At: oneDay, State: trail.Parked, Summary: "one parked"},
		}}
	}
	if strings.HasPrefix(id, "nothing") {
		return trail.Story{ExecutionID: id, State: trail.Unknown}
	}
	return trail.Story{
		ExecutionID: id, State: trail.Parked, Summary: "2 messages: 1 parked", TaskID: "0d815a99", TaskName: "Daily <sales>",
		Steps:       []trail.Step{{At: oneDay, What: "received", Text: "task failed", Payload: "/scheduler-task-failed/;<script>"}},
		Notices:     []trail.Notice{{Destination: "email/reload_task_failed", Recipient: "anna@example.com", State: trail.Parked, Reason: "refused <by> the server"}},
		NotNotified: []trail.Omission{{Destination: "slack/reload_task_failed", Reason: "no route"}},
		Hints:       []string{"look at <the log>"},
	}
}

// browse opens a page as a browser does.
func (b *bench) browse(path string, header ...string) (*http.Response, string) {
	b.t.Helper()
	return b.do("GET", path, "", append([]string{AdminHeader + ": "}, header...)...)
}

func (b *bench) wantShown(page string, wanted ...string) {
	b.t.Helper()
	for _, want := range wanted {
		if !strings.Contains(page, want) {
			b.t.Errorf("want %s in the page, got\n%s", want, page)
		}
	}
}

func TestIndex_showsTheStateAtAGlance(t *testing.T) {
	b := newBench(t)
	_, page := b.browse("/")
	b.wantShown(page, `butler on <bdi>monitor-1</bdi> is <span class="degraded">`, "It accepts events.", "1 of 2 components needs attention", "no &lt;answer&gt;", "2031-05-06 14:23:45",
		"<bdi>webhook/<wbr>reload_<wbr>task_<wbr>failed/<wbr>1</bdi><small><bdi>no &lt;connection&gt;", `<a href="/parked">3</a>`, "keeps failing",
		"Last event: 0 s ago, from sense &lt;1&gt;. 2 events wait to be handled.", `<meta http-equiv="refresh"`,
		"Daily &lt;sales&gt;", `href="/explain?execution=4c3b2a19%20%26"`)
	if strings.Index(page, "<bdi>qrs") > strings.Index(page, "<bdi>ingest") || strings.Index(page, "<bdi>webhook/") > strings.Index(page, "<bdi>slack/") {
		t.Errorf("want problems first, got\n%s", page)
	}
	if _, still := b.browse("/?still=1"); strings.Contains(still, "http-equiv") || !strings.Contains(still, "<details open>") {
		t.Errorf("want a page that stays as it is, got\n%s", still)
	}
	b.ready, b.reason = false, "the journal cannot be written"
	_, page = b.browse("/")
	b.wantShown(page, "It accepts no events</strong>: <bdi>the journal cannot be written")
}

func TestIndex_saysWhatCannotBeShown(t *testing.T) {
	b := newBench(t)
	b.admin.err = errors.New("the <actor> is busy")
	resp, page := b.browse("/")
	b.wantShown(page, "butler on", "The destinations cannot be listed: the &lt;actor&gt; is busy", "The newest decisions cannot be listed")
	if resp.StatusCode != http.StatusOK || strings.Contains(page, "Nobody is notified") {
		t.Errorf("want the page nevertheless, got %d", resp.StatusCode)
	}
}

func TestPages_runAndFetchNothing(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/", "/decisions", "/explain", "/explain?execution=4c3b2a19", "/parked", "/refused"} {
		resp, page := b.browse(path)
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(got, "text/html") {
			t.Fatalf("%s: want a page, got %d %s", path, resp.StatusCode, got)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: want a page that runs and fetches nothing, got the policy %q", path, policy)
		}
		for _, link := range regexp.MustCompile(`href="(/[^"]*)"`).FindAllStringSubmatch(page, -1) {
			if resp, _ := b.browse(link[1]); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: want %s to be there, got %d", path, link[1], resp.StatusCode)
			}
		}
	}
}

func TestExplainPage_tellsTheStory(t *testing.T) {
	b := newBench(t)
	_, page := b.browse("/explain?execution=" + url.QueryEscape(" 4c3b2a19 "))
	b.wantShown(page, `value="4c3b2a19"`, `<span class="degraded">parked`, "2 messages: 1 parked", "Daily &lt;sales&gt;",
		"anna@example.com", "refused &lt;by&gt; the server", "not notified", "no route", ";&lt;script&gt;", "look at &lt;the log&gt;")
	if got := b.admin.calls[0]; got.Instance != "4c3b2a19" {
		t.Errorf("want the ID without blanks, got %q", got.Instance)
	}
	_, page = b.browse("/explain?execution=a+task")
	b.wantShown(page, "Latest executions of task", "all delivered", `href="/explain?execution=newer"`)
	if strings.Index(page, "newer") > strings.Index(page, "older") {
		t.Errorf("want the newest first, got\n%s", page)
	}
}

func TestPages_listWhatIsParkedAndWhatWasRefused(t *testing.T) {
	b := newBench(t)
	_, page := b.browse("/parked")
	b.wantShown(page, "2031-05-06 14:23:45", "Daily &lt;sales&gt;", "550 &lt;no&gt;", `href="/explain?execution=4c3b2a19"`, "<code>n1</code>",
		"<code>butler parked replay -c /srv/production/butler.yaml ID</code>")
	_, page = b.browse("/refused")
	b.wantShown(page, "2031-05-06 14:23:45", "unknown type: what is &lt;this&gt;?", "&lt;nonsense&gt;")
	b.admin.err = errors.New("the <journal> is closed")
	for _, path := range []string{"/parked", "/refused"} {
		_, page = b.browse(path)
		b.wantShown(page, "They cannot be listed: the &lt;journal&gt; is closed")
	}
}

func TestExplainPage_asksForAnID(t *testing.T) {
	b := newBench(t)
	_, page := b.browse("/explain")
	b.wantShown(page, `<input name="execution" value=""`)
	_, page = b.browse("/explain?execution=" + strings.Repeat("x", 5000))
	b.wantShown(page, "This is no ID")
	if len(b.admin.calls) != 0 {
		t.Errorf("want nothing asked, got %v", b.admin.calls)
	}
	b.admin.err = errors.New("the journal is closed")
	_, page = b.browse("/explain?execution=4c3b2a19")
	b.wantShown(page, "The execution cannot be explained: the journal is closed")
}

func TestPages_showWhatIsKeptToABrowserOnThisMachineOnly(t *testing.T) {
	for _, row := range []struct {
		name, remote, header, value string
		own                         bool
	}{
		{"typed in", "127.0.0.1", "Sec-Fetch-Site", "none", true},
		{"a link of a page", "::1", "Sec-Fetch-Site", "same-origin", true},
		{"an old browser", "127.0.0.1", "", "", true},
		{"a link of another site", "127.0.0.1", "Sec-Fetch-Site", "cross-site", false},
		{"a page on another port", "127.0.0.1", "Sec-Fetch-Site", "same-site", false},
		{"another machine", "10.0.0.7", "", "", false},
		{"a name that was pointed here", "127.0.0.1", "Host", "attacker.example.com", false},
		{"a proxy on this machine", "127.0.0.1", "X-Forwarded-For", "10.0.0.7", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			get := func(path string) *fasthttp.Response {
				var ctx fasthttp.RequestCtx
				var req fasthttp.Request
				req.SetRequestURI("http://127.0.0.1:9997" + path)
				req.Header.Set(row.header, row.value)
				if row.header == "Host" {
					req.SetHost(row.value)
				}
				ctx.Init(&req, &net.TCPAddr{IP: net.ParseIP(row.remote), Port: 40000}, nil)
				b.server.Handle(&ctx)
				return &ctx.Response
			}
			index := get("/")
			if page := string(index.Body()); index.StatusCode() != http.StatusOK || strings.Contains(page, "sales") != row.own || strings.Contains(page, "webhook/") != row.own {
				t.Errorf("want decisions and destinations shown: %v, got %d\n%s", row.own, index.StatusCode(), page)
			}
			for _, path := range []string{"/decisions", "/explain?execution=4c3b2a19", "/parked", "/refused"} {
				if got := get(path).StatusCode(); (got == http.StatusOK) != row.own || !row.own && got != errForbidden.Status {
					t.Errorf("%s: want it shown: %v, got %d", path, row.own, got)
				}
			}
			if asked := len(b.admin.calls) > 0; asked != row.own {
				t.Errorf("want the service asked: %v, got %v", row.own, b.admin.calls)
			}
		})
	}
}

func TestDecisionsPage_showsThoseThatAreAskedFor(t *testing.T) {
	b := newBench(t)
	_, page := b.browse("/decisions?task=R%26D&event=failed&limit=1")
	b.wantShown(page, `value="R&amp;D"`, `<option value="failed" selected>`, "Daily &lt;sales&gt;", "partly delivered",
		`href="/decisions?before=2031-05-06T14%3A23%3A45Z&amp;event=failed&amp;limit=1&amp;seen=1&amp;task=R%26D"`)
	_, page = b.browse("/decisions")
	if want := (trail.Query{Limit: defaultList}); b.admin.calls[len(b.admin.calls)-1].Query != want || strings.Contains(page, "Older") {
		t.Errorf("want all that there are, and none older, got %v\n%s", b.admin.calls, page)
	}
	_, page = b.browse("/decisions?event=%3Cscript%3E")
	b.wantShown(page, "This cannot be looked for: event must be")
}

func TestExplainPage_findsTasksByName(t *testing.T) {
	b := newBench(t)
	_, page := b.browse("/explain?execution=nothing+of+the+kind")
	b.wantShown(page, "Newest decisions about tasks named <bdi>nothing of the kind</bdi>", "Daily &lt;sales&gt;", `href="/decisions?task=nothing%20of%20the%20kind"`)
}

func TestPages_refuseAPersonInWords(t *testing.T) {
	b := newBench(t)
	resp, page := b.browse("/nothing<", "Accept: text/html,*/*")
	b.wantShown(page, "<h1>no such page</h1>", "/nothing&lt;", "see / for the pages that are there")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("want 404, got %d", resp.StatusCode)
	}
	resp, page = b.browse("/parked", "Accept: text/html", "Sec-Fetch-Site: cross-site")
	b.wantShown(page, "<h1>forbidden</h1>", "open it by its address")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("want 403, got %d", resp.StatusCode)
	}
}

func TestFeed_saysWhenTheLastEventCame(t *testing.T) {
	for want, feed := range map[string]Feed{
		"No event since the start of the service, 3 h ago. 0 events wait to be handled.": {Since: oneDay.Add(-3*time.Hour - time.Minute)},
		"Last event: 2 d ago, from n. 1 event waits to be handled.":                      {Waiting: 1, Nodes: []Node{{"n", oneDay.Add(-50 * time.Hour)}}},
		"Last event: 59 min ago, from n. 0 events wait to be handled.":                   {Nodes: []Node{{"n", oneDay.Add(-59 * time.Minute)}}},
		"Last event: 0 s ago, from n. 0 events wait to be handled.":                      {Nodes: []Node{{"n", oneDay.Add(time.Hour)}}},
	} {
		if got := feed.Words(oneDay); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func TestIndex_saysThatNobodyIsNotified(t *testing.T) {
	b := newBench(t)
	if _, page := b.browse("/"); strings.Contains(page, "Nobody is notified") {
		t.Errorf("there are destinations, got\n%s", page)
	}
	b.admin.silent = true
	_, page := b.browse("/")
	b.wantShown(page, "Nobody is notified: no destination is enabled.")
}
