package email

import (
	"context"
	"errors"
	"fmt"
	"time"

	"butler/internal/destination"
)

// The content of the test mail, the only mail that is not about an alert.
const (
	testSubject = "Test mail from butler"
	testText    = "This mail was sent to find out whether butler can send mail. It can.\n"
)

// SendTest sends one plain mail through the configured server. Without from, it uses
// that of the first event that has one. id determines the Message-ID.
func SendTest(ctx context.Context, c Config, to, from, id string) error {
	if !c.Enable {
		return destination.Misconfigured(errors.New("mail is switched off (emailNotification.enable)"))
	}
	if !validAddress(to) {
		return destination.Permanent(fmt.Errorf("%q is not a mail address", printableAddress(to)))
	}
	for _, e := range c.sections() {
		if from == "" {
			from = e.Settings.FromAddress
		}
	}
	sender, err := senderOf(from)
	if err != nil {
		return destination.Misconfigured(fmt.Errorf("sender %q of the test mail: %w", printableAddress(from), err))
	}
	raw, err := letter{id: id, from: sender, to: to, subject: testSubject, plain: testText}.encode(time.Now())
	if err != nil {
		return destination.Permanent(fmt.Errorf("write mail: %w", err))
	}
	post := newSessionPool(c.SMTP)
	defer post.close()
	return post.send(ctx, envelope{from: sender.Address, to: to, mail: raw})
}
