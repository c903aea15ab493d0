package config

import (
	"net/url"
	"strings"

	"butler/internal/secret"
)

// Masked returns the whole effective configuration as nested maps with the keys
// as they are written in a file, fit to be shown: secrets, whatever came from
// behind a reference, credentials and queries of URIs, and the paths of webhook
// URIs are masked.
func (c *Config) Masked() map[string]any { return c.maskSection(c.root) }

func (c *Config) maskSection(n *node) map[string]any {
	out := map[string]any{}
	for _, child := range n.children {
		switch {
		case child.onlyAliases():
		case child.isSection():
			out[child.name] = c.maskSection(child)
		case child.Alias == "":
			if v := c.merged.Get(child.path); v != nil {
				out[child.name] = c.maskValue(v, child)
			}
		}
	}
	return out
}

func (c *Config) maskValue(v any, n *node) any {
	if list, ok := v.([]any); ok {
		out := make([]any, len(list))
		for i, item := range list {
			if fields, isMap := item.(map[string]any); isMap && n.item != nil {
				out[i] = c.maskItem(fields, n.item)
				continue
			}
			out[i] = c.maskScalar(item, n)
		}
		return out
	}
	return c.maskScalar(v, n)
}

// maskItem masks one item of a list of objects.
func (c *Config) maskItem(fields map[string]any, item *node) map[string]any {
	out := map[string]any{}
	for _, child := range item.children {
		v, ok := fields[strings.ToLower(child.name)]
		switch {
		case !ok:
		case child.isSection():
			if below, isMap := v.(map[string]any); isMap {
				out[child.name] = c.maskItem(below, child)
			}
		default:
			out[child.name] = c.maskValue(v, child)
		}
	}
	return out
}

func (c *Config) maskScalar(v any, n *node) any {
	text, isText := v.(string)
	switch {
	case isText && text == "":
		return ""
	case n.Type == kindSecret, c.seen.derived[n.path]:
		return secret.Mask
	case isText && n.Type == kindURI:
		return maskURI(text, n.Hidden)
	}
	return v
}

// maskURI hides the credentials and the query of a URI, and its path too when that is the secret.
func maskURI(text string, path bool) string {
	u, err := url.Parse(text)
	if err != nil {
		return secret.Mask
	}
	shown := u.Scheme + "://"
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
