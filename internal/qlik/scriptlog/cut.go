package scriptlog

import (
	"strings"
	"unicode/utf16"

	"butler/messages"
)

// Parse splits a log into lines and counts it. Head and Tail of the result are
// both all of its lines, so that whoever shows it cuts its own part. An empty
// text gives the zero value: there is no log.
func Parse(text string) messages.ScriptLog {
	text = strings.TrimPrefix(text, "\uFEFF")
	if text == "" {
		return messages.ScriptLog{}
	}
	lines := Lines(text)
	return messages.ScriptLog{
		Available: true, Rows: len(lines), Characters: utf16Length(text), Head: lines, Tail: lines,
	}
}

// maxLines bounds the lines of one log; what follows counts as part of the last.
const maxLines = 1 << 20

// Lines splits a log at CRLF, or at LF if it has no CRLF. A line break at the end does
// not begin another line. Control characters other than the tab are removed, because the
// lines end up in mails, chats and terminals; everything else stays, so that a line can
// be found again in the log.
func Lines(text string) []string {
	end := "\n"
	if strings.Contains(text, "\r\n") {
		end = "\r\n"
	}
	lines := strings.SplitN(strings.TrimSuffix(text, end), end, maxLines)
	for i, l := range lines {
		lines[i] = strings.Map(printable, l)
	}
	return lines
}

func printable(r rune) rune {
	switch {
	case r == '\n' || r == '\r':
		return ' '
	case r < ' ' && r != '\t', r >= 0x7F && r < 0xA0:
		return -1
	}
	return r
}

// utf16Length counts characters as Qlik Sense and the web do.
func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}
