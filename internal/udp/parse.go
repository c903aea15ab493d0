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

// messageType is a type of message.
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

// fieldList holds the first fields of a message. The type says how many of them are used.
type fieldList [schedulerFields][]byte

// Parse parses one payload. The event is sanitised and checked, and shares no memory
// with payload; the caller sets Source and At. A payload that is no event gives a
// Rejection instead.
func Parse(payload []byte, opts ParseOptions) (messages.TaskEvent, *Rejection) {
	return new(Checker).parse(payload, opts)
}

// Checker checks whether a payload is an event, without allocating its texts as Parse
// does. Its zero value is ready for use, by one goroutine at a time.
type Checker struct{ room []byte }

// Checked is the result of a Checker. Host is valid until the next call.
type Checked struct {
	Family    messages.Family
	Host      []byte
	Sanitised bool
}

// Check accepts and refuses the same payloads as Parse.
func (k *Checker) Check(payload []byte, opts ParseOptions) (Checked, *Rejection) {
	c, rejection := k.check(payload, opts)
	if rejection != nil {
		return Checked{}, rejection
	}
	return Checked{Family: c.kind.family, Host: c.text(1), Sanitised: c.sanitised}, nil
}

func (k *Checker) parse(payload []byte, opts ParseOptions) (messages.TaskEvent, *Rejection) {
	c, rejection := k.check(payload, opts)
	if rejection != nil {
		return messages.TaskEvent{}, rejection
	}
	return c.event(), nil
}

// checked is a parsed event: its sanitised texts in one buffer.
type checked struct {
	kind      messageType
	joined    []byte
	ends      [schedulerFields]int
	sanitised bool
}

// check parses a payload, reusing the memory of the previous one.
func (k *Checker) check(payload []byte, opts ParseOptions) (checked, *Rejection) {
	if len(payload) == 0 {
		return checked{}, &Rejection{Reason: ReasonEmpty}
	}
	fields, count := split(payload)
	kind, known := identify(fields[0])
	if !known {
		return checked{}, &Rejection{Reason: ReasonUnknownType, Detail: Excerpt(fields[0], detailCharacters), Untyped: isUntyped(&fields, count)}
	}
	c, rejection := k.read(kind, &fields, count)
	if rejection == nil || !opts.RecoverSemicolons || kind.fields != schedulerFields || count <= schedulerFields {
		return c, rejection
	}
	if recovered, ok := recoverFields(payload); ok {
		return k.read(kind, &recovered, schedulerFields)
	}
	return c, rejection
}

// isUntyped reports whether a message is that of an appender file from before there were
// message types: the fields of a failed reload without the first one.
func isUntyped(fields *fieldList, count int) bool {
	return count == schedulerFields-1 && qlik.IsGUID(fields[4]) && qlik.IsGUID(fields[8])
}

// split splits payload at the semicolons. It returns the fields that may be used and
// the number of all fields.
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
	if !isPlain(field) || len(field) > MaxCharacters {
		field, _ = appendSanitised(nil, field, MaxCharacters)
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

// read checks the number of fields, sanitises them and checks those of a known form.
func (k *Checker) read(t messageType, fields *fieldList, count int) (checked, *Rejection) {
	if count < t.fields || count > t.fields && !t.more {
		return checked{}, &Rejection{
			Reason: ReasonFieldCount, Expected: t.fields, Actual: count, AtLeast: t.more,
		}
	}
	c := checked{kind: t, joined: k.room[:0]}
	for i, field := range fields[:t.fields] {
		var changed bool
		c.joined, changed = appendSanitised(c.joined, field, MaxCharacters)
		c.sanitised = c.sanitised || changed
		c.ends[i] = len(c.joined)
	}
	k.room = c.joined
	appID := c.text(6)
	if t.family == messages.FamilyEngine {
		appID = c.text(2)
	} else if taskID := c.text(5); !qlik.IsGUID(taskID) {
		return checked{}, badID(ReasonBadTaskID, taskID)
	}
	if !isNone(appID) && !qlik.IsGUID(appID) {
		return checked{}, badID(ReasonBadAppID, appID)
	}
	return c, nil
}

// text returns a field, sanitised.
func (c *checked) text(i int) []byte {
	start := 0
	if i > 0 {
		start = c.ends[i-1]
	}
	return c.joined[start:c.ends[i]]
}

// event returns the event, whose texts share one allocation.
func (c *checked) event() messages.TaskEvent {
	var texts [schedulerFields]string
	all, start := string(c.joined), 0
	for i := range c.kind.fields {
		texts[i], start = all[start:c.ends[i]], c.ends[i]
	}
	event := messages.TaskEvent{MessageType: c.kind.name, Family: c.kind.family, HostName: texts[1], Sanitised: c.sanitised}
	if event.Family == messages.FamilyEngine {
		event.AppID, event.SessionID = orNone(texts[2]), texts[3]
		event.User = texts[4] + `\` + texts[5]
		event.LogTimestamp, event.LogLevel, event.LogMessage = texts[6], texts[7], texts[8]
		return event
	}
	event.TaskName, event.AppName, event.User = orUnset(texts[2]), orUnset(texts[3]), orUnset(texts[4])
	event.TaskID, event.AppID = texts[5], orNone(texts[6])
	event.LogTimestamp, event.LogLevel = texts[7], texts[8]
	event.ExecutionID, event.LogMessage = orNone(texts[9]), texts[10]
	if event.AppID == "" {
		event.AppName = orNone(event.AppName)
	}
	return event
}

// isNone reports whether text is empty or one of the two ways in which a log
// appender writes "no value".
func isNone[S ~string | ~[]byte](text S) bool {
	return len(text) == 0 || string(text) == "-" || string(text) == unset
}

// orNone returns "" for what is no value.
func orNone(text string) string {
	if isNone(text) {
		return ""
	}
	return text
}

// unset is what log4net writes for a property that nobody has set.
const unset = "(null)"

// orUnset returns "" for a name that log4net does not know. A dash may be a name.
func orUnset(text string) string {
	if text == unset {
		return ""
	}
	return text
}

func badID(reason Reason, value []byte) *Rejection {
	return &Rejection{Reason: reason, Detail: Excerpt(value, detailCharacters)}
}
