package destinationtest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"
)

// Decoder returns a function that reads sections of a YAML text as the program
// does: keys in any case, durations as text, unknown keys refused. The text
// begins at the section, with or without the root key Butler. A section that
// is not there leaves its target as it is.
func Decoder(text string) func(section string, into any) error {
	return func(section string, into any) error {
		var root map[string]any
		if err := yaml.Unmarshal([]byte(text), &root); err != nil {
			return fmt.Errorf("parse the sample configuration: %w", err)
		}
		if inner, ok := lookUp(root, "Butler").(map[string]any); ok {
			root = inner
		}
		value := any(root)
		for _, key := range strings.Split(section, ".") {
			inner, ok := value.(map[string]any)
			if !ok {
				return nil
			}
			value = lookUp(inner, key)
		}
		if value == nil {
			return nil
		}
		decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
			Result: into, ErrorUnused: true,
			DecodeHook: mapstructure.ComposeDecodeHookFunc(
				mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
			),
		})
		if err != nil {
			return err
		}
		return decoder.Decode(value)
	}
}

// lookUp finds a key in any case, as the program does.
func lookUp(m map[string]any, key string) any {
	for k, v := range m {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

// schemaRow is one row of a schema.yaml.
type schemaRow struct {
	Key  string `yaml:"key"`
	Type string `yaml:"type"`
	Doc  string `yaml:"doc"`
}

// parseSchema reads the rows of a schema.yaml.
func parseSchema(text []byte) ([]schemaRow, error) {
	var rows []schemaRow
	if err := yaml.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	return rows, nil
}

var yamlBlock = regexp.MustCompile("(?s)```ya?ml\n(.*?)```")

// yamlBlocks returns the fenced YAML of a README.
func yamlBlocks(readme string) []string {
	var out []string
	for _, found := range yamlBlock.FindAllStringSubmatch(readme, -1) {
		out = append(out, found[1])
	}
	return out
}

// leafName returns the last name of a key: "webhookURL" of "a.webhooks[].webhookURL".
func leafName(key string) string {
	parts := strings.Split(strings.ReplaceAll(key, "[]", ""), ".")
	return parts[len(parts)-1]
}
