package sink

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"butler/internal/sim/edge"
)

// SMTPOptions describe an SMTP sink. The zero value accepts any mail, without TLS.
type SMTPOptions struct {
	// TLS offers STARTTLS, or with ImplicitTLS speaks TLS from the first byte.
	TLS         *tls.Config
	ImplicitTLS bool
	// User and Password are required by AUTH before any mail, when User is set.
	User     string
	Password string
	// MaxMessageBytes bounds a mail; 0 means 10 MiB.
	MaxMessageBytes int64
	Seed            uint64
	History         int
}

// mechanisms are the authentication mechanisms, in the order in which they are offered.
var mechanisms = []string{sasl.Plain, sasl.Login, cramMD5}

// SMTP is a simulated mail server. Faults match the commands CONNECT, MAIL,
// RCPT and DATA as methods, and the mail address as the path; their Status is an
// SMTP code.
type SMTP struct {
	options  SMTPOptions
	door     *edge.Door
	server   *smtp.Server
	faults   *edge.Faults
	messages *edge.History[Mail]
	stopped  context.Context //nolint:containedctx // the life of the sink, which ends what a fault keeps waiting
	stop     context.CancelFunc

	mu       sync.Mutex
	rejected map[string]int
}

// NewSMTP returns a sink that does not listen yet.
func NewSMTP(o SMTPOptions) *SMTP {
	if o.MaxMessageBytes <= 0 {
		o.MaxMessageBytes = 10 << 20
	}
	s := &SMTP{
		options: o, faults: edge.NewFaults(o.Seed), messages: edge.NewHistory[Mail](o.History), rejected: make(map[string]int),
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.server = smtp.NewServer(smtp.BackendFunc(s.newSession))
	s.server.Domain = "mail.sim.example"
	s.server.AllowInsecureAuth = true
	s.server.EnableSMTPUTF8 = true
	s.server.MaxMessageBytes = o.MaxMessageBytes
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	s.server.ErrorLog = quiet{}
	if o.TLS != nil && !o.ImplicitTLS {
		s.server.TLSConfig = o.TLS
	}
	s.door = edge.NewDoor(s.serve)
	return s
}

// quiet discards the log of the library, which is about broken connections.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (s *SMTP) serve(l net.Listener) {
	if s.options.TLS != nil && s.options.ImplicitTLS {
		l = tls.NewListener(l, s.options.TLS)
	}
	_ = s.server.Serve(l)
}

// Start listens on a free port of 127.0.0.1.
func (s *SMTP) Start() error {
	if s.stopped.Err() != nil {
		return edge.ErrStopped
	}
	return s.door.Open()
}

// Stop ends every session and frees the port, for good.
func (s *SMTP) Stop() {
	s.stop()
	s.door.Shut()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.server.Shutdown(ctx) // waits for the sessions; their connections are already closed
}

// Refuse makes the sink unreachable, or reachable again at the same address.
func (s *SMTP) Refuse(on bool) error {
	if s.stopped.Err() != nil {
		return edge.ErrStopped
	}
	return s.door.Refuse(on)
}

// Addr returns host:port.
func (s *SMTP) Addr() string { return s.door.Addr() }

// Connections returns the number of connections so far.
func (s *SMTP) Connections() int64 { return s.door.Accepted() }

// Connected returns the number of open connections.
func (s *SMTP) Connected() int { return s.door.Connected() }

// Faults returns the rules for faulty sessions.
func (s *SMTP) Faults() *edge.Faults { return s.faults }

// Messages returns the accepted mails.
func (s *SMTP) Messages() *edge.History[Mail] { return s.messages }

// Reject answers every RCPT for an address with a code (4xx or 5xx); 0 accepts it again.
func (s *SMTP) Reject(recipient string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code == 0 {
		delete(s.rejected, strings.ToLower(recipient))
		return
	}
	s.rejected[strings.ToLower(recipient)] = code
}

func (s *SMTP) rejection(recipient string) (code int, rejected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code, rejected = s.rejected[strings.ToLower(recipient)]
	return code, rejected
}

func (s *SMTP) newSession(c *smtp.Conn) (smtp.Session, error) {
	session := &session{sink: s, conn: c}
	if err := session.suffer("CONNECT", ""); err != nil {
		return nil, err
	}
	return session, nil
}

// session is the dialogue with one client.
type session struct {
	sink *SMTP
	conn *smtp.Conn
	user string
	mail Mail
}

var (
	_ smtp.AuthSession = (*session)(nil)

	errAuthRequired = smtpError(530, "authentication is required")
	errBroken       = errors.New("connection broken on purpose")
)

func smtpError(code int, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 7, 0}, Message: text}
}

// suffer applies the faults of a command before it is handled.
func (s *session) suffer(command, address string) error {
	return s.sufferVerdict(s.sink.faults.Judge(command, address))
}

func (s *session) sufferVerdict(verdict edge.Verdict) error {
	if !edge.Pause(s.sink.stopped, verdict.Delay) {
		return s.breakOff()
	}
	switch fault := verdict.Fault; fault.Kind {
	case edge.Slow:
		return nil
	case edge.Status:
		code := fault.Status
		if code == 0 {
			code = 451
		}
		return smtpError(code, strings.ReplaceAll(cmp.Or(fault.Body, "simulated fault"), "\n", " "))
	case edge.Hang:
		s.hang()
		return s.breakOff()
	default:
		return s.breakOff()
	}
}

// hang waits until the client gives up or the sink stops.
func (s *session) hang() {
	defer context.AfterFunc(s.sink.stopped, func() { edge.Reset(s.conn.Conn()) })()
	_, _ = io.Copy(io.Discard, s.conn.Conn())
}

func (s *session) breakOff() error {
	edge.Reset(s.conn.Conn())
	return errBroken
}

// AuthMechanisms returns the mechanisms that are offered; none when no user is required.
func (s *session) AuthMechanisms() []string {
	if s.sink.options.User == "" {
		return nil
	}
	return mechanisms
}

// Auth begins an authentication.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(mechanisms, mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return newAuthentication(mechanism, credentials{s.sink.options.User, s.sink.options.Password}, func(user string) {
		s.user = user
	})
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.sink.options.User != "" && s.user == "" {
		return errAuthRequired
	}
	if err := s.suffer("MAIL", from); err != nil {
		return err
	}
	_, secure := s.conn.TLSConnectionState()
	s.mail = Mail{From: from, User: s.user, TLS: secure}
	return nil
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.suffer("RCPT", to); err != nil {
		return err
	}
	if code, rejected := s.sink.rejection(to); rejected {
		return smtpError(code, "this recipient is rejected")
	}
	s.mail.Recipients = append(s.mail.Recipients, to)
	return nil
}

// Data receives the mail, and refuses one that cannot be decoded.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.sufferData(raw); err != nil {
		return err
	}
	return s.accept(raw)
}

// sufferData is suffer for DATA, the only command that may take effect before it fails.
func (s *session) sufferData(raw []byte) error {
	verdict := s.sink.faults.Judge("DATA", s.mail.From)
	if verdict.Fault.Kind != edge.ResetAfter {
		return s.sufferVerdict(verdict)
	}
	if err := s.accept(raw); err != nil {
		return err
	}
	return s.breakOff()
}

func (s *session) accept(raw []byte) error {
	mail, err := parseMail(raw)
	if err != nil {
		return smtpError(554, "the message cannot be read")
	}
	mail.At, mail.From, mail.User, mail.TLS = time.Now(), s.mail.From, s.mail.User, s.mail.TLS
	mail.Recipients = slices.Clone(s.mail.Recipients)
	s.sink.messages.Add(mail)
	return nil
}

// Reset drops the current mail.
func (s *session) Reset() { s.mail = Mail{} }

// Logout ends the session.
func (s *session) Logout() error { return nil }
