package newrelic

import (
	"slices"

	"butler/internal/destination"
	"butler/messages"
)

// expand makes an instance for every form and account, and for a use of a section also for
// every kind. A use of a route keeps its kinds together, since they share one limit anyway.
func expand(c Config, u destination.Use[Settings]) []destination.Use[Settings] {
	var out []destination.Use[Settings]
	if u.Settings.form == "" {
		for _, f := range u.Settings.forms() {
			part := u
			part.Settings.form = f
			out = append(out, perAccount(c, part, u.Name+"/"+string(f))...)
		}
		return out
	}
	for _, kind := range u.Kinds {
		part := u
		part.Kinds = []messages.AlertKind{kind}
		out = append(out, perAccount(c, part, string(kind)+"/"+string(u.Settings.form))...)
	}
	return out
}

func perAccount(c Config, u destination.Use[Settings], name string) []destination.Use[Settings] {
	var out []destination.Use[Settings]
	for _, account := range c.accounts {
		if !u.Settings.byProperty && !u.Settings.always(account.AccountName) {
			continue
		}
		part := u
		part.Name, part.Settings.account = name+"/"+account.AccountName, account
		out = append(out, part)
	}
	return out
}

// forms returns the forms that an entry of a route asks for.
func (s Settings) forms() []form {
	var out []form
	if s.Event {
		out = append(out, asEvent)
	}
	if s.Log {
		out = append(out, asLog)
	}
	return out
}

// always reports whether an account gets every alert of the use.
func (s Settings) always(account string) bool {
	return slices.Contains(s.Accounts, account) || slices.Contains(s.further, account)
}

func instance(c Config, u destination.Use[Settings]) destination.Instance {
	s := u.Settings
	if s.form == asMetric {
		return destination.Instance{Timeout: timeout}
	}
	i := destination.Instance{
		Needs:  destination.Needs{Task: true, App: true},
		Window: destination.Seconds(s.RateLimit), Timeout: timeout,
	}
	if s.form == asLog {
		i.Needs.Execution, i.Needs.ScriptTail = true, s.TailScriptLogLines
	}
	if s.byProperty {
		i.Properties = []destination.Property{{
			Path: u.Path + ".sendToAccount.byCustomProperty.customPropertyName", Name: s.property, Values: c.names(),
		}}
	}
	if !s.always(s.account.AccountName) {
		i.Select = s.selects
	}
	return i
}

// names returns the names of the accounts.
func (c Config) names() []string {
	out := make([]string, 0, len(c.accounts))
	for _, a := range c.accounts {
		out = append(out, a.AccountName)
	}
	return out
}

// selects implements Instance.Select for an account that the task has to name. If the
// task could not be looked up and no other account is told, all accounts are: better
// to tell somebody who did not ask than to tell nobody.
func (s Settings) selects(a *messages.Alert) destination.Selection {
	name := s.account.AccountName
	switch {
	case a.Task.HasProperty(s.property, name):
		return destination.Everyone()
	case a.Task.Known:
		return destination.Nobody("the task has no custom property %s with the value %q", s.property, name)
	case len(s.Accounts)+len(s.further) > 0:
		return destination.Nobody("the custom properties of the task are not known, and other accounts are told")
	default:
		return destination.Everyone()
	}
}
