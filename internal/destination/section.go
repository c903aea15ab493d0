package destination

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"butler/internal/template"
	"butler/messages"
)

// Helpers that the sections of several destinations share.

// Section is a part of the configuration that enables the alerts of one kind.
type Section[S any] struct {
	Kind messages.AlertKind
	// Path is the key of the section, from the root of the configuration.
	Path     string
	Settings S
	On       bool
}

// UsesOf returns a use, named after its kind, for every section that is on.
func UsesOf[S any](sections ...Section[S]) []Use[S] {
	var out []Use[S]
	for _, s := range sections {
		if s.On {
			out = append(out, Use[S]{Name: string(s.Kind), Path: s.Path, Kinds: []messages.AlertKind{s.Kind}, Settings: s.Settings})
		}
	}
	return out
}

// AllOn sets on to whether all of the switches, which are in other sections, are on.
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

// longest is the longest configurable duration: in effect, unlimited.
const longest = 100 * 365 * 24 * time.Hour

// Seconds converts a configured number of seconds to a duration.
func Seconds(n float64) time.Duration {
	return time.Duration(min(max(n, 0), longest.Seconds()) * float64(time.Second))
}

// TagGate passes only alerts about apps with a certain tag.
type TagGate struct {
	Enable bool
	Tag    string
}

// Passes reports whether an alert passes, and if not, why. An alert whose app could not
// be looked up passes: better to tell somebody who did not ask than to tell nobody.
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

// WebAddress notes a problem of a key that does not hold a web address.
func (p *Problems) WebAddress(path, address, suggestion string) {
	to, err := url.Parse(address)
	switch {
	case address == "":
		p.Wrong(path, "is missing", suggestion)
	case err != nil || to.Hostname() == "" || to.Scheme != "https" && to.Scheme != "http":
		p.Wrong(path, "is not a web address", suggestion)
	case to.Port() != "":
		if port, err := strconv.ParseUint(to.Port(), 10, 16); err != nil || port == 0 {
			p.Wrong(path, "names a port that there is not", "write one from 1 to 65535")
		}
	}
}

// Template notes problems of a key that must hold a valid single-line template.
func (p *Problems) Template(path, source string) {
	if _, err := template.Parse(source, template.Line); err != nil {
		p.Wrong(path, err.Error(), "correct the template")
		return
	}
	p.Misfits(path, template.Misfits(source))
}

// TemplateFiles notes problems of a template file: the first of files that exists.
func (p *Problems) TemplateFiles(path string, files []string) {
	if err := template.CheckFiles(files); err != nil {
		p.Warn(path, err.Error(), "the built-in layout is sent until the file exists and is valid")
		return
	}
	p.Misfits(path, template.MisfitsOfFiles(files))
}

// Misfits notes the parts of a template that fail if they are ever evaluated.
func (p *Problems) Misfits(path string, misfits []string) {
	for _, m := range misfits {
		p.Warn(path, m, "what is built in is sent where that is evaluated; the helpers are "+template.Helpers())
	}
}
