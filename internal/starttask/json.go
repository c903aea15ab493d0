package starttask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"butler/internal/coerce"
)

// node is a value of a valid JSON document, and its place. It is converted as clients
// rely on: load scripts send every value as text, and a single value in place of a list.
type node struct {
	place string
	raw   json.RawMessage
}

// document returns a body as a node.
func document(body []byte) (node, error) {
	n := node{place: "body"}
	err := json.Unmarshal(body, &n.raw)
	if err == nil {
		return n, nil
	}
	reason := "must be JSON"
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		reason = fmt.Sprintf("must be JSON, which it is not from byte %d on", syntax.Offset)
	}
	return n, &Problem{NotJSON, n.place, reason, `send a list such as [{"type":"starttaskid","payload":{"taskId":"..."}}] or an object such as {"taskId":["..."]}`}
}

func (n node) isNull() bool { return n.raw == nil || n.raw[0] == 'n' }

// members returns the members of an object that have one of the names, and the names
// of some others. It refuses a name that is there twice.
func (n node) members(names ...string) (known map[string]node, unknown []string, err error) {
	const maxUnknown = 5
	if n.isNull() || n.raw[0] != '{' {
		return nil, nil, n.refuse("must be object", "write {...} with "+strings.Join(names, ", "))
	}
	known = map[string]node{}
	decoder := json.NewDecoder(bytes.NewReader(n.raw))
	_, _ = decoder.Token() // the brace
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, nil, n.refuse("must be object", "write it as JSON")
		}
		name, _ := token.(string)
		member := node{place: n.place + "/" + name}
		if err := decoder.Decode(&member.raw); err != nil {
			return nil, nil, n.refuse("must be object", "write it as JSON")
		}
		_, twice := known[name]
		switch {
		case twice:
			return nil, nil, member.refuse("must be there once", "put all of it into one member")
		case slices.Contains(names, name):
			known[name] = member
		case len(unknown) < maxUnknown:
			unknown = append(unknown, name)
		}
	}
	return known, unknown, nil
}

// elements calls visit for every element of a list. Any other value is a list of one,
// and null is an empty list.
func (n node) elements(visit func(node) error) error {
	if n.isNull() {
		return nil
	}
	if n.raw[0] != '[' {
		return visit(n)
	}
	decoder := json.NewDecoder(bytes.NewReader(n.raw))
	_, _ = decoder.Token() // the bracket
	for i := 0; decoder.More(); i++ {
		element := node{place: n.place + "/" + strconv.Itoa(i)}
		if err := decoder.Decode(&element.raw); err != nil {
			return n.refuse("must be array", "write it as JSON")
		}
		if err := visit(element); err != nil {
			return err
		}
	}
	return nil
}

// text returns a value as text. Numbers and booleans are formatted, null is "", and a
// list of one element stands for that element.
func (n node) text() (string, error) {
	if n.isNull() {
		return "", nil
	}
	switch n.raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(n.raw, &text)
		return text, err
	case '{':
	case '[':
		var one []json.RawMessage
		if json.Unmarshal(n.raw, &one) == nil && len(one) == 1 && !bytes.ContainsAny(one[0][:1], "[{") {
			return node{n.place, one[0]}.text()
		}
	case 't', 'f':
		return string(n.raw), nil
	default:
		return coerce.Text(string(n.raw)), nil
	}
	return "", n.refuse("must be string", `write it as "..."`)
}

// member returns the text of a member that has to be there.
func (n node) member(members map[string]node, name string) (string, error) {
	found, there := members[name]
	if !there {
		return "", n.refuse("must have required property '"+name+"'", "add it")
	}
	return found.text()
}

// number returns a value as a number. A text is parsed; null and "" are 0.
func (n node) number() (float64, error) {
	text, err := n.text()
	if err != nil || strings.TrimSpace(text) == "" {
		return 0, err
	}
	number, ok := coerce.Number(text)
	if !ok {
		return 0, n.refuse("must be number", "write a number of milliseconds, or leave it out")
	}
	return number, nil
}

func (n node) refuse(reason, remedy string) error { return &Problem{NotValid, n.place, reason, remedy} }
