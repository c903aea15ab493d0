package email

import (
	"fmt"
	"net/mail"

	"butler/internal/destination"
	"butler/internal/template"
)

// check lists what is wrong with the mail server.
func check(c Config, _ destination.Deps) destination.Problems {
	return c.SMTP.check().Below("emailNotification.smtp")
}

func (s SMTP) check() destination.Problems {
	var p destination.Problems
	if s.TLS.IgnoreTLS && s.TLS.RequireTLS && !s.Secure {
		p.Wrong("tls.ignoreTLS", "contradicts requireTLS", "set one of the two to false")
	}
	return p
}

// checkUse lists what is wrong with the settings of a use, and what of it does nothing.
func checkUse(_ Config, u destination.Use[Event], d destination.Deps) destination.Problems {
	e := u.Settings
	var p destination.Problems
	if _, err := mail.ParseAddress(e.FromAddress); err != nil {
		p.Wrong("fromAddress", "is no mail address", "write it like butler@example.com or Butler <butler@example.com>")
	}
	if _, err := template.Parse(e.Subject, template.Line); err != nil {
		p.Wrong("subject", err.Error(), "mend the template")
	}
	if err := template.CheckFiles(e.templateFiles(d)); err != nil {
		p.Warn("bodyFileDirectory", err.Error(), "the built-in layout is sent until the file is there and good")
	}
	for i, address := range e.Recipients {
		if !validAddress(address) {
			p.Warn(fmt.Sprintf("recipients[%d]", i), "is no mail address and gets no mail", "write it like anna@example.com")
		}
	}
	return p
}
