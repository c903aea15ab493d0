package app_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"butler/internal/sim/world"
	"butler/internal/text"
)

// told is what one receiver was told, once.
type told struct {
	// place is who it was, such as /slack/failed.
	place string
	// raw is as it was sent, texts is what a reader of it is shown.
	raw   string
	texts []string
}

func (n told) mentions(text string) bool {
	return slices.ContainsFunc(n.texts, func(shown string) bool { return strings.Contains(shown, text) })
}

// textsOf adds every text of a JSON document, names of members included. What
// Slack shows as it is is escaped as what it reads as markup has to be.
func textsOf(out []string, document any) []string {
	switch v := document.(type) {
	case string:
		return append(out, v)
	case []any:
		for _, item := range v {
			out = textsOf(out, item)
		}
	case map[string]any:
		if text, is := v["text"].(string); is && v["type"] == "plain_text" {
			return append(out, slackMarkup.Replace(text))
		}
		for name, item := range v {
			out = textsOf(append(out, name), item)
		}
	}
	return out
}

// slackMarkup writes text as Slack's markup.
var slackMarkup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// everythingTold returns what every receiver was told. A document that is none, a point
// that cannot be read and a topic or a file of another name are failures.
func (s *site) everythingTold(dir string) (out []told) {
	s.t.Helper()
	document := func(place string, body []byte) {
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			s.t.Errorf("%s was told what is no JSON: %v: %.300q", place, err, body)
		}
		out = append(out, told{place: place, raw: string(body), texts: textsOf(nil, v)})
	}
	for _, r := range s.sim.HTTP.History().All() {
		document(r.Path, r.Body)
		for name, values := range r.Header {
			if text := name + strings.Join(values, ""); strings.Contains(text, forged) || strings.Contains(text, literal) {
				s.t.Errorf("%s got the header %q: %q", r.Path, name, values)
			}
		}
	}
	for _, p := range s.sim.MQTT.Publications().All() {
		switch p.Topic {
		case "qliksense/task_failure_full":
			document(p.Topic, p.Payload)
		case "qliksense/task_failure":
			out = append(out, told{p.Topic, string(p.Payload), []string{string(p.Payload)}})
		case "qliksense/butler/mqtt/status", "qliksense/butler/task_failure_server":
		default:
			s.t.Errorf("want nothing published to another topic, got %q", p.Topic)
		}
	}
	for _, mail := range s.sim.SMTP.Messages().All() {
		texts := []string{mail.Subject, mail.Text, html.UnescapeString(mail.HTML)}
		out = append(out, told{"mail to " + strings.Join(mail.Recipients, " and "), mail.HTML, texts})
	}
	for _, p := range s.sim.Influx.Stored("butler") {
		if p.Measurement != "reload_task_failed" || p.Fields[forged] != nil {
			s.t.Errorf("want points of failed reloads only, got %v", p)
		}
		point := told{place: "InfluxDB"}
		for _, name := range slices.Sorted(maps.Keys(p.Tags)) {
			point.texts = append(point.texts, name, p.Tags[name])
		}
		for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
			point.texts = append(point.texts, name, fmt.Sprint(p.Fields[name]))
		}
		out = append(out, point)
	}
	return append(out, s.stored(filepath.Join(dir, "scriptlogs"))...)
}

// logName is the name of a stored script log.
var logName = regexp.MustCompile(`^\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d_[\d-]+_appId=[\w-]+_taskId=[\w-]+(_executionId=[\w-]+)?\.log$`)

// stored returns the script logs on disk.
func (s *site) stored(dir string) (out []told) {
	s.t.Helper()
	must(s.t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if !logName.MatchString(filepath.ToSlash(name)) {
			s.t.Errorf("want no script log of such a name: %q", name)
		}
		text, err := os.ReadFile(path)
		out = append(out, told{"script log", string(text), []string{string(text)}})
		return err
	}))
	return out
}

// places are all who are told of a reload that failed, by how much of the event they show.
var places = map[string]bool{
	"/slack/failed": true, "/teams/failed": true, "/newrelic/log": true, "/newrelic/v1/accounts/1001/events": true, "/hook/failed": true, "/pager": true,
	"mail to " + everyRecipient: true, "InfluxDB": true, "qliksense/task_failure_full": true,
	"/signl4": false, "qliksense/task_failure": false, "script log": false,
}

// wantHonest fails unless every receiver was told of the honest event as it was, once.
func wantHonest(t *testing.T, notices []told, e world.Execution) {
	t.Helper()
	for place, whole := range places {
		var of []told
		for _, n := range notices {
			if n.place == place && n.mentions(e.TaskName) {
				of = append(of, n)
			}
		}
		if len(of) != 1 {
			t.Errorf("want %s told of the honest event once, got %d", place, len(of))
			continue
		}
		if of[0].mentions(forged) || of[0].mentions(literal) {
			t.Errorf("want %s told what the honest event was, got %.500q", place, of[0].texts)
		}
		for _, text := range []string{e.Node, "sa_scheduler", "Max retries reached", e.AppName, e.TaskID} {
			if whole && !of[0].mentions(text) {
				t.Errorf("want %q told to %s, got %.500q", text, place, of[0].texts)
			}
		}
		if place == "/hook/failed" && !of[0].mentions(e.ExecutionID) {
			t.Errorf("want the execution %s told to %s, got %s", e.ExecutionID, place, of[0].raw)
		}
	}
}

// wantInert fails unless every lie and every name has arrived somewhere, and poison
// everywhere, as the text that it is.
func wantInert(t *testing.T, notices []told) {
	t.Helper()
	arrived := map[string]bool{}
	for _, n := range notices {
		if n.mentions(literal) {
			arrived[n.place] = true
		}
		for _, what := range slices.Concat(slices.Collect(maps.Keys(lied)), names) {
			arrived[what] = arrived[what] || n.mentions(what)
		}
		for _, text := range n.texts {
			if active := activeIn(n.place, text); active != "" {
				t.Errorf("%s was told %s: %.500q", n.place, active, text)
			}
		}
		if strings.HasPrefix(n.place, "mail to") && markup.MatchString(n.raw) {
			t.Errorf("%s holds markup that was sent: %q", n.place, markup.FindString(n.raw))
		}
	}
	for _, what := range slices.Concat(slices.Collect(maps.Keys(places)), slices.Collect(maps.Keys(lied)), names) {
		if !arrived[what] {
			t.Errorf("want what was sent to arrive as text, not so: %s", what)
		}
	}
}

var (
	// markup is what was sent as a part of an HTML page.
	markup = regexp.MustCompile(`(?i)<script|<img|<!channel`)
	// ourLink is how a message to Slack links to an app.
	ourLink = regexp.MustCompile(`<https://sense\.example\.com/[\w/-]+\|([^<>]*)>`)
	// documents is where the repository's own document is handed on, in which a JSON text may hold anything.
	documents = "qliksense/task_failure_full"
	// exact are the places that programs read: they get a text as it was cleaned at the edge, without
	// control characters, with what reorders the text around it.
	exact = []string{"/hook/failed", "/newrelic/log", "/newrelic/v1/accounts/1001/events", "qliksense/task_failure", "InfluxDB", "script log"}
)

// activeIn says what a text is more than text for those who are told it.
func activeIn(place, told string) string {
	hostile := func(r rune) bool {
		switch {
		case strings.ContainsRune("\r\n\t", r):
			return false
		case slices.Contains(exact, place):
			return r < ' ' || r == 0x7F
		}
		return text.IsHostile(r)
	}
	switch {
	case place != documents && strings.ContainsFunc(told, hostile):
		return "what can do more than be read"
	case strings.HasPrefix(place, "/slack") && strings.Contains(told, forged) && strings.ContainsAny(ourLink.ReplaceAllString(told, "$1"), "<>"):
		return "markup of Slack"
	case strings.HasPrefix(place, "/teams") && strings.Contains(told, "]("):
		return "a link"
	}
	return ""
}

// wantsMailsOfOurs fails for a mail with another header or to anybody else than was meant.
func (s *site) wantsMailsOfOurs() {
	s.t.Helper()
	for _, mail := range s.sim.SMTP.Messages().All() {
		if mail.Header.Get("Bcc") != "" || len(mail.Recipients) != 1 || strings.Contains(mail.Recipients[0], "evil") {
			s.t.Errorf("want no mail to %v with the header %v", mail.Recipients, mail.Header)
		}
	}
}

// quotedText is a text of a filter; what is in it is nothing else.
var quotedText = regexp.MustCompile(`'(?:[^']|'')*'`)

// wantsFiltersOfOurs fails for a filter that what was sent has a part in, and
// when nothing of it reached the repository at all.
func (s *site) wantsFiltersOfOurs() {
	s.t.Helper()
	quoted := 0
	for _, r := range s.sim.QRS.Requests().All() {
		if strings.Contains(r.Filter, literal) {
			quoted++
		}
		if rest := quotedText.ReplaceAllString(r.Filter, ""); strings.ContainsAny(rest, "'{}<>/") || strings.Contains(rest, " ne ") {
			s.t.Errorf("%s was asked for %q", r.Operation, r.Filter)
		}
		if r.Operation == "unknown" {
			s.t.Errorf("the repository was asked for %q", r.Path)
		}
	}
	if quoted < 2 {
		s.t.Errorf("want a tag and a property that were sent looked for, got %d filters with them", quoted)
	}
}
