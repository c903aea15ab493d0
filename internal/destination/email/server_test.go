package email

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"butler/internal/destination/destinationtest"
)

// Credentials of the fake mail server.
const (
	user     = "butler"
	password = "p4ssw0rd-of-the-mailbox"
)

// mailServer is a mail server on the loopback interface that behaves as told.
type mailServer struct {
	address    string
	mechanisms []string

	mu       sync.Mutex
	refuse   func(recipient string) error
	onRcpt   func(c *smtp.Conn)
	onMail   func(c *smtp.Conn) error
	onData   func(c *smtp.Conn) error
	accepted []accepted
	begun    int

	arrived  chan struct{}
	released chan struct{}
}

// accepted is a mail that the server took.
type accepted struct {
	from, to  string
	data      string
	encrypted bool
	loggedIn  string
}

// serverOptions say what the server offers.
type serverOptions struct {
	starttls, implicitTLS bool
	mechanisms            []string
}

func startServer(t *testing.T, o serverOptions) *mailServer {
	t.Helper()
	m := &mailServer{mechanisms: o.mechanisms, arrived: make(chan struct{}, 4096), released: make(chan struct{})}
	s := smtp.NewServer(smtp.BackendFunc(m.begin))
	s.Domain, s.AllowInsecureAuth, s.ErrorLog = "mail.example.com", true, silence{}
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
	if o.starttls {
		s.TLSConfig = config
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = listener.Addr().String()
	if o.implicitTLS {
		listener = tls.NewListener(listener, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
	t.Cleanup(func() {
		close(m.released)
		_ = s.Close()
		<-done
	})
	return m
}

// begin starts a conversation. With STARTTLS there are two of them in a connection.
func (m *mailServer) begin(c *smtp.Conn) (smtp.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun++
	return &dialogue{server: m, conn: c}, nil
}

// conversations counts those that were begun.
func (m *mailServer) conversations() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begun
}

type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}

// certificate returns a self-signed certificate for localhost.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, DNSNames: []string{"mail.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// behave sets how the server answers recipients from now on; nil accepts them.
func (m *mailServer) behave(refuse func(string) error, onRcpt func(*smtp.Conn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse, m.onRcpt = refuse, onRcpt
}

func (m *mailServer) mails() []accepted {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.accepted)
}

// peer returns the server as the conformance suite sees it.
func (m *mailServer) peer() *destinationtest.Peer {
	return &destinationtest.Peer{
		Address: m.address, Arrived: m.arrived,
		Received: func() []string {
			var out []string
			for _, mail := range m.mails() {
				out = append(out, fmt.Sprintf("MAIL FROM:<%s>\nRCPT TO:<%s>\n%s", mail.from, mail.to, mail.data))
			}
			return out
		},
		Accept: func() { m.behave(nil, nil) },
		Answer: func(code int, _ string) {
			m.behave(func(to string) error {
				if code < 300 {
					return nil
				}
				return &smtp.SMTPError{Code: code, Message: "no mail for " + to + ", " + password}
			}, nil)
		},
		Stall: func() { m.behave(nil, func(*smtp.Conn) { <-m.released }) },
		Reset: func() {
			m.behave(nil, func(c *smtp.Conn) {
				if tcp, ok := c.Conn().(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				_ = c.Conn().Close()
			})
		},
		Truncate: func() {
			m.behave(nil, func(c *smtp.Conn) {
				_, _ = io.WriteString(c.Conn(), "250-2.0.0 well")
				_ = c.Conn().Close()
			})
		},
	}
}

// dialogue is one conversation with the server.
type dialogue struct {
	server *mailServer
	conn   *smtp.Conn
	mail   accepted
}

func (s *dialogue) AuthMechanisms() []string { return s.server.mechanisms }

func (s *dialogue) Auth(mechanism string) (sasl.Server, error) {
	check := func(name, secret string) error {
		if name != user || secret != password {
			return &smtp.SMTPError{Code: 535, Message: "wrong password: " + secret}
		}
		s.mail.loggedIn = mechanism
		return nil
	}
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, name, secret string) error { return check(name, secret) }), nil
	case "LOGIN":
		return &loginServer{check: check}, nil
	case "CRAM-MD5":
		return &cramServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *dialogue) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.from = from
	s.server.mu.Lock()
	act := s.server.onMail
	s.server.mu.Unlock()
	if act != nil {
		return act(s.conn)
	}
	return nil
}

func (s *dialogue) Rcpt(to string, _ *smtp.RcptOptions) error {
	select {
	case s.server.arrived <- struct{}{}:
	default:
	}
	s.server.mu.Lock()
	refuse, act := s.server.refuse, s.server.onRcpt
	s.server.mu.Unlock()
	if act != nil {
		act(s.conn)
		return errors.New("the conversation is over")
	}
	s.mail.to = to
	if refuse != nil {
		return refuse(to)
	}
	return nil
}

func (s *dialogue) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, s.mail.encrypted = s.conn.TLSConnectionState()
	s.mail.data = string(data)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.accepted = append(s.server.accepted, s.mail)
	if s.server.onData != nil {
		return s.server.onData(s.conn)
	}
	return nil
}

func (s *dialogue) Reset()        { s.mail = accepted{loggedIn: s.mail.loggedIn} }
func (s *dialogue) Logout() error { return nil }

// loginServer asks for user and password one after the other.
type loginServer struct {
	check func(name, secret string) error
	name  string
	asked int
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.asked++
	switch {
	case l.asked == 1 && response == nil:
		return []byte("Username:"), false, nil
	case l.name == "":
		l.name = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.name, string(response))
}

// cramServer never sees the password, only a keyed hash of its challenge.
type cramServer struct {
	check func(name, secret string) error
	asked bool
}

func (c *cramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	const question = "<1896.697170952@mail.example.com>"
	if !c.asked {
		c.asked = true
		return []byte(question), false, nil
	}
	name, digest, _ := strings.Cut(string(response), " ")
	mac := hmac.New(md5.New, []byte(password))
	mac.Write([]byte(question))
	if digest != hex.EncodeToString(mac.Sum(nil)) {
		return nil, true, c.check(name, "")
	}
	return nil, true, c.check(name, password)
}
