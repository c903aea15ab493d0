package email

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzReplies: whatever a mail server says, an attempt ends, and its failure is one
// short line that holds no password.
func FuzzReplies(f *testing.F) {
	const greeted = "220 here\r\n250-mail\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
	for _, said := range []string{
		greeted + "235 welcome\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n",
		greeted + "535 5.7.8 not with " + password + "\r\n",
		greeted + "235 ok\r\n250 ok\r\n550-5.1.1 no\r\n550 such\x00 user\u202e\r\n",
		"220 here\r\n250-mail\r\n250 AUTH CRAM-MD5\r\n334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+\r\n235 ok\r\n250 ok\r\n451 later\r\n",
		"220 here\r\n250-mail\r\n250 STARTTLS\r\n220 go\r\n\x16\x03\x01", "220\r\n", "99999999999999999999 x\r\n", "",
	} {
		f.Add([]byte(said), true)
	}
	f.Add([]byte("220 here\r\n250 mail\r\n250 ok\r\n421 4.3.2 closing\r\n"), false)
	f.Fuzz(func(t *testing.T, said []byte, auth bool) {
		s := newServer(SMTP{Host: "mail.example.com", Auth: Auth{Enable: auth, User: user, Password: password}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		here, there := net.Pipe()
		defer here.Close()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		go func() {
			_, _ = there.Write(said)
			_ = there.Close()
		}()
		err := s.classify(ctx, func() (step, error) {
			defer interrupt(ctx, here)()
			client, at, err := s.greet(ctx, here)
			if err != nil {
				return at, err
			}
			return (&session{conn: here, client: client}).transmit(mailTo("anna@example.com"))
		})
		if ctx.Err() != nil {
			t.Errorf("want an end, %q keeps the attempt waiting", said)
		}
		if err == nil {
			return
		}
		text := err.Error()
		if len([]rune(text)) > maxReply+100 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) || !utf8.ValidString(text) {
			t.Errorf("want one short line, got %q", text)
		}
		for _, secret := range s.secrets() {
			if strings.Contains(text, secret) {
				t.Errorf("the password is told: %q", text)
			}
		}
	})
}
