package destination

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"butler/internal/template"
	"butler/messages"
)

// What the sections of several destinations have in common.

// Section is a part of the configuration that switches the alerts of one kind on.
type Section[S any] struct {
	Kind messages.AlertKind
	// Path names the section, from the root of the configuration.
	Path     string
	Settings S
	On       bool
}

// UsesOf returns a use, called after its kind, for every section that is on.
func UsesOf[S any](sections ...Section[S]) []Use[S] {
	var out []Use[S]
	for _, s := range sections {
		if s.On {
			out = append(out, Use[S]{Name: string(s.Kind), Path: s.Path, Kinds: []messages.AlertKind{s.Kind}, Settings: s.Settings})
		}
	}
	return out
}

// AllOn sets on when every one of the switches, which stand in other sections, is on.
func AllOn(decode Decode, on *bool, switches ...string) error {
	*on = true
	for _, path := range switches {
		var one bool
		if err := decode(path, &one); err != nil {
			return err
		}
		*on = *on && one
	}
	return nil
}

// longest is the longest time that a configuration can ask for: for ever, in effect.
const longest = 100 * 365 * 24 * time.Hour

// Seconds returns a time that is configured in seconds.
func Seconds(n float64) time.Duration {
	return time.Duration(min(max(n, 0), longest.Seconds()) * float64(time.Second))
}

// TagGate lets only alerts about apps with a certain tag through.
type TagGate struct {
	Enable bool
	Tag    string
}

// Passes reports whether an alert goes through, and why it does not. An app that
// could not be looked up passes: an alert is rather told to somebody who did not
// ask for it than to nobody.
func (g TagGate) Passes(a *messages.Alert) (ok bool, why string) {
	if !g.Enable || !a.App.Known || slices.Contains(a.App.Tags, g.Tag) {
		return true, ""
	}
	return false, `the app does not have the tag "` + g.Tag + `"`
}

// Select implements Instance.Select.
func (g TagGate) Select(a *messages.Alert) Selection {
	if ok, why := g.Passes(a); !ok {
		return Selection{Reason: why}
	}
	return Everyone()
}

// WebAddress notes a key that does not hold an address to call.
func (p *Problems) WebAddress(path, address, suggestion string) {
	to, err := url.Parse(address)
	switch {
	case address == "":
		p.Wrong(path, "is missing", suggestion)
	case err != nil || to.Hostname() == "" || to.Scheme != "https" && to.Scheme != "http":
		p.Wrong(path, "is no web address", suggestion)
	case to.Port() != "":
		if port, err := strconv.ParseUint(to.Port(), 10, 16); err != nil || port == 0 {
			p.Wrong(path, "names a port that there is not", "write one from 1 to 65535")
		}
	}
}

// Template notes a key that does not hold a good template of one line.
func (p *Problems) Template(path, source string) {
	if _, err := template.Parse(source, template.Line); err != nil {
		p.Wrong(path, err.Error(), "mend the template")
		return
	}
	p.Misfits(path, template.Misfits(source))
}

// TemplateFiles notes a key that names no good template: the first of files that exists.
func (p *Problems) TemplateFiles(path string, files []string) {
	if err := template.CheckFiles(files); err != nil {
		p.Warn(path, err.Error(), "the built-in layout is sent until the file is there and good")
		return
	}
	p.Misfits(path, template.MisfitsOfFiles(files))
}

// Misfits notes what of a template fails wherever it is evaluated: perhaps nowhere.
func (p *Problems) Misfits(path string, misfits []string) {
	for _, m := range misfits {
		p.Warn(path, m, "what is built in is sent where that is evaluated; the helpers are "+template.Helpers())
	}
}
