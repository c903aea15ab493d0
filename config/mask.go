package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"butler/internal/secret"
)

// Masking says how much of a configuration is masked. Secrets always are.
type Masking uint8

const (
	// MaskPrivate also masks private data: hosts, web addresses, users, recipients and accounts.
	MaskPrivate Masking = iota
	// MaskSecrets masks secrets only.
	MaskSecrets
)

// secretName and privateName match the last part of keys. They apply in addition to
// the types in the schema, so that a new key is masked even if its type is wrong.
var (
	secretName  = regexp.MustCompile(`(?i)(password|passphrase|secret|token|api-?key|jwt)$`)
	privateName = regexp.MustCompile(`(?i)^(.*user(name|id|dir|directory)?|.*recipients?|.*email|.*address|.*host|account-?id|client-?id|nodes|allowedSources)$`)
	// privatePath matches the keys whose values name a certificate or its key.
	privatePath = regexp.MustCompile(`(?i)^(cert|key|ca)$`)
)

// private reports whether a key identifies a person or a machine.
func (n *node) private() bool {
	switch {
	case n.Type == kindHost, privateName.MatchString(n.name):
		return true
	case n.Type == kindPath:
		return privatePath.MatchString(n.name)
	case n.Type == kindStr && n.parent != nil:
		// The ID of a tenant, and the directory of a user.
		return n.name == "id" && n.parent.name == "tenant" || n.name == "directory" && n.parent.listItem()
	}
	return false
}

// mask returns a value with secrets masked, and whether nothing had to be masked.
func (c *Config) mask(v any, n *node, m Masking) (shown any, whole bool) {
	text, isText := v.(string)
	if isText && text == "" {
		return v, true
	}
	_, isSwitch := v.(bool)
	switch {
	case n.Type == kindSecret, c.seen.derived[n.path], !isSwitch && secretName.MatchString(n.name):
		return secret.Mask, false
	case n.Type == kindURI, isText && strings.Contains(text, "://"):
		shown := maskURI(text, n.Hidden, m)
		return shown, shown == text
	case m == MaskPrivate && !isSwitch && n.private():
		return begin(fmt.Sprint(v)), false
	}
	return v, true
}

// shownBegin is how many characters of a private text stay visible, for people who
// know it.
const shownBegin = 3

// begin returns the start of a text, and stars that do not reveal its length.
func begin(text string) string {
	runes := []rune(text)
	return string(runes[:min(shownBegin, len(runes)/2)]) + strings.Repeat("*", 10)
}

// maskURI masks the credentials and the query of a URI, the path too if path is set,
// and with MaskPrivate everything but the start of the host.
func maskURI(text string, path bool, m Masking) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return secret.Mask
	}
	shown := u.Scheme + "://"
	if m == MaskPrivate {
		return shown + begin(u.Host)
	}
	if u.User != nil {
		shown += secret.Mask + "@"
	}
	shown += u.Host
	switch {
	case path && strings.Trim(u.EscapedPath(), "/") != "":
		shown += "/" + secret.Mask
	case !path:
		shown += u.EscapedPath()
	}
	if u.RawQuery != "" {
		shown += "?" + secret.Mask
	}
	if u.Fragment != "" {
		shown += "#" + secret.Mask
	}
	return shown
}
