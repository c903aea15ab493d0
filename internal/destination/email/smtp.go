package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/neterr"
)

// Reply codes about a mailbox.
const (
	mailboxBusy = 450
	mailboxFull = 452
)

// Reply codes about this client.
const (
	loginRequired = 530
)

const (
	defaultPort = 25
	// maxReply is how many characters of a server's answer are shown.
	maxReply = 200
)

// server holds the address and the settings of the mail server.
type server struct {
	settings SMTP
	name     string // expected in the certificate
	address  string
	hello    string
	tls      *tls.Config
}

func newServer(s SMTP) server {
	name := cmp.Or(s.TLS.ServerName, s.Host)
	return server{
		settings: s, name: name,
		address: net.JoinHostPort(s.Host, strconv.Itoa(cmp.Or(s.Port, defaultPort))),
		hello:   helloName(),
		tls: &tls.Config{
			ServerName: name, MinVersion: tls.VersionTLS12,
			// True only if the operator wrote rejectUnauthorized: false.
			InsecureSkipVerify: !s.TLS.RejectUnauthorized,
		},
	}
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?$`)

// helloName is the name in EHLO.
func helloName() string {
	name, err := os.Hostname()
	if err != nil || !hostName.MatchString(name) {
		return "localhost"
	}
	return name
}

// step is a step of a session; it determines the meaning of a refusal.
type step string

const (
	connecting     step = "connecting"
	greeting       step = "greeting"
	securing       step = "starting TLS"
	authenticating step = "logging in"
	fromStep       step = "naming the sender"
	toStep         step = "naming the recipient"
	beginning      step = "beginning the mail"
	sending        step = "sending the mail"
)

// errNoTLS is the error for a server without STARTTLS if that is required.
var errNoTLS = errors.New("the server does not offer STARTTLS, and smtp.tls.requireTLS is on")

// open opens a session: it connects, starts TLS and logs in.
func (s server) open(ctx context.Context) (*session, step, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, connecting, err
	}
	defer interrupt(ctx, conn)()
	client, at, err := s.greet(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, at, err
	}
	return &session{conn: conn, client: client}, "", nil
}

// interrupt makes every read and write on conn fail once ctx ends, until it is stopped.
func interrupt(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// greet does the steps of a session between connecting and the first mail.
func (s server) greet(ctx context.Context, conn net.Conn) (*smtp.Client, step, error) {
	conn = &boundedConn{Conn: conn}
	if s.settings.Secure {
		secured := tls.Client(conn, s.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, securing, err
		}
		conn = secured
	}
	client, err := smtp.NewClient(conn, s.name)
	if err != nil {
		return nil, greeting, err
	}
	client.SkipSMTPUTF8(true) // addresses and headers are ASCII
	if err := client.Hello(s.hello); err != nil {
		return nil, greeting, err
	}
	at, err := s.prepare(client)
	return client, at, err
}

// prepare starts TLS and logs in, as configured.
func (s server) prepare(client *smtp.Client) (step, error) {
	offered, _ := client.Extension("STARTTLS")
	switch {
	case s.settings.Secure, s.settings.TLS.IgnoreTLS:
	case offered:
		if err := client.StartTLS(s.tls); err != nil {
			return securing, err
		}
	case s.settings.TLS.RequireTLS:
		return securing, errNoTLS
	}
	if !s.settings.Auth.Enable {
		return "", nil
	}
	_, mechanisms := client.Extension("AUTH")
	return authenticating, client.Auth(s.mechanism(mechanisms))
}

// mechanism picks the first of PLAIN, LOGIN and CRAM-MD5 that the server offers. All are
// used on unencrypted connections too: requireTLS determines whether those are allowed.
func (s server) mechanism(offered string) smtp.Auth {
	user, password := s.settings.Auth.User, s.settings.Auth.Password.Reveal()
	has := map[string]bool{}
	for _, name := range strings.Fields(strings.ToUpper(offered)) {
		has[name] = true
	}
	switch {
	case has["PLAIN"]:
	case has["LOGIN"]:
		return smtp.LoginAuth(user, password, s.name, true)
	case has["CRAM-MD5"]:
		return smtp.CRAMMD5Auth(user, password)
	}
	return smtp.PlainAuth("", user, password, s.name, true)
}

// classify makes an attempt and classifies its failure:
//
//	4xx to the recipient, about the mailbox   deferred: a full mailbox, or greylisting
//	other 4xx, a broken or silent connection  transient
//	5xx to the recipient, about this client   misconfigured: login, a block list
//	5xx to the mail, about its sender         misconfigured: send as, a quota
//	other 5xx to the recipient, to the mail   permanent
//	5xx to any earlier step, no TLS           misconfigured
func (s server) classify(ctx context.Context, attempt func() (step, error)) error {
	at, err := attempt()
	if err == nil {
		return nil
	}
	failure := fmt.Errorf("%s at %s: %s", at, s.address, s.reason(ctx, err))
	if ctx.Err() != nil {
		return failure
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		switch {
		case at == toStep && ofMailbox(reply):
			return destination.Deferred(failure)
		case reply.Code < 500:
			return failure
		case (at == toStep || at == beginning) && ofClient(reply), at == sending && ofSender(reply):
			return destination.Misconfigured(failure)
		case at == toStep || at == beginning || at == sending:
			return destination.Permanent(failure)
		}
		return destination.Misconfigured(failure)
	}
	if errors.Is(err, errNoTLS) || wrongTLS(err) || at == authenticating && !broken(err) {
		return destination.Misconfigured(failure)
	}
	return failure
}

// ofMailbox reports whether a recipient is refused temporarily because of its mailbox
// or by greylisting. At this step servers may also refuse all mails from us, or all
// mails, which is not about the recipient.
func ofMailbox(reply *textproto.Error) bool {
	text := strings.ToLower(reply.Msg)
	switch enhanced := enhancedCode.FindString(text); {
	case reply.Code >= 500 || reply.Code == replyClosing:
		return false
	case strings.Contains(text, "greylist"), strings.Contains(text, "graylist"):
		return true
	case enhanced == "", strings.HasPrefix(enhanced, "4.0."): // not specific
		return reply.Code == mailboxBusy || reply.Code == mailboxFull
	default:
		return strings.HasPrefix(enhanced, "4.1.") || strings.HasPrefix(enhanced, "4.2.")
	}
}

// ofClient reports whether a refusal of a recipient is about this client, so that it
// would be the same for every other recipient: servers check at this step who may send.
// Other policies, also those with a code of 5.7, may be about one recipient: a group that
// is closed to outsiders, or a domain for which the server does not relay. They must not
// keep the mails to the others waiting.
func ofClient(reply *textproto.Error) bool {
	return reply.Code == loginRequired || reply.Code >= 500 && aboutClient.MatchString(reply.Msg)
}

// aboutClient matches the texts of refusals of a client.
var aboutClient = regexp.MustCompile(`(?i)\bclient host\b|\bclient was not authenticated\b|\bauthentication (is )?required\b|\bmust authenticate\b|` +
	`\bblocked using\b|\bblock ?list|\bblacklist|\bdnsbl\b`)

// ofSender reports whether a mail is refused because of who sends it, so that every other
// one would be, too. A block list is no sign of that at this step: a filter that has read
// the mail may mean an address in its text.
func ofSender(reply *textproto.Error) bool {
	return reply.Code >= 500 && aboutSender.MatchString(reply.Msg)
}

// aboutSender matches the texts of refusals of a sender after the mail was sent: Exchange
// (5.7.60, SendAsDenied, 5.7.708, bad outbound sender) and Gmail (5.4.5) check it there.
var aboutSender = regexp.MustCompile(`(?i)\bsend ?as ?denied|\bnot allowed to send as\b|\bpermissions? to send as\b|\bbad outbound sender\b|` +
	`\b5\.7\.708\b|\bsending (limit|quota)\b|\bclient was not authenticated\b|\bauthentication (is )?required\b`)

// enhancedCode matches the RFC 3463 status code at the beginning of a reply.
var enhancedCode = regexp.MustCompile(`^[45]\.[0-9]{1,3}\.[0-9]{1,3}`)

// wrongTLS reports whether the certificate or the type of connection contradicts the
// configuration.
func wrongTLS(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, wrongName := errors.AsType[x509.HostnameError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	return untrusted || wrongName || notTLS
}

// broken reports whether the connection failed, rather than the protocol on it.
func broken(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "EOF")
}

// reason returns the text of an error for the operator, without credentials.
func (s server) reason(ctx context.Context, err error) string {
	secrets := s.secrets()
	if _, notTLS := errors.AsType[tls.RecordHeaderError](err); notTLS {
		return "the server does not speak TLS from the start; smtp.secure: false uses STARTTLS"
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "the attempt was cancelled"
	case ctx.Err() != nil:
		return "no answer in time"
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Sprintf("%d %s", reply.Code, httpc.Excerpt(reply.Msg, maxReply, secrets...))
	}
	return httpc.Excerpt(cmp.Or(neterr.Reason(err, "the server"), err.Error()), maxReply, secrets...)
}

// secrets are the forms in which a server may echo the password.
func (s server) secrets() []string {
	user, password := s.settings.Auth.User, s.settings.Auth.Password.Reveal()
	encode := base64.StdEncoding.EncodeToString
	return []string{password, encode([]byte(password)), encode([]byte("\x00" + user + "\x00" + password))}
}
