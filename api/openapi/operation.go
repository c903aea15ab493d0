package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Operation is one operation as a page for people shows it.
type Operation struct {
	// Tag is the group it belongs to; Begins marks the first of a group.
	Tag    string
	Begins bool
	Method string
	Path   string
	// EnabledBy is the endpoint it belongs to.
	EnabledBy            string
	Summary, Description string
	// Parameters are those of the path, the query and the headers.
	Parameters []Parameter
	// Body is an example of what it is sent, as JSON; "" without one.
	Body    string
	Answers []Answer
}

// Parameter is a part of a call beside its body.
type Parameter struct {
	Name string
	// In says where it stands: path, query or header.
	In string
	// Description is "" where the name says it all.
	Description string
	Required    bool
}

// Answer is one status that an operation may answer.
type Answer struct{ Status, Description string }

// Operations lists the operations, group by group.
func (d Document) Operations() []Operation {
	var out []Operation
	paths, _ := d["paths"].(Document)
	for path, operations := range paths {
		of, _ := operations.(Document)
		for method, operation := range of {
			if endpoint, ok := EnabledBy(operation); ok {
				o := d.operation(path, method, endpoint, operation.(Document))
				o.Parameters = append(d.parameters(of["parameters"]), o.Parameters...)
				out = append(out, o)
			}
		}
	}
	slices.SortFunc(out, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	for i := range out {
		out[i].Begins = i == 0 || out[i].Tag != out[i-1].Tag
	}
	return out
}

func (d Document) operation(path, method, endpoint string, details Document) Operation {
	o := Operation{Method: strings.ToUpper(method), Path: path, EnabledBy: endpoint}
	if tags, _ := details["tags"].([]any); len(tags) > 0 {
		o.Tag = fmt.Sprint(tags[0])
	}
	o.Summary, _ = details["summary"].(string)
	o.Description, _ = details["description"].(string)
	o.Parameters = d.parameters(details["parameters"])
	content := d.at(details["requestBody"], "content", "application/json")
	example := d.at(content, "example")
	if example == nil {
		example = d.at(content, "schema", "example")
	}
	if raw, err := json.Marshal(example); err == nil && example != nil {
		o.Body = string(raw)
	}
	answers, _ := details["responses"].(Document)
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		text, _ := d.at(answers[status], "description").(string)
		o.Answers = append(o.Answers, Answer{Status: status, Description: text})
	}
	return o
}

// parameters reads a list of them.
func (d Document) parameters(list any) []Parameter {
	var out []Parameter
	all, _ := list.([]any)
	for _, one := range all {
		details, _ := d.at(one).(Document)
		name, _ := details["name"].(string)
		in, _ := details["in"].(string)
		text, _ := details["description"].(string)
		required, _ := details["required"].(bool)
		out = append(out, Parameter{Name: name, In: in, Description: text, Required: required})
	}
	return out
}

// at returns what lies at a path of keys below a value; references are followed.
func (d Document) at(value any, keys ...string) any {
	for {
		object, _ := value.(Document)
		if ref, ok := object["$ref"].(string); ok {
			value = d.at(d, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			continue
		}
		if len(keys) == 0 {
			return value
		}
		value, keys = object[keys[0]], keys[1:]
	}
}
