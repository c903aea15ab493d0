package email

import (
	"context"
	"errors"
	"net"
	"net/textproto"
	"slices"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// idleFor is how long a session waits for another mail.
	idleFor = 5 * time.Second
	// maxMails is how many mails a session carries; servers have limits, too.
	maxMails = 100
	// quitTimeout bounds the closing of a session.
	quitTimeout = time.Second
)

// envelope is an encoded mail with its sender and its recipient.
type envelope struct {
	from, to string
	mail     []byte
}

// sessionPool sends mails to a server and keeps sessions open for later ones. An
// attempt takes the most recently used session and opens a new one only if none is
// idle, so there are never more sessions than concurrent attempts.
type sessionPool struct {
	server

	mu     sync.Mutex
	idle   []*session // the most recently used one is last
	closed bool
}

func newSessionPool(s SMTP) *sessionPool { return &sessionPool{server: newServer(s)} }

// send sends one mail. It returns when ctx ends.
func (p *sessionPool) send(ctx context.Context, e envelope) error {
	return p.classify(ctx, func() (step, error) {
		if kept := p.take(); kept != nil {
			at, err := p.sendIn(ctx, kept, e)
			if err == nil || ctx.Err() != nil || !sessionLost(at, err) {
				return at, err
			}
		}
		opened, at, err := p.open(ctx)
		if err != nil {
			return at, err
		}
		return p.sendIn(ctx, opened, e)
	})
}

// sessionLost reports whether a mail failed because an idle session had ended or
// accepts no more mails, so that it can be sent in a new one. It is false once the
// content was being sent, because the server may have accepted the mail.
func sessionLost(at step, err error) bool {
	if at == sending {
		return false
	}
	reply, answered := errors.AsType[*textproto.Error](err)
	return !answered || at == fromStep || reply.Code == replyClosing
}

// replyClosing is the reply code of a server that ends the session.
const replyClosing = 421

// sendIn sends a mail in a session, and keeps the session on success.
func (p *sessionPool) sendIn(ctx context.Context, s *session, e envelope) (step, error) {
	stop := interrupt(ctx, s.conn)
	at, err := s.transmit(e)
	if untouched := stop(); err != nil || !untouched {
		_ = s.conn.Close()
		return at, err
	}
	if !p.keep(s) {
		s.quit()
	}
	return "", nil
}

// take returns an idle session, or nil.
func (p *sessionPool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	s := p.idle[last]
	p.idle = p.idle[:last]
	s.expiry.Stop() // if it has fired, expire finds that the session is taken
	return s
}

// keep makes a session idle and reports whether it did. It does not keep one that has
// carried maxMails, or any after close.
func (p *sessionPool) keep(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.mails++; p.closed || s.mails >= maxMails {
		return false
	}
	p.idle = append(p.idle, s)
	s.expiry = time.AfterFunc(idleFor, func() { p.expire(s) })
	return true
}

// expire ends a session if it is still idle.
func (p *sessionPool) expire(s *session) {
	p.mu.Lock()
	at := slices.Index(p.idle, s)
	if at >= 0 {
		p.idle = slices.Delete(p.idle, at, at+1)
	}
	p.mu.Unlock()
	if at >= 0 {
		s.quit()
	}
}

// close ends the idle sessions. Each later mail is sent in a session of its own.
func (p *sessionPool) close() {
	p.mu.Lock()
	waiting := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	var left sync.WaitGroup
	for _, s := range waiting {
		s.expiry.Stop()
		left.Go(s.quit)
	}
	left.Wait()
}

// session is an open SMTP session.
type session struct {
	conn   net.Conn
	client *smtp.Client
	mails  int
	expiry *time.Timer
}

// transmit sends a mail: MAIL, RCPT, DATA.
func (s *session) transmit(e envelope) (step, error) {
	if err := s.client.Mail("<" + e.from + ">"); err != nil {
		return fromStep, err
	}
	if err := s.client.Rcpt("<" + e.to + ">"); err != nil {
		return toStep, err
	}
	body, err := s.client.Data()
	if err != nil {
		return beginning, err
	}
	if _, err := body.Write(e.mail); err != nil {
		return sending, err
	}
	return sending, body.Close()
}

// quit ends the session, whatever the server answers.
func (s *session) quit() {
	_ = s.conn.SetDeadline(time.Now().Add(quitTimeout))
	_ = s.client.Quit()
	_ = s.conn.Close()
}
