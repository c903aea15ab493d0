package url

import (
	neturl "net/url"
	"slices"
	"strings"

	"butler/internal/destination"
	"butler/internal/secret"
)

// recipientsIn are the query parameters that list recipients, by scheme. The library
// stops at the first recipient that is refused.
var recipientsIn = map[string][]string{
	"telegram": {"chats", "channels"},
	"matrix":   {"rooms", "room"},
	"ifttt":    {"events"},
}

// recipientsInPath are the schemes whose path lists recipients.
var recipientsInPath = []string{"twilio"}

// perRecipient splits a use into one per recipient, each with its own queue, so that a
// refused recipient does not affect the others and a retry does not repeat the message
// to recipients that already have it.
func perRecipient(_ Config, u destination.Use[Target]) []destination.Use[Target] {
	urls := u.Settings.urls()
	if len(urls) < 2 {
		return []destination.Use[Target]{u}
	}
	out := make([]destination.Use[Target], 0, len(urls))
	for _, one := range urls {
		part := u
		part.Name, part.Listed, part.Settings.URL = u.Name+"/to", true, secret.String(one)
		out = append(out, part)
	}
	return out
}

// urls returns one URL for each recipient that the target's URL lists. It returns nil if
// the recipients cannot be separated.
func (t Target) urls() []string {
	u, err := neturl.Parse(t.URL.Reveal())
	if err != nil {
		return nil
	}
	if slices.Contains(recipientsInPath, u.Scheme) {
		return urlsByPath(*u)
	}
	query := u.Query()
	lists := func(name string) bool {
		return slices.ContainsFunc(recipientsIn[u.Scheme], func(known string) bool { return strings.EqualFold(known, name) })
	}
	// Params replace those of the URL.
	if slices.ContainsFunc(t.Params, func(p Param) bool { return lists(p.Name) }) {
		return nil
	}
	var out []string
	for name, values := range query {
		if !lists(name) {
			continue
		}
		if out != nil {
			return nil // two names for one list: only the library knows which one counts
		}
		for _, one := range recipients(values[0], ",") {
			query[name] = []string{one}
			u.RawQuery = query.Encode()
			out = append(out, u.String())
		}
	}
	return out
}

func urlsByPath(u neturl.URL) []string {
	var out []string
	for _, one := range recipients(u.EscapedPath(), "/") {
		u.RawPath, u.Path = "/"+one, "/"+one
		if plain, err := neturl.PathUnescape(one); err == nil {
			u.Path = "/" + plain
		}
		out = append(out, u.String())
	}
	return out
}

// recipients splits a list, without empty elements and duplicates.
func recipients(list, separator string) []string {
	var out []string
	for one := range strings.SplitSeq(list, separator) {
		if one = strings.TrimSpace(one); one != "" && !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}
