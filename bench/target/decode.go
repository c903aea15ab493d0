package target

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode reads a file with one YAML document. The error names, by path, every key that
// does not exist or has a value of the wrong kind.
func Decode(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(into)
	if mistyped, ok := errors.AsType[*yaml.TypeError](err); ok {
		return explain(text, mistyped)
	}
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case err != nil:
		return err
	case !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF):
		return errors.New("there is a second document in the file, behind ---: each needs a file of its own")
	}
	return nil
}

// The messages of the library about a key and about a value. It cuts a long value
// short with dots.
var (
	noField   = regexp.MustCompile(`^line (\d+): field (.+) not found in type `)
	noValue   = regexp.MustCompile("^line (\\d+): cannot unmarshal (!!\\w+)(?: `(.*)`)? into (.+)$")
	shortened = "..."
)

// examples are values by the name of their type in Go.
var examples = map[string]string{
	"time.Duration": "5s", "float64": "200", "int": "200", "bool": "true", "string": "webhook", "[]string": "[webhook, email]",
}

// explain rewrites the messages of the library for the author of the file.
func explain(text []byte, mistyped *yaml.TypeError) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return err
	}
	var problems []error
	for _, said := range mistyped.Errors {
		problem := errors.New(said)
		if m := noField.FindStringSubmatch(said); m != nil {
			problem = fmt.Errorf("%s: there is no such key", pathOf(&root, m[1], func(key, _ *yaml.Node) bool { return key.Value == m[2] }))
		} else if m := noValue.FindStringSubmatch(said); m != nil {
			start, _ := strings.CutSuffix(m[3], shortened)
			path := pathOf(&root, m[1], func(_, value *yaml.Node) bool {
				return value.ShortTag() == m[2] && strings.HasPrefix(value.Value, start)
			})
			problem = fmt.Errorf("%s: %s is not of the kind that is wanted%s", path, shown(m[3]), example(m[4]))
		}
		problems = append(problems, problem)
	}
	return errors.Join(problems...)
}

func shown(value string) string {
	if value == "" {
		return "that"
	}
	return strconv.Quote(value)
}

func example(kind string) string {
	value, known := examples[kind]
	switch {
	case known:
		return ", such as " + value
	case strings.HasPrefix(kind, "[]"):
		return ", which is a list"
	default:
		return ", which has keys of its own"
	}
}

// pathOf returns the path of the key in a line that is of, or those that may be meant.
func pathOf(root *yaml.Node, line string, of func(key, value *yaml.Node) bool) string {
	var found []string
	var walk func(node *yaml.Node, path string)
	walk = func(node *yaml.Node, path string) {
		for i, child := range node.Content {
			below := path
			switch {
			case node.Kind == yaml.SequenceNode:
				below += "[" + strconv.Itoa(i+1) + "]"
				if strconv.Itoa(child.Line) == line && of(node, child) {
					found = append(found, below)
				}
			case node.Kind == yaml.MappingNode && i%2 == 0:
				continue // a key, which is dealt with beside its value
			case node.Kind == yaml.MappingNode:
				key := node.Content[i-1]
				below = strings.TrimPrefix(path+"."+key.Value, ".")
				if (strconv.Itoa(key.Line) == line || strconv.Itoa(child.Line) == line) && of(key, child) {
					found = append(found, below)
				}
			}
			walk(child, below)
		}
	}
	walk(root, "")
	if len(found) == 0 {
		return "line " + line
	}
	return strings.Join(slices.Compact(found), " or ")
}
