package email

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	gomailsmtp "github.com/wneessen/go-mail/smtp"

	"butler/internal/destination"
)

// posting returns a post for a server, closed with the test.
func posting(t *testing.T, s SMTP) *sessionPool {
	t.Helper()
	p := newSessionPool(s)
	t.Cleanup(p.close)
	return p
}

func mailNow(t *testing.T, p *sessionPool, to string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return p.send(ctx, mailTo(to))
}

// wantMails checks who got mails, and in how many conversations.
func wantMails(t *testing.T, m *mailServer, conversations int, recipients ...string) {
	t.Helper()
	var got []string
	for _, mail := range m.mails() {
		got = append(got, mail.to)
	}
	if want := strings.Join(recipients, " "); strings.Join(got, " ") != want {
		t.Errorf("want mails to %s, got %s", want, strings.Join(got, " "))
	}
	if n := m.conversations(); n != conversations {
		t.Errorf("want %d conversations, got %d", conversations, n)
	}
}

func TestPost_sendsOneMailAfterTheOtherInOneSession(t *testing.T) {
	for name, tc := range map[string]struct {
		offers        serverOptions
		change        func(*SMTP)
		conversations int
	}{
		"plain":        {conversations: 1},
		"starttls":     {offers: serverOptions{starttls: true}, conversations: 2}, // greeted again after it
		"implicit TLS": {offers: serverOptions{implicitTLS: true}, change: func(s *SMTP) { s.Secure = true }, conversations: 1},
		"logged in":    {offers: serverOptions{mechanisms: []string{"PLAIN"}}, change: func(s *SMTP) { s.Auth.Enable = true }, conversations: 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, tc.offers)
			s := settings(t, server.address)
			if tc.change != nil {
				tc.change(&s)
			}
			p := posting(t, s)
			for _, to := range []string{"a@example.com", "b@example.com", "c@example.com"} {
				if err := mailNow(t, p, to); err != nil {
					t.Fatal(err)
				}
			}
			wantMails(t, server, tc.conversations, "a@example.com", "b@example.com", "c@example.com")
			mails := server.mails()
			if first, last := mails[0], mails[2]; last.encrypted != first.encrypted || last.loggedIn != first.loggedIn || last.data != first.data {
				t.Errorf("the last mail is not like the first: %+v, %+v", last, first)
			}
		})
	}
}

// What the server did to a session that waited costs a new one, and no attempt.
func TestPost_replacesASessionThatIsNoMore(t *testing.T) {
	reply := func(code int) func(*smtp.Conn) error {
		return func(*smtp.Conn) error { return &smtp.SMTPError{Code: code, Message: "no more"} }
	}
	cut := func(c *smtp.Conn) error { return c.Conn().Close() }
	for name, spoil := range map[string]func(m *mailServer, first *smtp.Conn){
		"closed while it waited": func(_ *mailServer, first *smtp.Conn) { _ = first.Conn().Close() },
		"reset while it waited": func(_ *mailServer, first *smtp.Conn) {
			_ = first.Conn().(*net.TCPConn).SetLinger(0)
			_ = first.Conn().Close()
		},
		"closed with 421 while it waited": func(_ *mailServer, first *smtp.Conn) {
			_, _ = fmt.Fprint(first.Conn(), "421 4.4.2 idle for too long\r\n")
			_ = first.Conn().Close()
		},
		"421 at MAIL":              func(m *mailServer, first *smtp.Conn) { m.onMail = only(first, reply(421)) },
		"cut at MAIL":              func(m *mailServer, first *smtp.Conn) { m.onMail = only(first, cut) },
		"a limit of mails at MAIL": func(m *mailServer, first *smtp.Conn) { m.onMail = only(first, reply(452)) },
		"login forgotten at MAIL":  func(m *mailServer, first *smtp.Conn) { m.onMail = only(first, reply(530)) },
		"421 at RCPT": func(m *mailServer, first *smtp.Conn) {
			calls := 0
			m.refuse = func(string) error {
				if calls++; calls == 1 {
					return &smtp.SMTPError{Code: 421, Message: "shutting down"}
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, serverOptions{})
			var first *smtp.Conn
			server.onMail = func(c *smtp.Conn) error { first = c; return nil }
			p := posting(t, settings(t, server.address))
			if err := mailNow(t, p, "a@example.com"); err != nil {
				t.Fatal(err)
			}
			server.mu.Lock()
			server.onMail = nil
			spoil(server, first)
			server.mu.Unlock()
			for _, to := range []string{"b@example.com", "c@example.com"} {
				if err := mailNow(t, p, to); err != nil {
					t.Fatal(err)
				}
			}
			wantMails(t, server, 2, "a@example.com", "b@example.com", "c@example.com")
		})
	}
}

// only acts in one connection.
func only(conn *smtp.Conn, act func(*smtp.Conn) error) func(*smtp.Conn) error {
	return func(c *smtp.Conn) error {
		if c == conn {
			return act(c)
		}
		return nil
	}
}

// A fresh session has the last word, and what it says counts as ever.
func TestPost_aRefusalInAFreshSessionIsOne(t *testing.T) {
	for name, tc := range map[string]struct {
		code int
		kind destination.ErrorKind
	}{
		"421":            {421, destination.Transient},
		"later":          {451, destination.Transient},
		"sender refused": {553, destination.MisconfiguredKind},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, serverOptions{})
			p := posting(t, settings(t, server.address))
			if err := mailNow(t, p, "a@example.com"); err != nil {
				t.Fatal(err)
			}
			server.mu.Lock()
			server.onMail = func(*smtp.Conn) error { return &smtp.SMTPError{Code: tc.code, Message: "not now"} }
			server.mu.Unlock()
			wantFailure(t, mailNow(t, p, "b@example.com"), tc.kind, "naming the sender")
			wantMails(t, server, 2, "a@example.com")
		})
	}
}

// A recipient who is refused in a session that was kept is refused.
func TestPost_aRefusalOfTheRecipientIsNotAskedAgain(t *testing.T) {
	server := startServer(t, serverOptions{})
	p := posting(t, settings(t, server.address))
	if err := mailNow(t, p, "a@example.com"); err != nil {
		t.Fatal(err)
	}
	server.behave(func(string) error { return &smtp.SMTPError{Code: 550, Message: "unknown user"} }, nil)
	wantFailure(t, mailNow(t, p, "b@example.com"), destination.PermanentKind, "naming the recipient")
	wantMails(t, server, 1, "a@example.com")
}

// Once the server has the mail nobody sends it again within the attempt.
func TestPost_neverSendsAMailTwice(t *testing.T) {
	for name, act := range map[string]func(*smtp.Conn) error{
		"421 after the mail": func(*smtp.Conn) error { return &smtp.SMTPError{Code: 421, Message: "shutting down"} },
		"cut after the mail": func(c *smtp.Conn) error { return c.Conn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, serverOptions{})
			p := posting(t, settings(t, server.address))
			if err := mailNow(t, p, "a@example.com"); err != nil {
				t.Fatal(err)
			}
			server.mu.Lock()
			server.onData = act
			server.mu.Unlock()
			wantFailure(t, mailNow(t, p, "b@example.com"), destination.Transient, "sending the mail")
			wantMails(t, server, 1, "a@example.com", "b@example.com")
		})
	}
}

func TestPost_aSessionCarriesALimitedNumberOfMails(t *testing.T) {
	server := startServer(t, serverOptions{})
	p := posting(t, settings(t, server.address))
	for n := range maxMails + 1 {
		if err := mailNow(t, p, fmt.Sprintf("p%d@example.com", n)); err != nil {
			t.Fatal(err)
		}
	}
	if got := server.conversations(); got != 2 {
		t.Errorf("want a second conversation after %d mails, got %d conversations", maxMails, got)
	}
}

// No more sessions are opened than mails are on their way at once, and the
// sessions of one use are not those of another.
func TestPost_hasNoMoreSessionsThanAttempts(t *testing.T) {
	const atOnce = 4
	server := startServer(t, serverOptions{})
	uses := []*sessionPool{posting(t, settings(t, server.address)), posting(t, settings(t, server.address))}
	for range 5 {
		var attempts sync.WaitGroup
		for n := range 2 * atOnce {
			attempts.Go(func() {
				if err := mailNow(t, uses[n%2], "a@example.com"); err != nil {
					t.Error(err)
				}
			})
		}
		attempts.Wait()
	}
	if got := server.conversations(); got < 2 || got > 2*atOnce {
		t.Errorf("want 2 to %d conversations for 2 uses, got %d", 2*atOnce, got)
	}
	for _, p := range uses {
		if waiting := len(p.idle); waiting == 0 || waiting > atOnce {
			t.Errorf("want 1 to %d sessions that wait, got %d", atOnce, waiting)
		}
	}
}

// An attempt that ends in the midst of a mail leaves no session behind.
func TestPost_aSessionOfAnAttemptThatEndedIsNotUsedAgain(t *testing.T) {
	server := startServer(t, serverOptions{})
	p := posting(t, settings(t, server.address))
	if err := mailNow(t, p, "a@example.com"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	server.behave(nil, func(*smtp.Conn) { <-server.released })
	wantFailure(t, p.send(ctx, mailTo("slow@example.com")), destination.Transient, "no answer in time")
	server.behave(nil, nil)
	if err := mailNow(t, p, "b@example.com"); err != nil {
		t.Fatal(err)
	}
	wantMails(t, server, 2, "a@example.com", "b@example.com")
}

func TestPost_closedItKeepsNothing(t *testing.T) {
	server := startServer(t, serverOptions{})
	p := posting(t, settings(t, server.address))
	p.close()
	for range 2 {
		if err := mailNow(t, p, "a@example.com"); err != nil {
			t.Fatal(err)
		}
		if len(p.idle) != 0 {
			t.Error("a session waits after the end")
		}
	}
	wantMails(t, server, 2, "a@example.com", "a@example.com")
}

// piped returns a session with a server in memory, and what the server hears of it.
func piped(t *testing.T, answers bool) (s *session, heard func() string) {
	t.Helper()
	near, far := net.Pipe()
	said, lines := make(chan struct{}), []string(nil)
	go func() {
		defer close(said)
		defer far.Close()
		_, _ = fmt.Fprint(far, "220 hi\r\n")
		for in := bufio.NewScanner(far); in.Scan(); {
			lines = append(lines, in.Text())
			if answers || !strings.HasPrefix(in.Text(), "QUIT") {
				_, _ = fmt.Fprint(far, "250 ok\r\n")
			}
		}
	}()
	client, err := gomailsmtp.NewClient(near, "mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Hello("localhost"); err != nil {
		t.Fatal(err)
	}
	return &session{conn: near, client: client}, func() string {
		<-said
		return strings.Join(lines, ", ")
	}
}

func TestPost_aSessionThatNobodyUsesIsEnded(t *testing.T) {
	for name, answers := range map[string]bool{"politely": true, "although the server is silent": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, began := newSessionPool(SMTP{}), time.Now()
				s, heard := piped(t, answers)
				p.keep(s)
				time.Sleep(idleFor - time.Millisecond)
				if p.take() != s {
					t.Fatal("the session is gone before its time")
				}
				p.keep(s)
				time.Sleep(idleFor + time.Millisecond)
				synctest.Wait()
				if p.take() != nil {
					t.Error("the session waits for ever")
				}
				if got := heard(); !strings.HasSuffix(got, "QUIT") {
					t.Errorf("want QUIT at last, the server heard %s", got)
				}
				if took := time.Since(began); took > 2*idleFor+quitTimeout {
					t.Errorf("the connection is open for %v", took)
				}
			})
		})
	}
}

func TestPost_closeTakesLeaveOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := newSessionPool(SMTP{}), time.Now()
		first, heardFirst := piped(t, false)
		second, heardSecond := piped(t, false)
		p.keep(first)
		p.keep(second)
		p.close()
		if took := time.Since(began); took > quitTimeout {
			t.Errorf("want to wait %v for both, took %v", quitTimeout, took)
		}
		for _, got := range []string{heardFirst(), heardSecond()} {
			if !strings.HasSuffix(got, "QUIT") {
				t.Errorf("want QUIT at last, the server heard %s", got)
			}
		}
	})
}
