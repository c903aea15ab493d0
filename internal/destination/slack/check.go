package slack

import (
	"butler/internal/destination"
	"butler/internal/template"
)

// check lists what is wrong with the settings of a use, and what of it does nothing.
func check(_ Config, u destination.Use[Event], d destination.Deps) destination.Problems {
	e := u.Settings
	var p destination.Problems
	p.WebAddress("webhookURL", e.WebhookURL.Reveal(), "write the https address of an incoming webhook")
	p.Template("basicMsgTemplate", e.BasicMsgTemplate)
	if e.basic() {
		return p
	}
	if err := template.CheckFiles(e.templateFiles(d)); err != nil {
		p.Warn("templateFile", err.Error(), "the built-in layout is sent until the file is there and good")
	}
	return p
}
