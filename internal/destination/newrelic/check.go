package newrelic

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"butler/internal/destination"
	"butler/internal/text"
)

// maxName is the maximum length of an account name, which is part of metrics and logs.
const maxName = 100

// check lists the problems of the keys that all uses share.
func check(c Config, _ destination.Deps) destination.Problems {
	p := c.checkAccounts()
	if !c.Enable {
		return p
	}
	for _, u := range []struct{ key, address string }{{"url.event", c.URL.Event}, {"url.log", c.URL.Log}} {
		p.WebAddress(section+"."+u.key, u.address, "leave it out for the EU, or write that of New Relic's API in the US")
	}
	p = append(p, c.unknown(section+".destinationAccount.event", c.DestinationAccount.Event)...)
	p = append(p, c.unknown(section+".destinationAccount.log", c.DestinationAccount.Log)...)
	for _, shared := range []struct {
		name string
		Shared
	}{
		{"reloadTaskFailure", c.ReloadTaskFailure.SharedSettings},
		{"reloadTaskAborted", c.ReloadTaskAborted.SharedSettings},
		{"serviceMonitor", c.ServiceMonitor.SharedSettings},
	} {
		p = append(p, checkHeaders(section+"."+shared.name+".sharedSettings.header", shared.Header)...)
	}
	return p
}

func (c Config) checkAccounts() destination.Problems {
	var p destination.Problems
	for i, a := range c.accounts {
		at := fmt.Sprintf("%s[%d].", accountsKey, i)
		same := func(o Account) bool { return o.AccountName == a.AccountName }
		switch {
		case a.AccountName == "" || text.Excerpt(a.AccountName, maxName) != a.AccountName:
			p.Wrong(at+"accountName", "is not a valid account name", "use 1 to 100 visible characters")
		case slices.IndexFunc(c.accounts, same) < i:
			p.Wrong(at+"accountName", "is also the name of an earlier account", "give every account a different name")
		}
		if key := a.InsertAPIKey; !key.IsSet() || !httpguts.ValidHeaderFieldValue(key.Reveal()) {
			p.Wrong(at+"insertApiKey", "is not an API key", "copy the ingest key from New Relic")
		}
		if a.AccountID <= 0 {
			p.Wrong(at+"accountId", "is not an account number", "copy it from New Relic")
		}
	}
	return p
}

// unknown notes the names in the list at a key that no account has.
func (c Config) unknown(key string, names []string) destination.Problems {
	var p destination.Problems
	for i, name := range names {
		if !slices.ContainsFunc(c.accounts, func(a Account) bool { return a.AccountName == name }) {
			p.Wrong(fmt.Sprintf("%s[%d]", key, i), "is not an account of "+accountsKey, c.accountNames())
		}
	}
	return p
}

// accountNames returns the suggestion for an unknown account.
func (c Config) accountNames() string {
	if len(c.accounts) == 0 {
		return "add the account there"
	}
	quoted := make([]string, len(c.accounts))
	for i, a := range c.accounts {
		quoted[i] = strconv.Quote(a.AccountName)
	}
	return "use " + strings.Join(quoted, " or ") + ", or add the account there"
}

func checkHeaders(key string, headers []Header) destination.Problems {
	var p destination.Problems
	for i, h := range headers {
		at := fmt.Sprintf("%s[%d]", key, i)
		if !httpguts.ValidHeaderFieldName(h.Name) {
			p.Wrong(at, "has a name that no header can have", "use letters, digits and dashes")
		}
		if !httpguts.ValidHeaderFieldValue(h.Value.Reveal()) {
			p.Wrong(at, "has a value that no header can have", "leave out line breaks and control characters")
		}
	}
	return p
}

// checkUse lists the problems of one use, including settings without effect.
func checkUse(c Config, u destination.Use[Settings], _ destination.Deps) destination.Problems {
	s := u.Settings
	if s.form == "" {
		return c.checkEntry(s)
	}
	p := c.unknown(s.accountsAt, s.Accounts)
	if s.form == asMetric {
		p = append(p, c.usage.check()...)
	}
	by := "sendToAccount.byCustomProperty."
	switch {
	case !s.byProperty && len(s.Accounts)+len(s.further) == 0:
		p.Warn(s.accountsAt, "names no account, so nothing is sent", c.accountNames())
	case s.byProperty && s.property == "":
		p.Wrong(by+"customPropertyName", "is empty", "name the custom property of reload tasks whose values are accounts")
	case s.byProperty && len(c.accounts) == 0:
		p.Wrong(by+"enable", "lets tasks choose among accounts, and "+accountsKey+" has none", "add the accounts there")
	}
	return p
}

// checkEntry lists the problems of an entry of a route.
func (c Config) checkEntry(s Settings) destination.Problems {
	p := c.unknown("accounts", s.Accounts)
	if len(s.Accounts) == 0 {
		p.Warn("accounts", "names no account, so nothing is sent", c.accountNames())
	}
	if len(s.forms()) == 0 {
		p.Warn("event", "is false, and so is log, so nothing is sent", "set one of them to true")
	}
	return append(p, checkHeaders("header", s.Header)...)
}
