package engine

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"butler/messages"
)

// An element of a few bytes needs a hundred in memory: the length of an answer is
// no bound of what it grows to.
func TestSession_takesOnlySoManyItemsOutOfAnAnswer(t *testing.T) {
	const longest = 64 << 20
	client := &Client{address: "engine:4747", options: Options{MaxMessage: longest}}
	read := map[string]func(*session, json.RawMessage) error{
		"list of apps": func(s *session, raw json.RawMessage) error {
			_, err := elements[doc](s, "GetDocList", raw)
			return err
		},
		"list of a section": func(s *session, raw json.RawMessage) error {
			_, err := section{}.read(s, "GetConnections", wrapped("qConnections", raw), "qConnections")
			return err
		},
		"object": func(s *session, raw json.RawMessage) error {
			_, err := s.member("GetProperties", raw, "qProp")
			return err
		},
	}
	for _, test := range []struct{ name, read, begin, element, end string }{
		{"apps", "list of apps", "[", "{},", "{}]"},
		{"items", "list of a section", "[", "0,", "0]"},
		{"members", "object", "{", `"":0,`, `"qProp":0}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &session{client: client}
			full := strings.Repeat(test.element, maxItems-1)
			if err := read[test.read](s, json.RawMessage(test.begin+full+test.end)); err != nil {
				t.Errorf("as many as may be: %v", err)
			}
			hostile := json.RawMessage(test.begin + strings.Repeat(test.element, longest/len(test.element)-8) + test.end)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read[test.read](s, hostile)
			runtime.ReadMemStats(&after)
			if failed, ok := errors.AsType[*Error](err); !ok || failed.Kind != messages.FailureInvalid || !errors.Is(err, errTooMuch) {
				t.Errorf("error %v, want that the engine sent too much", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8*longest {
				t.Errorf("%d MiB were allocated, want less than %d", grown>>20, 8*longest>>20)
			}
		})
	}
}

func wrapped(member string, value json.RawMessage) json.RawMessage {
	return json.RawMessage(`{"` + member + `":` + string(value) + `}`)
}
