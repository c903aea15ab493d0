package webhook

import (
	"butler/internal/destination"
)

// check lists the problems of an address, including settings without effect.
func check(_ Config, u destination.Use[Target], d destination.Deps) destination.Problems {
	w := u.Settings.Webhook
	var p destination.Problems
	p.WebAddress("webhookURL", w.WebhookURL.Reveal(), "begin with http:// or https:// and name a host")
	if w.Cert.Enable {
		if _, err := d.HTTP(w.Cert.options(d)); err != nil {
			p.Warn("cert.certCA", err.Error(), "nothing is sent to this address until the file is there")
		}
	}
	return p
}
