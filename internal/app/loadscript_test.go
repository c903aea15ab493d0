package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"butler/internal/demo"
)

// What the subs for Qlik load scripts send, byte by byte: POST for everything
// that is no GET, text for every value, the body of the data connection with a
// DELETE, an ID that is empty.
//
// Each file of testdata/loadscript is a request, a line of =====, the status, and
// the answer: what of it the sub, or the script around it, reads.

const loadScriptConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable:
    keyValueStore: true
    butlerping: true
    apiListEnabledEndpoints: true
    fileCopy: true
    fileMove: true
    fileDelete: true
    createDir: true
    createDirQVD: true
    senseStartTask: true
    senseAppReload: true
    slackPostMessage: true
  fileCopyApprovedDirectories: [{fromDirectory: in, toDirectory: out}]
  fileMoveApprovedDirectories: [{fromDirectory: out, toDirectory: done}]
  fileDeleteApprovedDirectories: [done]
  configDirectories: {qvdPath: qvd}
`

func TestREST_answersLoadScriptsAsTheyExpect(t *testing.T) {
	slack := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer slack.Close()
	s := startSite(t, demo.Settings{InMemory: true, Off: demo.Destinations, Extra: loadScriptConfig},
		"BUTLER_SLACKNOTIFICATION_RESTMESSAGE_WEBHOOKURL="+slack.URL)
	for _, directory := range []string{"in", "out", "done", "qvd"} {
		must(t, os.MkdirAll(filepath.Join(s.dir, directory), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(s.dir, "in", "a.qvd"), []byte("data"), 0o644))
	task, ok := s.sim.World.Task(s.taskID(dailySales))
	if !ok {
		t.Fatal("there is no task")
	}
	fill := strings.NewReplacer("{{host}}", s.app.RESTAddress(), "{{dir}}", filepath.ToSlash(s.dir),
		"{{task}}", task.ID, "{{other}}", s.taskID(obrien), "{{app}}", task.App.ID)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.app.RESTAddress())
	must(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn) // of one connection, as of a data connection
	recordings, err := filepath.Glob(filepath.Join("testdata", "loadscript", "*.http"))
	must(t, err)
	for _, file := range recordings {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			must(t, err)
			sent, want, _ := strings.Cut(fill.Replace(string(raw)), "\n=====\n")
			status, body, _ := strings.Cut(want, "\n")
			_, err = io.WriteString(conn, onTheWire(sent))
			must(t, err)
			answer := finalAnswer(t, answers)
			got, err := io.ReadAll(answer.Body)
			must(t, err)
			if strconv.Itoa(answer.StatusCode) != status {
				t.Fatalf("want status %s, got %d with %s", status, answer.StatusCode, got)
			}
			wantTold(t, body, got)
		})
	}
	if len(recordings) == 0 {
		t.Error("there are no recordings")
	}
}

// onTheWire returns a recorded request with the line ends and the length that it has on the wire.
func onTheWire(recorded string) string {
	head, body, _ := strings.Cut(recorded, "\n\n")
	head = strings.ReplaceAll(head, "{{length}}", strconv.Itoa(len(body)))
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
}

// finalAnswer reads an answer; those before it only say that the body may come.
func finalAnswer(t *testing.T, from *bufio.Reader) *http.Response {
	t.Helper()
	for {
		answer, err := http.ReadResponse(from, nil)
		must(t, err)
		if answer.StatusCode != http.StatusContinue {
			return answer
		}
	}
}

// wantTold checks that an answer holds everything of the JSON that is wanted, and
// nothing when nothing is.
func wantTold(t *testing.T, want string, got []byte) {
	t.Helper()
	if want = strings.TrimSpace(want); want == "" {
		if len(got) > 0 {
			t.Errorf("want no body, got %s", got)
		}
		return
	}
	var wanted, told any
	must(t, json.Unmarshal([]byte(want), &wanted))
	if err := json.Unmarshal(bytes.TrimSpace(got), &told); err != nil {
		t.Errorf("want JSON, got %s", got)
		return
	}
	if missing := missingFrom(told, wanted, "answer"); missing != "" {
		t.Errorf("%s; got %s", missing, got)
	}
}

// missingFrom says where got does not hold what want has; lists are of one length.
func missingFrom(got, want any, at string) string {
	switch want := want.(type) {
	case map[string]any:
		members, _ := got.(map[string]any)
		if members == nil {
			return at + " is no object"
		}
		for name, value := range want {
			if missing := missingFrom(members[name], value, at+"."+name); missing != "" {
				return missing
			}
		}
		return ""
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			return fmt.Sprintf("%s: want %v, got %v", at, want, got)
		}
		for i := range want {
			if missing := missingFrom(items[i], want[i], fmt.Sprintf("%s[%d]", at, i)); missing != "" {
				return missing
			}
		}
		return ""
	}
	if got != want {
		return fmt.Sprintf("%s: want %v, got %v", at, want, got)
	}
	return ""
}
