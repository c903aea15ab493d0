package udp

import (
	"bytes"
	"strings"

	"butler/internal/qlik"
)

// maxPieces bounds the search for a layout; a message with more semicolons is not repaired.
const maxPieces = 64

// The anchor is the run of fields whose form is known: task ID, app ID,
// timestamp and level. anchorField is where it begins in an intact message.
const (
	anchorField  = 5
	anchorLength = 4
)

// recoverFields finds the eleven fields of a scheduler message that was cut into
// too many pieces because a name or the message holds semicolons.
//
// Exactly one place must look like the anchor; otherwise nothing is guessed.
// What follows the execution ID is the message. What stands before the user is
// the task name and the app name, see splitNames.
func recoverFields(payload []byte) (fields fieldList, ok bool) {
	pieces := bytes.SplitN(payload, semicolon, maxPieces+1)
	if len(pieces) > maxPieces {
		return fields, false
	}
	at, ok := findAnchor(pieces)
	if !ok {
		return fields, false
	}
	names := pieces[2 : at-1]
	border := splitNames(names)
	fields[0], fields[1] = pieces[0], pieces[1]
	fields[2] = bytes.Join(names[:border], semicolon)
	fields[3] = bytes.Join(names[border:], semicolon)
	copy(fields[4:], pieces[at-1:at+anchorLength+1])
	fields[10] = bytes.Join(pieces[at+anchorLength+1:], semicolon)
	return fields, true
}

// findAnchor returns the index of the task ID if there is exactly one candidate.
func findAnchor(pieces [][]byte) (at int, ok bool) {
	// Execution ID and message follow the anchor.
	for i := anchorField; i+anchorLength+2 <= len(pieces); i++ {
		if !isAnchor(pieces[i : i+anchorLength]) {
			continue
		}
		if ok {
			return 0, false
		}
		at, ok = i, true
	}
	return at, ok
}

func isAnchor(pieces [][]byte) bool {
	app := orNone(string(pieces[1]))
	return qlik.IsGUID(string(pieces[0])) && (app == "" || qlik.IsGUID(app)) &&
		isTimestamp(string(pieces[2])) && isLevel(string(pieces[3]))
}

// splitNames returns where the app name begins among two or more pieces of task
// name and app name. A semicolon inside a name is usually followed by a space and
// the separator never is, so the app name begins at the last piece that does not
// start with one. With nothing to tell them apart, the task name gets the rest.
func splitNames(pieces [][]byte) int {
	for border := len(pieces) - 1; border > 0; border-- {
		if !bytes.HasPrefix(pieces[border], []byte(" ")) {
			return border
		}
	}
	return len(pieces) - 1
}

// timestampForm is the date and time of log4net: 0 stands for a digit, T for T or a space.
const timestampForm = "0000-00-00T00:00:00"

// isTimestamp reports whether text begins with a date and a time, followed by
// nothing but a fraction and a zone.
func isTimestamp(text string) bool {
	if len(text) < len(timestampForm) {
		return false
	}
	for i, want := range []byte(timestampForm) {
		got := text[i]
		switch {
		case want == '0' && got >= '0' && got <= '9':
		case want == 'T' && (got == 'T' || got == ' '):
		case want == got && want != '0':
		default:
			return false
		}
	}
	return strings.Trim(text[len(timestampForm):], "0123456789.,:+-Z ") == ""
}

// isLevel reports whether text is one of log4net's levels.
func isLevel(text string) bool {
	switch strings.ToUpper(text) {
	case "EMERGENCY", "FATAL", "ALERT", "CRITICAL", "SEVERE", "ERROR", "WARN", "WARNING",
		"NOTICE", "INFO", "DEBUG", "FINE", "TRACE", "VERBOSE":
		return true
	}
	return false
}
