package udp

import (
	"errors"
	"fmt"
	"strings"

	"butler/internal/qlik"
	"butler/messages"
)

// Compose builds the datagram that makes Parse return event, so that a person
// can send one by hand. MessageType may be written as Parse accepts it; Source,
// At, Family and Sanitised are ignored. It refuses what Parse would not return
// unchanged: an unknown type, a semicolon or a control character in a field, a field
// that would be cut, an ID that is not a GUID.
func Compose(event messages.TaskEvent) ([]byte, error) {
	kind, known := identify([]byte(event.MessageType))
	if !known {
		return nil, fmt.Errorf("message type %q is none of %s", event.MessageType, strings.Join(Identifiers(), " "))
	}
	fields := schedulerLayout(event)
	if kind.family == messages.FamilyEngine {
		fields = engineLayout(event)
	}
	payload := []byte(kind.name)
	for _, f := range fields {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		payload = append(payload, ';')
		payload = append(payload, f.value...)
	}
	if len(payload) > LargestPayload {
		return nil, fmt.Errorf("%d bytes do not fit into a datagram of %d", len(payload), LargestPayload)
	}
	return payload, nil
}

// Identifiers lists the nine message types as they are written on the wire.
func Identifiers() []string {
	return []string{
		"/scheduler-task-failed/", "/scheduler-reload-failed/", "/scheduler-reloadtask-failed/",
		"/scheduler-task-aborted/", "/scheduler-reload-aborted/",
		"/scheduler-task-success/", "/scheduler-reloadtask-success/",
		"/scheduler-distribute/", "/engine-reload-failed/",
	}
}

// field is one field to be sent, with what must be true of it.
type field struct {
	name, value string
	id          idRule
}

// idRule says whether a field is a GUID.
type idRule uint8

const (
	idNone idRule = iota
	idOptional
	idRequired
)

func schedulerLayout(e messages.TaskEvent) []field {
	return []field{
		{name: "host name", value: e.HostName},
		{name: "task name", value: e.TaskName},
		{name: "app name", value: e.AppName},
		{name: "user", value: e.User},
		{name: "task ID", value: e.TaskID, id: idRequired},
		{name: "app ID", value: e.AppID, id: idOptional},
		{name: "timestamp", value: e.LogTimestamp},
		{name: "level", value: e.LogLevel},
		{name: "execution ID", value: e.ExecutionID},
		{name: "message", value: e.LogMessage},
	}
}

func engineLayout(e messages.TaskEvent) []field {
	directory, user, _ := strings.Cut(e.User, `\`)
	return []field{
		{name: "host name", value: e.HostName},
		{name: "app ID", value: e.AppID, id: idOptional},
		{name: "session ID", value: e.SessionID},
		{name: "user directory", value: directory},
		{name: "user", value: user},
		{name: "timestamp", value: e.LogTimestamp},
		{name: "level", value: e.LogLevel},
		{name: "message", value: e.LogMessage},
	}
}

func (f field) check() error {
	if strings.Contains(f.value, ";") {
		return errors.New("a semicolon separates the fields and cannot be part of one")
	}
	if _, changed := Sanitise([]byte(f.value)); changed {
		return fmt.Errorf("control characters, invalid UTF-8 and more than %d characters do not arrive", MaxCharacters)
	}
	if f.id == idNone || f.id == idOptional && f.value == "" || qlik.IsGUID(f.value) {
		return nil
	}
	return fmt.Errorf("%q is not a GUID", f.value)
}
