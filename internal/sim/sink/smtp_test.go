package sink_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"runtime"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/google/go-cmp/cmp"

	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
)

const richMail = "From: =?UTF-8?Q?Qlik_Sense_=F0=9F=94=94?= <no-reply@example.com>\r\n" +
	"To: \"Maeve O'Brien\" <maeve.o'brien@example.com>, ops@example.com\r\n" +
	"Subject: =?UTF-8?B?UmVsb2FkIGZhaWxlZDog8J+MmQ==?=\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=outer\r\n\r\n" +
	"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n" +
	"--inner\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"F=C3=B6rs=C3=A4ljning=\r\n " + marker + "\r\n" +
	"--inner\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	"PGI+RiZhbXA7SzwvYj4=\r\n--inner--\r\n" +
	"--outer\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"script.log\"\r\n\r\n" +
	"line 1\r\n--outer--\r\n"

func plainMail(subject string) string {
	return "From: a@example.com\r\nTo: b@example.com\r\nSubject: " + subject + "\r\n\r\nhello\r\n"
}

// mail sends one mail with the standard library's client.
func mail(t *testing.T, s *sink.SMTP, auth smtp.Auth, config *tls.Config, text string, to ...string) error {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if config != nil && config.ServerName == "implicit" {
		implicit := config.Clone()
		implicit.ServerName = "localhost"
		conn = tls.Client(conn, implicit)
	}
	client, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if config != nil && config.ServerName != "implicit" {
		if err := client.StartTLS(config); err != nil {
			return err
		}
	}
	if auth != nil {
		if err := client.Auth(auth); err != nil {
			return err
		}
	}
	if err := client.Mail("sender@example.com"); err != nil {
		return err
	}
	for _, recipient := range to {
		if err := client.Rcpt(recipient); err != nil {
			return err
		}
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return client.Quit()
}

func code(err error) int {
	if refused, ok := errors.AsType[*textproto.Error](err); ok {
		return refused.Code
	}
	return 0
}

func TestSMTP_decodesMails(t *testing.T) {
	s := run(t, sink.NewSMTP(sink.SMTPOptions{}))
	if err := mail(t, s, nil, nil, richMail, "maeve.o'brien@example.com", "ops@example.com"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Messages().Await(t.Context(), func(m sink.Mail) bool { return m.Mentions(marker) })
	if err != nil {
		t.Fatal(err)
	}
	type view struct {
		From, Subject, Sender, Text, HTML string
		Recipients, To                    []string
		Attachments                       []sink.Attachment
		TLS                               bool
	}
	v := view{
		From: got.From, Subject: got.Subject, Sender: got.Sender.Name, Text: got.Text, HTML: got.HTML,
		Recipients: got.Recipients, Attachments: got.Attachments, TLS: got.TLS,
	}
	for _, to := range got.To {
		v.To = append(v.To, to.Address)
	}
	recipients := []string{"maeve.o'brien@example.com", "ops@example.com"}
	want := view{
		From: "sender@example.com", Subject: "Reload failed: 🌙", Sender: "Qlik Sense 🔔",
		Text: "Försäljning " + marker, HTML: "<b>F&amp;K</b>", Recipients: recipients, To: recipients,
		Attachments: []sink.Attachment{{Name: "script.log", ContentType: "text/plain", Data: []byte("line 1")}},
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("mail (-want +got):\n%s", diff)
	}
}

func TestSMTP_refusesMailsNobodyCouldRead(t *testing.T) {
	s := run(t, sink.NewSMTP(sink.SMTPOptions{MaxMessageBytes: 2000}))
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"no header":         {"hello\r\n", 554},
		"no sender":         {"Subject: x\r\n\r\nx\r\n", 554},
		"bad sender":        {"From: nobody\r\n\r\nx\r\n", 554},
		"bad recipients":    {"From: a@b.c\r\nTo: <\r\n\r\nx\r\n", 554},
		"unknown charset":   {"From: a@b.c\r\nSubject: =?klingon?Q?x?=\r\n\r\nx\r\n", 554},
		"bad base64":        {"From: a@b.c\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n", 554},
		"not UTF-8":         {"From: a@b.c\r\n\r\n\xff\r\n", 554},
		"unfinished part":   {"From: a@b.c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello", 554},
		"too large":         {plainMail(strings.Repeat("x", 500)) + strings.Repeat("0123456789\r\n", 200), 552},
		"bad content type":  {"From: a@b.c\r\nContent-Type: ;;\r\n\r\nx\r\n", 554},
		"as it should read": {plainMail("x"), 0},
	} {
		if err := mail(t, s, nil, nil, test.text, "b@example.com"); code(err) != test.want || (err == nil) != (test.want == 0) {
			t.Errorf("%s: %v, want %d", name, err, test.want)
		}
	}
	if got := s.Messages().Total(); got != 1 {
		t.Errorf("%d mails are recorded, want 1", got)
	}
}

// saslAuth lets the standard library's client use any mechanism.
type saslAuth struct{ client sasl.Client }

func (a saslAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return a.client.Start() }

func (a saslAuth) Next(challenge []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	return a.client.Next(challenge)
}

func TestSMTP_authenticates(t *testing.T) {
	s := run(t, sink.NewSMTP(sink.SMTPOptions{User: "u", Password: "p"}))
	tests := []struct {
		name string
		auth smtp.Auth
		want int
	}{
		{"nobody", nil, 530},
		{"plain", saslAuth{sasl.NewPlainClient("", "u", "p")}, 0},
		{"plain, wrong", saslAuth{sasl.NewPlainClient("", "u", "x")}, 535},
		{"login", saslAuth{sasl.NewLoginClient("u", "p")}, 0},
		{"login, wrong", saslAuth{sasl.NewLoginClient("x", "p")}, 535},
		{"cram", smtp.CRAMMD5Auth("u", "p"), 0},
		{"cram, wrong", smtp.CRAMMD5Auth("u", "x"), 535},
		{"unknown", saslAuth{sasl.NewAnonymousClient("x")}, 504},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := s.Messages().Total()
			err := mail(t, s, test.auth, nil, plainMail(test.name), "b@example.com")
			if code(err) != test.want || (err == nil) != (test.want == 0) {
				t.Errorf("error = %v, want %d", err, test.want)
			}
			if err != nil {
				return
			}
			if all := s.Messages().All(); len(all) != before+1 || all[before].User != "u" {
				t.Errorf("recorded %d mails", len(all)-before)
			}
		})
	}
}

func TestSMTP_secures(t *testing.T) {
	server, client := serverTLS(t)
	implicit := client.Clone()
	implicit.ServerName = "implicit"
	for name, test := range map[string]struct {
		options sink.SMTPOptions
		config  *tls.Config
		secure  bool
	}{
		"STARTTLS":          {sink.SMTPOptions{TLS: server}, client, true},
		"STARTTLS not used": {sink.SMTPOptions{TLS: server}, nil, false},
		"implicit":          {sink.SMTPOptions{TLS: server, ImplicitTLS: true}, implicit, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := run(t, sink.NewSMTP(test.options))
			if err := mail(t, s, nil, test.config, plainMail("x"), "b@example.com"); err != nil {
				t.Fatal(err)
			}
			if got := s.Messages().All()[0].TLS; got != test.secure {
				t.Errorf("TLS = %v, want %v", got, test.secure)
			}
		})
	}
	s := run(t, sink.NewSMTP(sink.SMTPOptions{}))
	if err := mail(t, s, nil, client, plainMail("x"), "b@example.com"); err == nil {
		t.Error("a server without TLS lets itself be upgraded")
	}
}

func TestSMTP_rejectsRecipients(t *testing.T) {
	s := run(t, sink.NewSMTP(sink.SMTPOptions{}))
	s.Reject("Gone@example.com", 550)
	s.Reject("busy@example.com", 451)
	for to, want := range map[string]int{"gone@example.com": 550, "busy@example.com": 451, "fine@example.com": 0} {
		if err := mail(t, s, nil, nil, plainMail("x"), to); code(err) != want {
			t.Errorf("%s: %v, want %d", to, err, want)
		}
	}
	s.Reject("gone@EXAMPLE.com", 0)
	if err := mail(t, s, nil, nil, plainMail("x"), "gone@example.com"); err != nil {
		t.Errorf("accepted again: %v", err)
	}
}

func TestSMTP_faults(t *testing.T) {
	tests := []struct {
		name     string
		rule     edge.Rule
		want     int
		recorded int
	}{
		{"connect refused", edge.Rule{Kind: edge.Status, Method: "CONNECT", Status: 421}, 421, 0},
		{"mail refused", edge.Rule{Kind: edge.Status, Method: "MAIL"}, 451, 0},
		{"recipient refused", edge.Rule{Kind: edge.Status, Method: "RCPT", PathPrefix: "b@", Status: 450, Body: "grey\nlisted"}, 450, 0},
		{"data refused", edge.Rule{Kind: edge.Status, Method: "DATA", Status: 554}, 554, 0},
		{"reset before", edge.Rule{Kind: edge.ResetBefore, Method: "DATA"}, 0, 0},
		{"reset after", edge.Rule{Kind: edge.ResetAfter, Method: "DATA"}, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := run(t, sink.NewSMTP(sink.SMTPOptions{}))
			s.Faults().Set(test.rule)
			err := mail(t, s, nil, nil, plainMail("x"), "b@example.com")
			if err == nil || code(err) != test.want {
				t.Errorf("error = %v, want %d", err, test.want)
			}
			if got := s.Messages().Total(); got != test.recorded {
				t.Errorf("%d mails are recorded, want %d", got, test.recorded)
			}
		})
	}
}

func TestSMTP_hangEndsWithTheClientOrTheSink(t *testing.T) {
	s := sink.NewSMTP(sink.SMTPOptions{})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.Faults().Set(edge.Rule{Kind: edge.Hang, Method: "RCPT"})
	failed := make(chan error)
	go func() { failed <- mail(t, s, nil, nil, plainMail("x"), "b@example.com") }()
	for s.Faults().Hits("") == 0 {
		runtime.Gosched()
	}
	s.Stop()
	if err := <-failed; err == nil {
		t.Error("a hanging command was answered")
	}
	if err := s.Start(); !errors.Is(err, edge.ErrStopped) {
		t.Errorf("start after stop: %v", err)
	}
}

func TestSMTP_refusesAndComesBack(t *testing.T) {
	s := run(t, sink.NewSMTP(sink.SMTPOptions{}))
	for range 2 {
		if err := s.Refuse(true); err != nil {
			t.Fatal(err)
		}
		if err := mail(t, s, nil, nil, plainMail("x"), "b@example.com"); err == nil {
			t.Error("a sink that refuses accepts")
		}
		if err := s.Refuse(false); err != nil {
			t.Fatal(err)
		}
		if err := mail(t, s, nil, nil, plainMail("x"), "b@example.com"); err != nil {
			t.Error(err)
		}
	}
}
