package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/sim/appender"
	"butler/internal/sim/world"
	"butler/messages"
)

// poison is text that would be something else where it is not treated as text:
// a line of a log, a header, a template, markup, a link, a filter, a point, a path.
const poison = "x\r\n{\"level\":\"error\",\"msg\":\"forged\"}\r\nBcc: evil@example.com\x1b[2J\u202e" +
	literal + "<script>alert(1)</script><!channel>[click](https://evil.example)' or name ne 'y,forged=1i 1/../../../../etc/passwd\x00"

// literal is the part of poison that every reader sees as it was sent, and forged what is in all of it.
const (
	literal = "{{#each this}}{{this}}{{/each}}"
	forged  = "forged"
)

// datagrams sends payloads from an address of this machine.
func datagrams(t *testing.T, from, to string, payloads ...[]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from+":0")), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	must(t, err)
	defer conn.Close()
	for _, payload := range payloads {
		_, err := conn.Write(payload)
		must(t, err)
	}
}

// attack sends datagrams of a listed sender, each when the one before was read:
// none is lost to the buffer of the socket.
func (v *service) attack(payloads ...[]byte) {
	v.t.Helper()
	read := func() float64 { return v.metrics()["butler_udp_packets_received_total"] }
	before := read()
	for i, payload := range payloads {
		datagrams(v.t, "127.0.0.1", v.udp, payload)
		v.until("a datagram read", func() bool { return read() >= before+float64(i+1) })
	}
}

// attacks make the datagrams of one task's executions: no two are of the same, so
// that none is held to be told already.
type attacks struct {
	s      *site
	taskID string
	n      uint64
}

// event is of an execution that only its datagram knows.
func (a *attacks) event() appender.Event {
	a.n++
	event := appender.EventOf(a.s.ended(a.taskID, world.Fail()), appender.TypeOf(messages.FamilyFailed), time.Now())
	event.ExecutionID = a.s.sim.World.ExecutionID(a.n)
	return event
}

// lied are the fields of a datagram of the scheduler whose text its sender chooses, and where they stand.
var lied = map[string]int{
	"lie of the host": 1, "lie of the task": 2, "lie of the app": 3, "lie of the user": 4, "lie of the time": 7, "lie of the level": 8,
	"lie of the execution": 9, "lie of the message": 10,
}

// lies are events of a sender that is listed and means harm: each lies in every field.
func (a *attacks) lies() (out [][]byte) {
	for _, lie := range []func(name string) string{
		func(name string) string { return name + poison },
		func(string) string { return "" },
		func(string) string { return strings.Repeat("A", 8_000) },
		func(string) string { return "\xff\xfe" },
	} {
		changed := strings.Split(string(appender.Format{}.Append(nil, a.event())), ";")
		for name, i := range lied {
			changed[i] = lie(name)
		}
		out = append(out, []byte(strings.Join(changed, ";")))
	}
	return out
}

// noise is datagrams that are no events, and events that are barely some.
func (a *attacks) noise() [][]byte {
	t := a.s.t
	out := [][]byte{
		nil, {0}, bytes.Repeat([]byte{0xFF}, 60_000), bytes.Repeat([]byte(";"), 60_000), []byte(poison), []byte("/engine-reload-failed/;" + poison),
	}
	for i, name := range appender.Hostile() {
		payload, err := appender.HostileDatagram(name, uint64(i), appender.Format{}, a.event())
		must(t, err)
		out = append(out, payload)
	}
	for _, i := range []int{0, 5, 6} {
		changed := strings.Split(string(appender.Format{}.Append(nil, a.event())), ";")
		changed[i] = poison
		out = append(out, []byte(strings.Join(changed, ";")))
	}
	return out
}

// names of the repository, by what they are the names of.
var names = []string{
	"name of the task", "tag of the task", "property of the task", "value of the task", "name of the app", "tag of the app", "name of the owner", "directory of the owner",
}

// poisonNames puts poison into every name that the repository has of a task, its app and its owner.
func (s *site) poisonNames(taskID string) {
	s.t.Helper()
	w := s.sim.World
	task, _ := w.Task(taskID)
	app, _ := w.App(task.App.ID)
	tag := func(what string) []world.Reference {
		return []world.Reference{{ID: w.Tags()[0].ID, Name: what + poison}}
	}
	property := w.PropertyValue("property of the task"+poison, "value of the task"+poison)
	w.EditTask(taskID, func(t *world.Task) {
		t.Name, t.Tags, t.CustomProperties = "name of the task"+poison, tag("tag of the task"), []world.PropertyValue{property}
	})
	w.EditApp(app.ID, func(a *world.App) { a.Name, a.Tags = "name of the app"+poison, tag("tag of the app") })
	w.EditUser(app.Owner.ID, func(u *world.User) {
		u.Name, u.UserDirectory = "name of the owner"+poison, "directory of the owner"+poison
		u.Attributes = []world.Attribute{{ID: u.ID, AttributeType: "email", AttributeValue: "owner@example.com\r\nBcc: evil@example.com"}}
	})
}

// A sender that nobody listed floods, one that is listed lies in every field, names in
// the repository lie as well, and callers put what they can into paths and bodies: the
// honest event is told as it was, once, and nothing that was sent is more than text anywhere.
func TestHostile_textStaysTextAndFloodsTakeNothing(t *testing.T) {
	s := siteOf(t)
	extra := strings.Replace(restConfig, "senseListApps: true", "senseStartTask: true", 1)
	v := newService(t, s.sim, demo.Settings{LogLevel: "silly", DegradedAfter: "4s", With: demo.Further, Extra: brokerConfig(t, s) + fmt.Sprintf(extra, "")})
	rest := porttest.Of(t, "tcp")
	edit(t, v.config, "serverHost: 127.0.0.1, serverPort: 0", fmt.Sprintf("serverHost: 127.0.0.1, serverPort: %d", rest))
	edit(t, v.config, "udpServerConfig: {enable: true,", "udpServerConfig: {enable: true, enableSourceValidation: true, allowedSources: [127.0.0.1],")
	for _, name := range []string{"in", "out", "qvd"} {
		must(t, os.Mkdir(filepath.Join(v.dir, name), 0o755))
	}
	v.start()
	v.ready()

	execution := s.ended(s.reloadTask(0), world.Fail())
	honest := appender.Format{}.Append(nil, appender.EventOf(execution, appender.TypeOf(messages.FamilyFailed), time.Now()))
	flood := make([][]byte, 5000)
	for i := range flood {
		flood[i] = bytes.Replace(honest, []byte(execution.ExecutionID), []byte(s.sim.World.ExecutionID(uint64(i))), 1)
	}
	datagrams(t, "127.0.0.2", v.udp, flood...)
	v.until("everything of the flood refused for its source", func() bool {
		m := v.metrics() // the numbers of a page are not of one instant
		return m["butler_udp_packets_received_total"] > 0 && m[`butler_udp_packets_rejected_total{reason="source"}`] == m["butler_udp_packets_received_total"]
	})
	liar := attacks{s: s, taskID: s.reloadTask(3), n: uint64(len(flood))}
	v.attack(liar.noise()...)
	v.attack(liar.lies()...)
	v.attack(honest, honest)
	s.poisonNames(s.reloadTask(4))
	poisoned := attacks{s: s, taskID: s.reloadTask(4), n: 1 << 20}
	v.attack(appender.Format{}.Append(nil, poisoned.event()))

	w := &witness{service: v, shown: map[string]string{}}
	w.trespass(fmt.Sprintf("127.0.0.1:%d", rest))
	v.idle()
	must(t, s.sim.QRS.Outage(true))
	unknown := attacks{s: s, taskID: s.reloadTask(5), n: 1 << 21}
	v.attack(unknown.lies()[0])
	v.idle()
	w.call(v.ops, "GET", "/metrics", "")
	w.call(v.ops, "GET", "/admin/quarantine", "")
	v.wantsNoBug()
	if code := v.terminate(drainTime); code != 0 {
		t.Errorf("exit code %d", code)
	}

	w.wantsNothingTaken()
	w.wantsLinesOfTheLog()
	notices := s.everythingTold(v.dir)
	wantHonest(t, notices, execution)
	wantInert(t, notices)
	s.wantsMailsOfOurs()
	s.wantsFiltersOfOurs()
}

// trespass calls with what is no business of a caller.
func (w *witness) trespass(at string) {
	w.t.Helper()
	for _, path := range []string{"/v4/keyvalues/%0d%0aSet-Cookie%3a%20a", "/v4/%2e%2e/%2e%2e/etc/passwd", "/v4/keyvalues/a?key=%0d%0a%1b[2J", "/documentation/../../butler.yaml"} {
		w.call(at, "GET", path, "")
	}
	for _, file := range []string{w.config, "../butler.yaml", filepath.Join(w.dir, "in", "..", "butler.yaml"), "in/../../etc/passwd", "/etc/passwd", "in/x\x00.qvd"} {
		quoted := asText(file)
		w.call(at, "PUT", "/v4/filecopy", fmt.Sprintf(`{"fromFile":%s,"toFile":%q}`, quoted, filepath.Join(w.dir, "out", "stolen")))
		w.call(at, "DELETE", "/v4/filedelete", fmt.Sprintf(`{"deleteFile":%s}`, quoted))
		w.call(at, "POST", "/v4/createdirqvd", fmt.Sprintf(`{"directory":%s}`, quoted))
	}
	text := asText(poison)
	w.call(at, "POST", "/v4/keyvalues/a", fmt.Sprintf(`{"key":%s,"value":%s}`, text, text))
	w.call(at, "PUT", "/v4/reloadtask/start", fmt.Sprintf(`{"tag":[%s],"customProperty":[{"name":%s,"value":%s}]}`, text, text, text))
}

// wantsNothingTaken fails when a call had what is outside the approved directories, or an answer is more than text.
func (w *witness) wantsNothingTaken() {
	w.t.Helper()
	if _, err := os.Stat(w.config); err != nil {
		w.t.Errorf("a file outside the approved directories is gone: %v", err)
	}
	if stolen, err := os.ReadDir(filepath.Join(w.dir, "out")); err != nil || len(stolen) != 0 {
		w.t.Errorf("files were copied: %v, %v", stolen, err)
	}
	for call, answer := range w.shown {
		if strings.Contains(answer, "Set-Cookie") || strings.Contains(answer, "root:") || strings.ContainsAny(answer, "\x1b\x00") || strings.HasSuffix(call, "/metrics") && strings.Contains(answer, "\u202e") {
			w.t.Errorf("%s answers %.300q", call, answer)
		}
	}
}

// wantsLinesOfTheLog fails for a line of the log that was sent, or can do more than be read.
func (w *witness) wantsLinesOfTheLog() {
	w.t.Helper()
	log, err := os.ReadFile(w.log.Name())
	must(w.t, err)
	if !bytes.Contains(log, []byte(literal)) {
		w.t.Error("want the log to tell what was sent, as text")
	}
	for line := range bytes.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil || fields["msg"] == forged {
			w.t.Errorf("a line of the log is none, or forged: %q", line)
		}
		if bytes.ContainsFunc(bytes.TrimRight(line, "\n"), func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' }) {
			w.t.Errorf("a line of the log can do more than be read: %q", line)
		}
	}
}

// asText quotes text as JSON.
func asText(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}
