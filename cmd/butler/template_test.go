package main

import (
	"errors"
	"testing"
)

func TestShownText_cannotMoveTheCursor(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"lines and tabs stay", "a\r\n\tb\r\n", "a\n\tb"},
		{"escapes do not", "a\x1b[2Jb\u202e\x00", "a?[2Jb??"},
		{"JSON is indented", `{"text":"ä","to":[]}`, "{\n  \"text\": \"ä\",\n  \"to\": []\n}"},
	} {
		if got := shownText(row.in); got != row.want {
			t.Errorf("%s: want %q, got %q", row.name, row.want, got)
		}
	}
}

func TestPageOf_isTheHTMLPartOfAMail(t *testing.T) {
	mail := func(parts string) string {
		return "Subject: x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" + parts + "--b--\r\n"
	}
	text := "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
	html := "--b\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D\"x\">=\r\nA</p>\r\nB\r\n"
	for _, row := range []struct{ name, message, want string }{
		{"a mail", mail(text + html), "<p class=\"x\">A</p>\nB"},
		{"a mail of plain text", mail(text), ""},
		{"a mail without parts", "Subject: x\r\nContent-Type: text/html\r\n\r\n<p>", ""},
		{"a mail that breaks off", "Subject: x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b", ""},
		{"JSON", `{"blocks": []}`, ""},
		{"nothing", "", ""},
	} {
		got, err := pageOf(row.message)
		if string(got) != row.want || errors.Is(err, errNoPage) != (row.want == "") {
			t.Errorf("%s: want %q, got %q, %v", row.name, row.want, got, err)
		}
	}
}
