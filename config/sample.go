package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sampleHead begins the sample.
const sampleHead = `# Every key of butler with its default and what it means. Copy the keys that
# you need to change; all others may be left out. A list or a text that is empty
# here is "not set".
#
# Any key may also be set by an environment variable: BUTLER_LOGLEVEL for
# logLevel, BUTLER_SLACKNOTIFICATION_ENABLE for slackNotification.enable. A list of
# texts is separated by commas there. Inside a value, ${env:NAME} stands for an
# environment variable and ${file:PATH} for the content of a file; a doubled
# dollar takes that meaning away. Relative paths start from this file.
---
`

// Sample returns a commented configuration file that holds every key with its
// default: those of the service and of the given sections.
func Sample(schemas []SchemaFragment) ([]byte, error) {
	root, err := newSchema(schemas)
	if err != nil {
		return nil, fmt.Errorf("read the schema of the configuration: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(sampleHead)
	b.WriteString(rootKey + ":\n")
	if err := writeSample(&b, root, 1); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// writeSample writes the keys of a section.
func writeSample(b *bytes.Buffer, section *node, depth int) error {
	indent := strings.Repeat("  ", depth)
	for _, n := range section.children {
		if n.undocumented() {
			continue
		}
		if depth == 1 && (n.isSection() || n.item != nil) {
			b.WriteString("\n")
		}
		if n.isSection() {
			if n.Doc != "" {
				fmt.Fprintf(b, "%s# %s\n", indent, n.Doc)
			}
			fmt.Fprintf(b, "%s%s:\n", indent, n.name)
			if err := writeSample(b, n, depth+1); err != nil {
				return err
			}
			continue
		}
		value, err := n.sampleValue()
		if err != nil {
			return fmt.Errorf("write the default of %s: %w", n.path, err)
		}
		fmt.Fprintf(b, "%s%s: %s # %s%s\n", indent, n.name, value, n.Doc, n.remark())
		if n.item != nil {
			writeSampleItem(b, n.item, indent+"#   ", "- ")
		}
	}
	return nil
}

// undocumented reports whether a key is an alias, or a section of aliases only.
func (n *node) undocumented() bool {
	if n.Alias != "" {
		return true
	}
	documented := func(c *node) bool { return !c.undocumented() }
	return n.isSection() && len(n.children) > 0 && !slices.ContainsFunc(n.children, documented)
}

// remark is the end of the comment of a key: its choices, whether it is required, and
// whether a reload is not enough.
func (n *node) remark() string {
	var remarks []string
	if n.Type == kindEnum {
		remarks = append(remarks, "one of "+strings.Join(n.Values, ", "))
	}
	if n.Required {
		remarks = append(remarks, "required")
	}
	if n.needsRestart() {
		remarks = append(remarks, "takes effect after a restart")
	}
	if len(remarks) == 0 {
		return ""
	}
	return " (" + strings.Join(remarks, "; ") + ")"
}

// writeSampleItem writes the shape of a list item as a comment. first begins its first line.
func writeSampleItem(b *bytes.Buffer, section *node, indent, first string) {
	for _, n := range section.children {
		b.WriteString(indent + first + n.name + ":")
		if first != "" {
			first = "  "
		}
		if n.isSection() {
			b.WriteString("\n")
			writeSampleItem(b, n, indent+first+"  ", "")
			continue
		}
		if v, err := n.sampleValue(); err == nil && n.fallback != nil {
			b.WriteString(" " + v)
		}
		if n.Doc != "" {
			b.WriteString(" # " + n.Doc + n.remark())
		}
		b.WriteString("\n")
	}
}

// sampleValue returns the default as it is written on one line of a file.
func (n *node) sampleValue() (string, error) {
	if n.fallback == nil {
		return "null", nil
	}
	written := n.Default
	setFlow(&written)
	out, err := yaml.Marshal(&written)
	return strings.TrimSpace(string(out)), err
}

// setFlow gives every list and mapping of a value flow style, which fits on one line.
func setFlow(y *yaml.Node) {
	if y.Kind != yaml.ScalarNode {
		y.Style = yaml.FlowStyle
	}
	for _, c := range y.Content {
		setFlow(c)
	}
}
