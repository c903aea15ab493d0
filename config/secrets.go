package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Secrets returns every secret text of the configuration, so that other output can be
// searched for it: what Shown always masks, and of URIs the masked parts, plain and
// escaped. The longest come first.
func (c *Config) Secrets() ([]string, error) {
	s := show{config: c, masking: MaskSecrets}
	if _, err := s.section(c.root); err != nil {
		return nil, err
	}
	slices.SortFunc(s.secrets, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(s.secrets), nil
}

// secretsIn returns a secret value, and its secret parts when it is a URI: an error
// text may hold only one of them.
func secretsIn(v any, n *node) []string {
	text := strings.TrimSpace(fmt.Sprint(v))
	out := []string{text}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return out
	}
	add := func(parts ...string) {
		for _, part := range parts {
			if part != "" && part != "/" {
				out = append(out, part)
			}
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(u.User.String(), u.User.Username(), password)
	}
	add(u.RawQuery, u.EscapedFragment(), u.Fragment)
	for _, values := range u.Query() {
		add(values...)
	}
	if n.Hidden || n.Type != kindURI {
		add(u.EscapedPath(), u.Path)
		add(longOnes(strings.Split(u.Path, "/"))...)
	}
	return out
}

// longPart is the length in bytes from which a part of a path is taken for a secret
// key, and not for a word such as "services".
const longPart = 12

func longOnes(parts []string) []string {
	return slices.DeleteFunc(parts, func(part string) bool { return len(part) < longPart })
}

// FileKey is a key of the configuration that names a file or directory.
type FileKey struct{ Path, File string }

// NamedFiles lists what the configuration names in the file system, absolute, in the
// order of the schema.
func (c *Config) NamedFiles() []FileKey {
	s := show{config: c, masking: MaskSecrets}
	if _, err := s.section(c.root); err != nil {
		return nil
	}
	return s.files
}
