package url

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	neturl "net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"butler/internal/destination"
	"butler/internal/template"
	"butler/messages"
)

var targetName = regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]{0,59}$`)

// check lists the problems of a target or of a route entry.
func check(c Config, u destination.Use[Target], _ destination.Deps) destination.Problems {
	var p destination.Problems
	if strings.HasPrefix(u.Path, section) {
		p = append(p, checkTarget(c, u)...)
	}
	p = append(p, u.Settings.checkURL()...)
	if _, err := u.Settings.layout(); err != nil {
		key, reason, _ := strings.Cut(err.Error(), ": ")
		p.Wrong(key, reason, "correct the template")
		return p
	}
	p.Misfits("title", template.Misfits(u.Settings.Title))
	p.Misfits("message", template.Misfits(u.Settings.Message))
	for i, one := range u.Settings.Params {
		p.Misfits(fmt.Sprintf("params[%d].value", i), template.Misfits(one.Value.Reveal()))
	}
	return p
}

// checkTarget checks the values that only a target of the section has: its name and its events.
func checkTarget(c Config, u destination.Use[Target]) destination.Problems {
	var p destination.Problems
	if !targetName.MatchString(u.Settings.Name) {
		p.Wrong("name", "is not a valid target name", "use 1 to 60 letters, digits, spaces, dots, dashes and underscores")
	}
	for i, other := range c.Targets {
		if targetPath(i) == u.Path {
			break
		}
		if strings.EqualFold(other.Name, u.Settings.Name) {
			p.Wrong("name", "is also the name of an earlier target", "give every target a different name")
			break
		}
	}
	if len(u.Kinds) == 0 {
		p.Wrong("events", "is empty", "list at least one, such as reload_task_failed")
	}
	for i, kind := range u.Kinds {
		if !slices.Contains(messages.AllKinds(), kind) {
			p.Wrong("events", fmt.Sprintf("item %d is not an event", i+1), "write one of "+eventNames())
		}
	}
	return p
}

func eventNames() string {
	var out []string
	for _, kind := range messages.AllKinds() {
		out = append(out, string(kind))
	}
	return strings.Join(out, ", ")
}

// checkURL checks the URL and its parameters, with the library up to a request that is
// not sent.
func (t Target) checkURL() destination.Problems {
	var p destination.Problems
	raw := t.URL.Reveal()
	found, err := providerOf(raw)
	switch {
	case errors.Is(err, errScheme):
		p.Wrong("url", err.Error(), schemeSuggestion(raw))
		return p
	case err != nil:
		p.Wrong("url", err.Error(), "write scheme://..., with characters such as @ / # ? % of a key as %40 %2F %23 %3F %25")
		return p
	}
	u, err := neturl.Parse(raw)
	if err != nil {
		p.Wrong("url", "is not a valid URL", "write "+found.example)
		return p
	}
	if reason, instead := found.forbids(u); reason != "" {
		p.Wrong("url", reason, instead)
		return p
	}
	if reason := found.dryRun(raw, nil); reason != "" {
		p.Wrong("url", "cannot be used for "+found.scheme+": "+reason, "write "+found.example)
		return p
	}
	return append(p, t.checkParams(found)...)
}

func schemeSuggestion(raw string) string {
	scheme, _, _ := strings.Cut(raw, ":")
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+")
	if place, ok := alternatives[scheme]; ok {
		return place
	}
	return "use one of " + strings.Join(schemes(), ", ")
}

func (t Target) checkParams(found provider) destination.Problems {
	var p destination.Problems
	given := types.Params{}
	for i, one := range t.Params {
		item := fmt.Sprintf("item %d ", i+1)
		query := neturl.URL{RawQuery: neturl.Values{one.Name: {one.Value.Reveal()}}.Encode()}
		switch reason, instead := found.forbids(&query); {
		case strings.EqualFold(one.Name, types.TitleKey):
			p.Wrong("params", item+"is the title, which is a key of the target", "set title instead")
		case reason != "":
			p.Wrong("params", item+reason, instead)
		case !strings.Contains(one.Value.Reveal(), "{{"):
			given[one.Name] = one.Value.Reveal()
		}
	}
	if reason := found.dryRun(t.URL.Reveal(), given); reason != "" {
		p.Wrong("params", found.scheme+" does not accept them: "+reason, "see the parameters of the service")
	}
	return p
}

// forbidden are the parameters that would break a guarantee of this package, by scheme
// and lower-case name.
var forbidden = map[string]map[string]struct {
	// allowed are the harmless values.
	allowed         []string
	reason, instead string
}{
	"discord":  {"json": {disabled, "requests raw JSON, which the name of a task could make invalid", "leave the parameter json out, or use the section webhookNotification"}},
	"generic":  {"template": {[]string{"", "json"}, "names a template that does not exist", "write template=json or leave it out"}},
	"gotify":   {"insecureskipverify": {disabled, unverified, addCA}},
	"ntfy":     {"disabletlsverification": {disabled, unverified, addCA}},
	"telegram": {"parsemode": {[]string{"", "none"}, "requests markup, which the name of a task could make invalid", "leave the parameter parsemode out"}},
}

var disabled = []string{"", "no", "n", "false", "0"}

const (
	unverified = "disables the verification of certificates"
	addCA      = "leave that out, and add the CA of the server to the trust store of this machine"
)

// forbids returns why a URL must not be used, with a suggestion; "" if it can be used.
// To check a parameter, u consists only of a query.
func (p provider) forbids(u *neturl.URL) (reason, suggestion string) {
	for name, values := range u.Query() {
		rule, ok := forbidden[p.scheme][strings.ToLower(name)]
		if ok && !slices.Contains(rule.allowed, strings.ToLower(values[0])) {
			return rule.reason, rule.instead
		}
	}
	switch {
	case p.scheme == "matrix" && u.User.Username() != "":
		return "has a user and password, with which every message would open a session", "write an access token: " + p.example
	case p.scheme == "discord" && strings.HasPrefix(u.Path, "/raw"):
		rule := forbidden["discord"]["json"]
		return rule.reason, "leave /raw out"
	}
	return "", ""
}

// dryRun runs the library without sending anything. It returns why the library made no
// request, "" if it made one. It changes params; nil means none.
func (p provider) dryRun(raw string, params types.Params) (reason string) {
	reached := false
	client := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		closeBody(req)
		reached = true
		return nil, errEnded
	})}
	if params == nil {
		params = types.Params{}
	}
	a := newAttempt(context.Background(), client, p, raw)
	err := a.call(p.fit(message{title: "Title", text: "Text", params: params}))
	switch {
	case reached:
		return ""
	case a.failure != nil:
		return a.innermost(a.failure)
	case err != nil:
		return a.innermost(err)
	}
	return "it names no recipient"
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }
