package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Shown is the configuration in effect, with secrets masked.
type Shown struct {
	// Settings are all keys, in the order of the schema. Frozen.
	Settings []Setting
	// YAML is the same as the text of a file, with the source of a value behind it.
	YAML string
}

// Setting is one key of a configuration in effect.
type Setting struct {
	// Path names the key below the root.
	Path string
	// Value is the value, masked where necessary, as it is written on one line of a
	// file, without control characters.
	Value string
	// Masked says that a part of the value is masked.
	Masked bool
	// Source is where it came from.
	Source Source
	// Doc says in one line what the key means.
	Doc string
}

// Shown returns the whole configuration in effect, masked as m says. Always masked
// are secrets, values that contain a reference, and in URIs the credentials, the query
// and a path that is a secret itself.
func (c *Config) Shown(m Masking) (Shown, error) {
	s := show{config: c, masking: m}
	below, err := s.section(c.root)
	if err != nil {
		return Shown{}, err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(mapping(field{rootKey, below})); err != nil {
		return Shown{}, fmt.Errorf("write the configuration: %w", err)
	}
	return Shown{Settings: s.settings, YAML: text.String()}, nil
}

// maxValue is how many characters a Setting shows of a value.
const maxValue = 2000

// show collects a Shown.
type show struct {
	config   *Config
	masking  Masking
	settings []Setting
	// masked says that something of the value at hand was masked.
	masked bool
	// secrets are what was masked, files what paths name.
	secrets []string
	files   []FileKey
}

// section returns what is shown of a section, as YAML.
func (s *show) section(n *node) (*yaml.Node, error) {
	var out []field
	for _, child := range n.children {
		if child.undocumented() {
			continue
		}
		if child.isSection() {
			below, err := s.section(child)
			if err != nil {
				return nil, err
			}
			out = append(out, field{child.name, below})
			continue
		}
		v := s.config.merged.Get(child.path)
		if v == nil {
			continue
		}
		shown, err := s.setting(v, child)
		if err != nil {
			return nil, fmt.Errorf("show %s: %w", child.path, err)
		}
		out = append(out, field{child.name, shown})
	}
	return mapping(out...), nil
}

// setting notes a key, and returns its value as YAML.
func (s *show) setting(v any, n *node) (*yaml.Node, error) {
	s.masked = false
	line := s.value(v, n)
	setFlow(line)
	text, err := yaml.Marshal(line)
	if err != nil {
		return nil, err
	}
	source := s.config.sources[n.path]
	s.settings = append(s.settings, Setting{
		Path: n.path, Value: oneLine(strings.TrimSpace(string(text)), maxValue), Masked: s.masked, Source: source, Doc: n.Doc,
	})
	below := s.value(v, n)
	comment(below, source)
	return below, nil
}

// comment puts the source of a value behind it, or before its first item.
func comment(value *yaml.Node, source Source) {
	switch {
	case source.Kind == FromDefault:
	case len(value.Content) > 0:
		value.Content[0].HeadComment = "# " + printable(source.String())
	default:
		value.LineComment = "# " + printable(source.String())
	}
}

// value returns what is shown of a value, as YAML. A default is no secret.
func (s *show) value(v any, n *node) *yaml.Node {
	if list, ok := v.([]any); ok {
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range list {
			fields, isMap := item.(map[string]any)
			if isMap && n.item != nil {
				out.Content = append(out.Content, s.item(fields, n.item))
				continue
			}
			out.Content = append(out.Content, s.value(item, n))
		}
		if len(list) == 0 {
			out.Style = yaml.FlowStyle
		}
		return out
	}
	if s.config.sources[s.key(n)].Kind != FromDefault {
		s.note(v, n)
		shown, whole := s.config.mask(v, n, s.masking)
		v, s.masked = shown, s.masked || !whole
	}
	return scalar(v)
}

// note gathers what a value is, for Secrets and NamedFiles.
func (s *show) note(v any, n *node) {
	if text, ok := v.(string); ok && n.Type == kindPath && text != "" {
		if named := (FileKey{Path: n.path, File: s.config.Path(text)}); !slices.Contains(s.files, named) {
			s.files = append(s.files, named)
		}
	}
	if _, whole := s.config.mask(v, n, MaskSecrets); !whole {
		s.secrets = append(s.secrets, secretsIn(v, n)...)
	}
}

// key returns the path of the key that the value of n is a part of.
func (s *show) key(n *node) string {
	key, _, _ := strings.Cut(n.path, "[")
	return key
}

// item returns what is shown of one item of a list of objects.
func (s *show) item(fields map[string]any, item *node) *yaml.Node {
	var out []field
	for _, child := range item.children {
		v, ok := fields[strings.ToLower(child.name)]
		switch {
		case !ok:
		case child.isSection():
			if below, isMap := v.(map[string]any); isMap {
				out = append(out, field{child.name, s.item(below, child)})
			}
		default:
			out = append(out, field{child.name, s.value(v, child)})
		}
	}
	return mapping(out...)
}

// field is one key of a mapping.
type field struct {
	name  string
	value *yaml.Node
}

func mapping(fields ...field) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fields {
		out.Content = append(out.Content, scalar(f.name), f.value)
	}
	return out
}

// scalar writes a value as it may stand in a file: text always on one line.
func scalar(v any) *yaml.Node {
	out := &yaml.Node{}
	if err := out.Encode(v); err != nil {
		panic(fmt.Sprintf("BUG: a configuration holds a value of type %T: %v", v, err))
	}
	if text, ok := v.(string); ok && strings.ContainsAny(text, "\r\n") {
		out.Style = yaml.DoubleQuotedStyle
	}
	return out
}
