package email

import (
	"regexp"
	"slices"
	"strings"

	"butler/internal/destination"
	"butler/internal/template"
	"butler/messages"
)

// recipients are the recipients of an alert, and why others are not notified.
type recipients struct {
	// fromTask are the addresses in a custom property of the task.
	fromTask []string
	// common are the configured addresses.
	common []string
	// owner are the addresses of the app's owner.
	owner []string
	// reasons say why lists are empty.
	reasons []string
	// leftOut are the recipients that a rule excludes.
	leftOut []destination.LeftOut
}

// exclude notes that a rule excludes recipients.
func (r *recipients) exclude(why string, who ...string) {
	r.reasons = append(r.reasons, why)
	r.leftOut = append(r.leftOut, destination.LeftOut{Recipients: who, Reason: why})
}

// selectRecipients implements Instance.Select.
func (e Event) selectRecipients(a *messages.Alert) destination.Selection {
	r := e.recipientsOf(a)
	var told []string
	for _, address := range slices.Concat(r.fromTask, r.common, r.owner) {
		switch {
		case !validAddress(address):
			r.reasons = append(r.reasons, "not a mail address: "+printableAddress(address))
			r.leftOut = append(r.leftOut, destination.LeftOut{Recipients: []string{printableAddress(address)}, Reason: "not a mail address"})
		case !slices.Contains(told, address):
			told = append(told, address)
		}
	}
	if len(told) == 0 {
		return destination.Nobody("no recipient: %s", strings.Join(r.reasons, "; "))
	}
	return destination.Selection{Recipients: told, LeftOut: leftOut(r.leftOut, told)}
}

// leftOut returns those who are not notified by another rule instead.
func leftOut(all []destination.LeftOut, told []string) []destination.LeftOut {
	var out []destination.LeftOut
	for _, l := range all {
		named := len(l.Recipients) > 0
		l.Recipients = slices.DeleteFunc(slices.Clone(l.Recipients), func(who string) bool { return slices.Contains(told, who) })
		if !named || len(l.Recipients) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// recipientsOf builds the three lists. A task or app that could not be looked up
// passes its gate: better to tell somebody who did not ask than to tell nobody.
func (e Event) recipientsOf(a *messages.Alert) recipients {
	var r recipients
	if name := e.AlertEnabledByEmailAddress.CustomPropertyName; name != "" && a.TaskEvent() {
		for _, value := range a.Task.PropertyValues(name) {
			r.fromTask = append(r.fromTask, strings.TrimSpace(value))
		}
		switch {
		case !a.Task.Known:
			r.reasons = append(r.reasons, "the custom properties of the task are not known")
		case len(r.fromTask) == 0:
			r.reasons = append(r.reasons, "the task has no custom property "+name)
		}
	}
	tagged, untagged := e.AlertEnableByTag.Passes(a)
	switch property := e.AlertEnableByCustomProperty; {
	case len(e.Recipients) == 0:
		r.reasons = append(r.reasons, "the list of recipients is empty")
	case !property.lets(a.Task):
		r.exclude("the task does not have "+property.CustomPropertyName+" = "+property.EnabledValue, e.Recipients...)
	case !tagged:
		r.exclude(untagged, e.Recipients...)
	default:
		r.common = e.Recipients
	}
	if e.AppOwnerAlert.Enable {
		var why string
		if r.owner, why = e.AppOwnerAlert.addresses(a.Owner); why != "" {
			r.exclude(why, a.Owner.Emails...)
		}
	}
	return r
}

// lets reports whether a task passes the gate.
func (g Gate) lets(t messages.Task) bool {
	return !g.Enable || !t.Known || t.HasProperty(g.CustomPropertyName, g.EnabledValue)
}

// is reports whether owner has the account. Only mail addresses are compared without
// regard to letter case: no two mailboxes differ in it alone.
func (a Account) is(owner messages.Owner) bool {
	if a.Email != "" {
		return slices.ContainsFunc(owner.Emails, func(address string) bool { return strings.EqualFold(address, a.Email) })
	}
	return a.Directory == owner.Directory && a.UserID == owner.UserID
}

// addresses returns the owner's addresses, or the reason why the owner is not notified.
func (o AppOwnerAlert) addresses(owner messages.Owner) (addresses []string, why string) {
	is := func(a Account) bool { return a.is(owner) }
	switch {
	case !owner.Known:
		return nil, "the owner of the app is not known"
	case slices.ContainsFunc(o.ExcludeOwner.User, is):
		return nil, "the owner of the app is excluded"
	case !o.IncludeOwner.IncludeAll && !slices.ContainsFunc(o.IncludeOwner.User, is):
		return nil, "the owner of the app is not on the list of included owners"
	case len(owner.Emails) == 0:
		return nil, "the owner of the app has no mail address that Qlik Sense knows"
	}
	return owner.Emails, ""
}

// The parts of an address. A preceding name ("Anna <a@b.c>") is not accepted.
var (
	localPart = regexp.MustCompile("^[-!#$%&'*+/0-9=?A-Z^_a-z`{|}~]+(\\.[-!#$%&'*+/0-9=?A-Z^_a-z`{|}~]+)*$")
	labelPart = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$`)
	topLevel  = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]*[A-Za-z0-9]$`)
)

// validAddress reports whether s has the syntax of a mail address.
func validAddress(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	if !found || len(s) > 254 || len(local) > 64 || !localPart.MatchString(local) {
		return false
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 || !topLevel.MatchString(labels[len(labels)-1]) {
		return false
	}
	return !slices.ContainsFunc(labels, func(label string) bool { return len(label) > 63 || !labelPart.MatchString(label) })
}

// printableAddress returns an intended address for display, shortened and on one line.
func printableAddress(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	return template.CutEnd(s, 80, template.Units)
}
