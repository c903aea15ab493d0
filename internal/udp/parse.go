package udp

import (
	"bytes"

	"butler/internal/qlik"
	"butler/messages"
)

// ParseOptions configure Parse. The zero value is the strict format.
type ParseOptions struct {
	// RecoverSemicolons makes Parse look for the layout of a scheduler message
	// with too many fields, whose names or message hold a semicolon.
	RecoverSemicolons bool
}

const (
	schedulerFields = 11
	engineFields    = 9
	// longestIdentifier bounds what identify looks at.
	longestIdentifier = len("/scheduler-reloadtask-success/")
)

// messageType is what an identifier stands for.
type messageType struct {
	// name is the normalised identifier.
	name   string
	family messages.Family
	// fields is how many fields a message has, or at least has when more is set.
	fields int
	more   bool
}

// messageTypes is the one table of the nine identifiers.
var messageTypes = indexByName(
	messageType{"/engine-reload-failed/", messages.FamilyEngine, engineFields, false},
	messageType{"/scheduler-reload-failed/", messages.FamilyFailed, schedulerFields, false},
	messageType{"/scheduler-task-failed/", messages.FamilyFailed, schedulerFields, false},
	messageType{"/scheduler-reloadtask-failed/", messages.FamilyFailed, schedulerFields, false},
	messageType{"/scheduler-reload-aborted/", messages.FamilyAborted, schedulerFields, false},
	messageType{"/scheduler-task-aborted/", messages.FamilyAborted, schedulerFields, false},
	messageType{"/scheduler-reloadtask-success/", messages.FamilySucceeded, schedulerFields, false},
	messageType{"/scheduler-task-success/", messages.FamilySucceeded, schedulerFields, false},
	messageType{"/scheduler-distribute/", messages.FamilyDistribute, schedulerFields, true},
)

func indexByName(types ...messageType) map[string]messageType {
	index := make(map[string]messageType, len(types))
	for _, t := range types {
		index[t.name] = t
	}
	return index
}

// fieldList holds the first fields of a message; how many count is the type's business.
type fieldList [schedulerFields][]byte

// Parse reads one payload. The event it returns is sanitised and checked and
// shares no memory with payload; Source and At are left to the caller. A
// payload that is no event gives a Rejection instead.
func Parse(payload []byte, opts ParseOptions) (messages.TaskEvent, *Rejection) {
	if len(payload) == 0 {
		return messages.TaskEvent{}, &Rejection{Reason: ReasonEmpty}
	}
	fields, count := split(payload)
	kind, known := identify(fields[0])
	if !known {
		return messages.TaskEvent{}, &Rejection{Reason: ReasonUnknownType, Detail: Excerpt(fields[0], detailCharacters)}
	}
	event, rejection := kind.read(&fields, count)
	if rejection == nil || !opts.RecoverSemicolons || kind.fields != schedulerFields || count <= schedulerFields {
		return event, rejection
	}
	if recovered, ok := recoverFields(payload); ok {
		return kind.read(&recovered, schedulerFields)
	}
	return event, rejection
}

// split cuts payload at the semicolons. It returns the fields that can matter
// and the number of all there are.
func split(payload []byte) (fields fieldList, count int) {
	rest := payload
	for count < len(fields) {
		field, after, more := bytes.Cut(rest, semicolon)
		fields[count] = field
		count++
		if !more {
			return fields, count
		}
		rest = after
	}
	return fields, count + 1 + bytes.Count(rest, semicolon)
}

var semicolon = []byte{';'}

// identify finds the message type of a first field: in any case, with one or
// more trailing slashes, not trimmed.
func identify(field []byte) (messageType, bool) {
	if !isPlain(field) || len(field) > maxCharacters {
		field, _ = appendSanitised(nil, field, maxCharacters)
	}
	end := len(field)
	for end > 1 && field[end-1] == '/' && field[end-2] == '/' {
		end--
	}
	if end > longestIdentifier {
		return messageType{}, false
	}
	var lower [longestIdentifier]byte
	for i, c := range field[:end] {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	kind, known := messageTypes[string(lower[:end])]
	return kind, known
}

// read checks the number of fields, sanitises them and builds the event.
func (t messageType) read(fields *fieldList, count int) (messages.TaskEvent, *Rejection) {
	if count < t.fields || count > t.fields && !t.more {
		return messages.TaskEvent{}, &Rejection{
			Reason: ReasonFieldCount, Expected: t.fields, Actual: count, AtLeast: t.more,
		}
	}
	texts, sanitised := sanitiseAll(fields[:t.fields])
	event := messages.TaskEvent{MessageType: t.name, Family: t.family, HostName: texts[1], Sanitised: sanitised}
	if t.family == messages.FamilyEngine {
		return readEngine(event, &texts)
	}
	return readScheduler(event, &texts)
}

func readScheduler(event messages.TaskEvent, texts *[schedulerFields]string) (messages.TaskEvent, *Rejection) {
	event.TaskName, event.AppName, event.User = texts[2], texts[3], texts[4]
	event.TaskID, event.AppID = texts[5], orNone(texts[6])
	event.LogTimestamp, event.LogLevel = texts[7], texts[8]
	event.ExecutionID, event.LogMessage = orNone(texts[9]), texts[10]
	if !qlik.IsGUID(event.TaskID) {
		return messages.TaskEvent{}, badID(ReasonBadTaskID, event.TaskID)
	}
	if event.AppID == "" {
		event.AppName = orNone(event.AppName)
		return event, nil
	}
	if !qlik.IsGUID(event.AppID) {
		return messages.TaskEvent{}, badID(ReasonBadAppID, event.AppID)
	}
	return event, nil
}

func readEngine(event messages.TaskEvent, texts *[schedulerFields]string) (messages.TaskEvent, *Rejection) {
	event.AppID, event.SessionID = orNone(texts[2]), texts[3]
	event.User = texts[4] + `\` + texts[5]
	event.LogTimestamp, event.LogLevel, event.LogMessage = texts[6], texts[7], texts[8]
	if event.AppID != "" && !qlik.IsGUID(event.AppID) {
		return messages.TaskEvent{}, badID(ReasonBadAppID, event.AppID)
	}
	return event, nil
}

// sanitiseAll sanitises fields into strings that share one allocation.
func sanitiseAll(fields [][]byte) (texts [schedulerFields]string, sanitised bool) {
	var (
		onStack [512]byte
		ends    [schedulerFields]int
		joined  = onStack[:0]
	)
	for i, field := range fields {
		var changed bool
		joined, changed = appendSanitised(joined, field, maxCharacters)
		sanitised = sanitised || changed
		ends[i] = len(joined)
	}
	all, start := string(joined), 0
	for i := range fields {
		texts[i] = all[start:ends[i]]
		start = ends[i]
	}
	return texts, sanitised
}

// orNone returns "" for the two ways in which a log appender writes "no value".
func orNone(text string) string {
	if text == "-" || text == "(null)" {
		return ""
	}
	return text
}

func badID(reason Reason, value string) *Rejection {
	return &Rejection{Reason: reason, Detail: Excerpt([]byte(value), detailCharacters)}
}
