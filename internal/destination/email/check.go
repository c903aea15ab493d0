package email

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"butler/internal/destination"
)

// check lists the problems of the mail server's settings.
func check(c Config, _ destination.Deps) destination.Problems {
	return c.SMTP.check().Below("emailNotification.smtp")
}

func (s SMTP) check() destination.Problems {
	var p destination.Problems
	if s.TLS.IgnoreTLS && s.TLS.RequireTLS && !s.Secure {
		p.Wrong("tls.ignoreTLS", "contradicts requireTLS", "set one of the two to false")
	}
	switch port := cmp.Or(s.Port, defaultPort); {
	case s.Secure && slices.Contains(startTLSPorts, port):
		p.Warn("secure", fmt.Sprintf("is true, and mail servers expect no TLS from the first byte on port %d", port), "set secure to false, or port to 465")
	case !s.Secure && port == tlsPort:
		p.Warn("secure", "is false, and mail servers expect TLS from the first byte on port 465", "set secure to true, or port to 587")
	}
	return p
}

// tlsPort is for TLS from the first byte, startTLSPorts for sessions that begin without
// (RFC 8314, section 3).
const tlsPort = 465

var startTLSPorts = []int{25, 587}

// checkUse lists the problems of a use's settings, including those without effect.
func checkUse(_ Config, u destination.Use[Event], d destination.Deps) destination.Problems {
	e := u.Settings
	var p destination.Problems
	if _, err := senderOf(e.FromAddress); err != nil {
		p.Wrong("fromAddress", "is not a mail address", "write it like butler@example.com or Butler <butler@example.com>")
	}
	p.Template("subject", e.Subject)
	if u.Path == cloudSection && strings.Contains(e.Subject, "taskName") {
		p.Warn("subject", "shows the name of a task, which an app in Qlik Cloud does not have", "write {{appName}}")
	}
	p.TemplateFiles("bodyFileDirectory", e.templateFiles(d))
	if !slices.ContainsFunc(e.Recipients, validAddress) && !e.AppOwnerAlert.Enable {
		p.Warn("recipients", e.whoElse(), "list a recipient, as in [anna@example.com]")
	}
	if e.AlertEnableByTag.Enable && e.AlertEnableByTag.Tag == "" {
		p.Warn("alertEnableByTag.tag", "is empty, and no app has such a tag", "name a tag, or set alertEnableByTag.enable to false")
	}
	p = append(p, checkAccounts(e.AppOwnerAlert.IncludeOwner.User).Below("appOwnerAlert.includeOwner")...)
	p = append(p, checkAccounts(e.AppOwnerAlert.ExcludeOwner.User).Below("appOwnerAlert.excludeOwner")...)
	for i, address := range e.Recipients {
		if !validAddress(address) {
			p.Warn(fmt.Sprintf("recipients[%d]", i), "is not a mail address and is ignored", "write it like anna@example.com")
		}
	}
	return p
}

// whoElse says who is notified if there are no recipients.
func (e Event) whoElse() string {
	if property := e.AlertEnabledByEmailAddress.CustomPropertyName; property != "" {
		return fmt.Sprintf("has no mail address, so mails are only sent to the addresses in the custom property %s of a task", property)
	}
	return "has no mail address, so no mail is sent"
}

// checkAccounts lists the entries that identify nobody.
func checkAccounts(accounts []Account) destination.Problems {
	var p destination.Problems
	for i, a := range accounts {
		if a.Email == "" && (a.Directory == "" || a.UserID == "") {
			p.Wrong(fmt.Sprintf("user[%d]", i), "identifies nobody", "set directory and userId, or email")
		}
	}
	return p
}
