package slack

import (
	"net/url"

	"butler/internal/destination"
	"butler/internal/template"
)

// check lists what is wrong with the settings of a use, and what of it does nothing.
func check(_ Config, u destination.Use[Event], d destination.Deps) destination.Problems {
	e := u.Settings
	var p destination.Problems
	if to, err := url.Parse(e.WebhookURL.Reveal()); err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http" {
		p.Wrong("webhookURL", "is no web address", "write the https address of an incoming webhook")
	}
	if _, err := template.Parse(e.BasicMsgTemplate, template.Line); err != nil {
		p.Wrong("basicMsgTemplate", err.Error(), "mend the template")
	}
	if e.basic() {
		return p
	}
	if err := template.CheckFiles(e.templateFiles(d)); err != nil {
		p.Warn("templateFile", err.Error(), "the built-in layout is sent until the file is there and good")
	}
	return p
}
