package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"butler/internal/destination/email"
	"butler/internal/logx"
)

// SendTestMail sends one test mail through the configured server and logs the result.
func (a *App) SendTestMail(ctx context.Context, to, from string) {
	var section email.Config
	err := a.current.Load().cfg.Section("emailNotification", &section)
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, testMailTimeout)
		defer cancel()
		err = email.SendTest(bounded, section, to, from, uuid.NewString())
	}
	if err != nil {
		a.log.Error("test mail could not be sent", logx.Err(err))
		return
	}
	a.log.Info("test mail sent")
}

// testMailTimeout bounds the sending of the test mail.
const testMailTimeout = 30 * time.Second
