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
	// maxMails is how many mails a session carries; servers limit it, too.
	maxMails = 100
	// leaveWithin bounds how long a server may take to say goodbye.
	leaveWithin = time.Second
)

// envelope is a mail in its wire form with its one recipient.
type envelope struct {
	from, to string
	mail     []byte
}

// post hands mails to a server and keeps the sessions in which it did for the
// next ones. An attempt takes the session that was used last, and opens one only
// when none waits: so there are never more than attempts at once.
type post struct {
	server

	mu     sync.Mutex
	idle   []*session // the one that was used last at the end
	closed bool
}

func newPost(s SMTP) *post { return &post{server: newServer(s)} }

// send gives one mail for one recipient to the server. It ends with ctx.
func (p *post) send(ctx context.Context, e envelope) error {
	return p.classify(ctx, func() (step, error) {
		if kept := p.take(); kept != nil {
			at, err := p.through(ctx, kept, e)
			if err == nil || ctx.Err() != nil || !outlived(at, err) {
				return at, err
			}
		}
		opened, at, err := p.open(ctx)
		if err != nil {
			return at, err
		}
		return p.through(ctx, opened, e)
	})
}

// outlived reports whether a mail failed because of the session that was kept for
// it: the server has ended it, or takes no more mails in it. Once the server waits
// for the mail itself, nobody can know what became of it, and it is not sent again.
func outlived(at step, err error) bool {
	if at == sending {
		return false
	}
	reply, answered := errors.AsType[*textproto.Error](err)
	return !answered || at == fromStep || reply.Code == closing
}

// closing is the reply of a server that ends the session.
const closing = 421

// through sends a mail in a session, and keeps the session if that went well.
func (p *post) through(ctx context.Context, s *session, e envelope) (step, error) {
	stop := interrupt(ctx, s.conn)
	at, err := s.hand(e)
	if untouched := stop(); err != nil || !untouched {
		_ = s.conn.Close()
		return at, err
	}
	if !p.keep(s) {
		s.leave()
	}
	return "", nil
}

// take returns a session that waits for a mail, or nil.
func (p *post) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	s := p.idle[last]
	p.idle = p.idle[:last]
	s.expiry.Stop() // one that has fired finds that the session is taken
	return s
}

// keep lets a session wait for the next mail, unless it has carried enough.
func (p *post) keep(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.mails++; p.closed || s.mails >= maxMails {
		return false
	}
	p.idle = append(p.idle, s)
	s.expiry = time.AfterFunc(idleFor, func() { p.expire(s) })
	return true
}

// expire ends a session that nobody has taken.
func (p *post) expire(s *session) {
	p.mu.Lock()
	at := slices.Index(p.idle, s)
	if at >= 0 {
		p.idle = slices.Delete(p.idle, at, at+1)
	}
	p.mu.Unlock()
	if at >= 0 {
		s.leave()
	}
}

// close ends the sessions. Mails can still be sent, each in a session of its own.
func (p *post) close() {
	p.mu.Lock()
	waiting := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	var left sync.WaitGroup
	for _, s := range waiting {
		s.expiry.Stop()
		left.Go(s.leave)
	}
	left.Wait()
}

// session is an open conversation in which a mail may follow.
type session struct {
	conn   net.Conn
	client *smtp.Client
	mails  int
	expiry *time.Timer
}

// hand gives a mail to the server.
func (s *session) hand(e envelope) (step, error) {
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

// leave takes leave of the server, whatever it says to that.
func (s *session) leave() {
	_ = s.conn.SetDeadline(time.Now().Add(leaveWithin))
	_ = s.client.Quit()
	_ = s.conn.Close()
}
