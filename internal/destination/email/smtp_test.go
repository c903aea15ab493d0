package email

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"butler/internal/destination"
)

// settings returns the settings for a server on address.
func settings(t *testing.T, address string) SMTP {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return SMTP{Host: host, Port: n, Auth: Auth{User: user, Password: password}}
}

func send(t *testing.T, s SMTP, to string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	p := newSessionPool(s)
	defer p.close()
	return p.send(ctx, mailTo(to))
}

// mailTo is a mail for one recipient.
func mailTo(to string) envelope {
	return envelope{from: "butler@example.com", to: to, mail: []byte("Subject: x\r\n\r\n.dot\r\n")}
}

// The options of TLS have an effect.
func TestServer_protectsTheConnectionAsConfigured(t *testing.T) {
	all := []string{"PLAIN", "LOGIN", "CRAM-MD5"}
	for name, tc := range map[string]struct {
		offers    serverOptions
		change    func(*SMTP)
		encrypted bool
		loggedIn  string
		fails     bool
		kind      destination.ErrorKind
		text      string
	}{
		"plain":                            {},
		"starttls when offered":            {offers: serverOptions{starttls: true}, encrypted: true},
		"starttls ignored":                 {offers: serverOptions{starttls: true}, change: func(s *SMTP) { s.TLS.IgnoreTLS = true }},
		"starttls required":                {offers: serverOptions{starttls: true}, change: func(s *SMTP) { s.TLS.RequireTLS = true }, encrypted: true},
		"starttls required, not offered":   {change: func(s *SMTP) { s.TLS.RequireTLS, s.Auth.Enable = true, true }, fails: true, kind: destination.MisconfiguredKind, text: "requireTLS"},
		"implicit TLS":                     {offers: serverOptions{implicitTLS: true}, change: func(s *SMTP) { s.Secure = true }, encrypted: true},
		"implicit TLS, requireTLS no harm": {offers: serverOptions{implicitTLS: true}, change: func(s *SMTP) { s.Secure, s.TLS.RequireTLS = true, true }, encrypted: true},
		"TLS to a plain server":            {change: func(s *SMTP) { s.Secure = true }, fails: true, kind: destination.MisconfiguredKind, text: "smtp.secure: false"},
		"unknown certificate": {
			offers: serverOptions{starttls: true}, change: func(s *SMTP) { s.TLS.RejectUnauthorized, s.TLS.ServerName = true, "mail.example.com" },
			fails: true, kind: destination.MisconfiguredKind, text: "certificate",
		},
		"certificate of another name": {
			offers: serverOptions{implicitTLS: true}, change: func(s *SMTP) { s.Secure, s.TLS.RejectUnauthorized = true, true },
			fails: true, kind: destination.MisconfiguredKind, text: "certificate",
		},
		"login with the first offered":   {offers: serverOptions{mechanisms: all}, change: func(s *SMTP) { s.Auth.Enable = true }, loggedIn: "PLAIN"},
		"login with LOGIN":               {offers: serverOptions{mechanisms: all[1:]}, change: func(s *SMTP) { s.Auth.Enable = true }, loggedIn: "LOGIN"},
		"login with CRAM-MD5":            {offers: serverOptions{mechanisms: all[2:]}, change: func(s *SMTP) { s.Auth.Enable = true }, loggedIn: "CRAM-MD5"},
		"login after starttls":           {offers: serverOptions{starttls: true, mechanisms: all}, change: func(s *SMTP) { s.Auth.Enable = true }, encrypted: true, loggedIn: "PLAIN"},
		"wrong password":                 {offers: serverOptions{mechanisms: all}, change: func(s *SMTP) { s.Auth.Enable, s.Auth.User = true, "nobody" }, fails: true, kind: destination.MisconfiguredKind, text: "wrong password: ***"},
		"wrong password, LOGIN":          {offers: serverOptions{mechanisms: all[1:]}, change: func(s *SMTP) { s.Auth.Enable, s.Auth.User = true, "nobody" }, fails: true, kind: destination.MisconfiguredKind, text: "535"},
		"login without any mechanism":    {change: func(s *SMTP) { s.Auth.Enable = true }, loggedIn: "PLAIN"},
		"no login where none is desired": {offers: serverOptions{mechanisms: all}},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, tc.offers)
			s := settings(t, server.address)
			if tc.change != nil {
				tc.change(&s)
			}
			err := send(t, s, "anna@example.com")
			if tc.fails {
				wantFailure(t, err, tc.kind, tc.text)
				if len(server.mails()) > 0 {
					t.Error("a mail was sent all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := server.mails()[0]
			if got.encrypted != tc.encrypted || got.loggedIn != tc.loggedIn {
				t.Errorf("want encrypted %v and login %q, got %v and %q", tc.encrypted, tc.loggedIn, got.encrypted, got.loggedIn)
			}
			if got.from != "butler@example.com" || got.to != "anna@example.com" || !strings.HasSuffix(got.data, "\r\n.dot\r\n") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func wantFailure(t *testing.T, err error, kind destination.ErrorKind, text string) {
	t.Helper()
	if err == nil {
		t.Fatal("want an error")
	}
	if got, _ := destination.KindOf(err); got != kind {
		t.Errorf("want kind %d, got %d: %v", kind, got, err)
	}
	if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), password) {
		t.Errorf("want a text with %q and no password, got %v", text, err)
	}
}

// talk serves one connection at a time with a fixed script: what to say after each line.
func talk(t *testing.T, replies ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer(conn, replies)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// answer says every reply in turn, and keeps silent after the last until the client leaves.
func answer(conn net.Conn, replies []string) {
	defer conn.Close()
	buffer := make([]byte, 4096)
	for _, reply := range replies {
		if _, err := fmt.Fprintf(conn, "%s\r\n", reply); err != nil {
			return
		}
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

func TestServer_classifiesByStep(t *testing.T) {
	for name, tc := range map[string]struct {
		replies []string
		kind    destination.ErrorKind
		text    string
	}{
		"no service":              {[]string{"554 go away"}, destination.MisconfiguredKind, "greeting"},
		"busy":                    {[]string{"421 too many connections"}, destination.Transient, "421 too many connections"},
		"not SMTP":                {[]string{"HTTP/1.1 400 Bad Request"}, destination.Transient, "greeting"},
		"sender refused":          {[]string{"220 hi", "250 hi", "553 not you"}, destination.MisconfiguredKind, "naming the sender"},
		"sender later":            {[]string{"220 hi", "250 hi", "451 later"}, destination.Transient, "451 later"},
		"mailbox busy":            {[]string{"220 hi", "250 hi", "250 ok", "450 come back"}, destination.DeferredKind, "450 come back"},
		"mailbox full":            {[]string{"220 hi", "250 hi", "250 ok", "452 4.2.2 over quota"}, destination.DeferredKind, "4.2.2"},
		"greylisted":              {[]string{"220 hi", "250 hi", "250 ok", "451 4.7.1 Greylisting in action"}, destination.DeferredKind, "Greylisting"},
		"not from here":           {[]string{"220 hi", "250 hi", "250 ok", "450 4.7.1 Client host rejected"}, destination.Transient, "Client host"},
		"out of space":            {[]string{"220 hi", "250 hi", "250 ok", "452 4.3.1 no space"}, destination.Transient, "4.3.1"},
		"goodbye":                 {[]string{"220 hi", "250 hi", "250 ok", "421 shutting down"}, destination.Transient, "421 shutting down"},
		"mail later":              {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "451 no disk"}, destination.Transient, "451 no disk"},
		"no such mailbox":         {[]string{"220 hi", "250 hi", "250 ok", "550 5.1.1 unknown\x07 user"}, destination.PermanentKind, "naming the recipient"},
		"no relaying":             {[]string{"220 hi", "250 hi", "250 ok", "554 5.7.1 <anna@example.com>: Relay access denied"}, destination.PermanentKind, "Relay access"},
		"no relaying, Exchange":   {[]string{"220 hi", "250 hi", "250 ok", "550 5.7.54 SMTP; Unable to relay recipient"}, destination.PermanentKind, "5.7.54"},
		"no relaying, no code":    {[]string{"220 hi", "250 hi", "250 ok", "550 Relaying denied"}, destination.PermanentKind, "Relaying"},
		"no relaying, 554 alone":  {[]string{"220 hi", "250 hi", "250 ok", "554 not from here"}, destination.PermanentKind, "not from here"},
		"closed group":            {[]string{"220 hi", "250 hi", "250 ok", "550 5.7.133 Sender not authenticated for group"}, destination.PermanentKind, "5.7.133"},
		"client refused":          {[]string{"220 hi", "250 hi", "250 ok", "554 5.7.1 Client host rejected: Access denied"}, destination.MisconfiguredKind, "Client host"},
		"client refused, no code": {[]string{"220 hi", "250 hi", "250 ok", "550 Client host is on a blocklist"}, destination.MisconfiguredKind, "blocklist"},
		"login required":          {[]string{"220 hi", "250 hi", "250 ok", "530 5.7.0 Must issue STARTTLS first"}, destination.MisconfiguredKind, "530"},
		"login required, 550":     {[]string{"220 hi", "250 hi", "250 ok", "550 5.7.1 Client was not authenticated"}, destination.MisconfiguredKind, "550"},
		"login required, no code": {[]string{"220 hi", "250 hi", "250 ok", "550 authentication required"}, destination.MisconfiguredKind, "550"},
		"mailbox disabled":        {[]string{"220 hi", "250 hi", "250 ok", "550 5.2.1 mailbox disabled"}, destination.PermanentKind, "5.2.1"},
		"mailbox full for good":   {[]string{"220 hi", "250 hi", "250 ok", "552 5.2.2 over quota"}, destination.PermanentKind, "5.2.2"},
		"unknown here, 554":       {[]string{"220 hi", "250 hi", "250 ok", "554 5.1.1 no such user"}, destination.PermanentKind, "5.1.1"},
		"no such user":            {[]string{"220 hi", "250 hi", "250 ok", "550 no such user"}, destination.PermanentKind, "no such user"},
		"no way there":            {[]string{"220 hi", "250 hi", "250 ok", "550 5.4.4 host not found"}, destination.PermanentKind, "5.4.4"},
		"sender may not":          {[]string{"220 hi", "250 hi", "550 5.7.60 not allowed to send as this sender"}, destination.MisconfiguredKind, "naming the sender"},
		"mail refused":            {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "554 spam"}, destination.PermanentKind, "beginning the mail"},
		"content too long":        {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go", "552 too big"}, destination.PermanentKind, "sending the mail at"},
		"client refused at DATA":  {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "550 Client host blocked using zen"}, destination.MisconfiguredKind, "beginning the mail"},
		"may not send as":         {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"}, destination.MisconfiguredKind, "send as"},
		"may not send as, 554":    {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied"}, destination.MisconfiguredKind, "SendAsDenied"},
		"daily quota":             {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go", "550 5.4.5 Daily user sending limit exceeded"}, destination.MisconfiguredKind, "sending limit"},
		"a link on a block list":  {[]string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go", "554 5.7.1 Message blocked using SURBL: see the blacklist"}, destination.PermanentKind, "SURBL"},
	} {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, send(t, settings(t, talk(t, tc.replies...)), "anna@example.com"), tc.kind, tc.text)
		})
	}
}

func TestServer_silenceAtAnyStepEndsWithTheAttempt(t *testing.T) {
	script := []string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go"}
	for said := range len(script) + 1 {
		t.Run(fmt.Sprintf("after %d replies", said), func(t *testing.T) {
			p := newSessionPool(settings(t, talk(t, script[:said]...)))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			wantFailure(t, p.send(ctx, mailTo("anna@example.com")), destination.Transient, "no answer in time")
		})
	}
}

func TestServer_anAnswerThatNeverEndsEndsTheAttempt(t *testing.T) {
	for name, line := range map[string]string{"one line": "a", "many lines": "250-a\r\n"} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			said := make(chan int, 1)
			go func() {
				for all := 0; ; {
					n, err := there.Write([]byte(strings.Repeat(line, 1000)))
					if all += n; err != nil {
						said <- all
						return
					}
				}
			}()
			s := newServer(SMTP{Host: "mail.example.com"})
			err := s.classify(t.Context(), func() (step, error) {
				_, at, err := s.greet(t.Context(), here)
				return at, err
			})
			_ = here.Close()
			wantFailure(t, err, destination.Transient, "greeting")
			if n := <-said; n > 2*maxAnswer {
				t.Errorf("want the answer ended after %d bytes, %d were taken", maxAnswer, n)
			}
		})
	}
}

func TestServer_nobodyListensIsTransient(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	wantFailure(t, send(t, settings(t, address), "anna@example.com"), destination.Transient, "connecting")
}
