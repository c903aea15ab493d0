package email

import (
	"strings"
	"testing"

	"butler/internal/destination"
	"butler/internal/secret"
)

func TestProbe_logsInAndSendsNothing(t *testing.T) {
	for name, row := range map[string]struct {
		offers   serverOptions
		tls      bool
		password secret.String
		detail   string
		doubt    string
		kind     destination.ErrorKind
	}{
		"STARTTLS and login":    {serverOptions{starttls: true}, true, password, "TLS 1.3, logged in", "", 0},
		"login without TLS":     {serverOptions{}, false, password, "not encrypted, logged in", "clear text", 0},
		"wrong password":        {serverOptions{starttls: true}, true, "wr0ng-passw0rd", "", "", destination.MisconfiguredKind},
		"TLS that is not there": {serverOptions{}, true, password, "", "", destination.MisconfiguredKind},
	} {
		t.Run(name, func(t *testing.T) {
			m := startServer(t, row.offers)
			settings := settings(t, m.address)
			settings.Auth.Enable, settings.Auth.User, settings.Auth.Password = true, user, row.password
			settings.TLS.RequireTLS, settings.TLS.RejectUnauthorized = row.tls, false
			seen, err := newServer(settings).probe(t.Context())
			if row.detail == "" {
				if kind, _ := destination.KindOf(err); err == nil || kind != row.kind || strings.Contains(err.Error(), string(row.password)) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || seen.Detail != row.detail || !strings.Contains(seen.Warning, row.doubt) || (row.doubt == "") != (seen.Warning == "") {
				t.Errorf("got %+v, %v", seen, err)
			}
			if row.tls == seen.CertificateEnds.IsZero() {
				t.Errorf("the end of the certificate is %s", seen.CertificateEnds)
			}
			if len(m.accepted) > 0 {
				t.Errorf("a mail was sent: %+v", m.accepted)
			}
		})
	}
}
