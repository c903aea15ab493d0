package schedulefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"butler/messages"
)

// Keys of the file.
const (
	keyList     = "butlerSchedule"
	keyID       = "id"
	keyState    = "lastKnownState"
	keyTags     = "tags"
	keyZone     = "timezone"
	keyOldZone  = "timeZone" // what the older scheduler actually read
	maxIDLength = 200
)

// textProperties are the plain text properties, in their order in a new entry.
var textProperties = []struct {
	key  string
	text func(*messages.Schedule) *string
}{
	{"name", func(s *messages.Schedule) *string { return &s.Name }},
	{"cronSchedule", func(s *messages.Schedule) *string { return &s.Cron }},
	{keyZone, func(s *messages.Schedule) *string { return &s.Timezone }},
	{"qlikSenseTaskId", func(s *messages.Schedule) *string { return &s.TaskID }},
	{"startupState", func(s *messages.Schedule) *string { return &s.StartupState }},
	{keyID, func(s *messages.Schedule) *string { return &s.ID }},
	{"created", func(s *messages.Schedule) *string { return &s.Created }},
	{keyState, func(s *messages.Schedule) *string { return (*string)(&s.LastKnownState) }},
}

// read returns the schedules of a file, and why other entries were refused.
func read(text []byte) (schedules []messages.Schedule, refused []string, err error) {
	_, list, err := parse(text)
	if err != nil {
		return nil, nil, err
	}
	known := map[string]int{}
	for i, node := range entries(list) {
		place := fmt.Sprintf("entry %d (line %d)", i+1, node.Line)
		s, err := entry(node)
		if err != nil {
			refused = append(refused, place+": "+err.Error())
			continue
		}
		if first, taken := known[s.ID]; taken {
			refused = append(refused, fmt.Sprintf("%s: its ID %q is that of entry %d; give it another", place, s.ID, first))
			continue
		}
		known[s.ID] = i + 1
		schedules = append(schedules, s)
	}
	return schedules, refused, nil
}

// parse returns the document and its list of schedules, nil when it has none.
// The document of an empty text is nil.
func parse(text []byte) (document, list *yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	document = &yaml.Node{}
	if err := decoder.Decode(document); errors.Is(err, io.EOF) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("it holds more than one document; join them to one")
	}
	root := document.Content[0]
	if isNull(root) {
		return document, nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, nil, fmt.Errorf("it is not a mapping; write %s: and the list of schedules below it", keyList)
	}
	list = property(root, keyList)
	switch {
	case list == nil || isNull(list):
		return document, nil, nil
	case list.Kind != yaml.SequenceNode:
		return nil, nil, fmt.Errorf("line %d: %s is not a list; begin every schedule with a dash", list.Line, keyList)
	}
	return document, list, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// property returns the value of a key of a mapping, nil for none.
func property(mapping *yaml.Node, key string) *yaml.Node {
	if i := position(mapping, key); i >= 0 {
		return mapping.Content[i]
	}
	return nil
}

// position returns the index of the value of a key in the content of a mapping, -1
// for none.
func position(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if k := mapping.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			return i + 1
		}
	}
	return -1
}

func entries(list *yaml.Node) []*yaml.Node {
	if list == nil {
		return nil
	}
	return list.Content
}

// entry reads a schedule. Numbers, dates and booleans are read as their text.
func entry(node *yaml.Node) (messages.Schedule, error) {
	var s messages.Schedule
	properties := map[string]yaml.Node{}
	if node.Kind != yaml.MappingNode && node.Kind != yaml.AliasNode {
		return s, errors.New("it is not a mapping of properties")
	}
	if err := node.Decode(&properties); err != nil {
		return s, fmt.Errorf("its properties cannot be read: %w", err)
	}
	for _, t := range textProperties {
		value, err := scalar(properties[t.key])
		if err != nil {
			return s, fmt.Errorf("%s %w", t.key, err)
		}
		*t.text(&s) = value
	}
	if s.Timezone == "" {
		s.Timezone, _ = scalar(properties[keyOldZone])
	}
	switch {
	case s.ID == "":
		return s, errors.New("it has no id")
	case len(s.ID) > maxIDLength:
		return s, fmt.Errorf("its id is longer than %d bytes", maxIDLength)
	}
	s.Tags = tags(properties[keyTags])
	return s, nil
}

// scalar returns the text of a value, "" for none.
func scalar(n yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = *n.Alias
	}
	switch {
	case n.Kind == 0, isNull(&n):
		return "", nil
	case n.Kind != yaml.ScalarNode:
		return "", fmt.Errorf("is not text (line %d)", n.Line)
	}
	return n.Value, nil
}

// tags returns the valid tags. They are for people only, so others are left out.
func tags(n yaml.Node) []string {
	if n.Kind == yaml.AliasNode {
		n = *n.Alias
	}
	nodes := n.Content
	if n.Kind == yaml.ScalarNode {
		nodes = []*yaml.Node{&n}
	}
	if n.Kind == yaml.MappingNode || n.Kind == 0 || isNull(&n) {
		return nil
	}
	list := []string{}
	for _, node := range nodes {
		if text, err := scalar(*node); err == nil && text != "" {
			list = append(list, text)
		}
	}
	return list
}

// edit returns the text with the change.
func edit(text []byte, change messages.ScheduleChange) ([]byte, error) {
	document, list, err := parse(text)
	if err != nil {
		return nil, err
	}
	empty := document == nil
	if list == nil {
		document, list = withList(document)
	}
	if change.Delete != "" {
		list.Content = slices.DeleteFunc(list.Content, func(n *yaml.Node) bool { return idOf(n) == change.Delete })
	}
	if len(change.Switch) > 0 {
		switchAll(list.Content, change.Switch, change.To)
	}
	if change.Add.ID != "" {
		list.Style &^= yaml.FlowStyle
		list.Content = append(list.Content, newEntry(change.Add))
	}
	var out bytes.Buffer
	if empty {
		out.Write(text) // only comments
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// withList returns the document with an empty list of schedules.
func withList(document *yaml.Node) (whole, list *yaml.Node) {
	if document == nil {
		document = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		*root = yaml.Node{Kind: yaml.MappingNode, HeadComment: root.HeadComment, FootComment: root.FootComment}
	}
	if list = property(root, keyList); list == nil {
		list = &yaml.Node{}
		root.Content = append(root.Content, text(keyList), list)
	}
	*list = yaml.Node{Kind: yaml.SequenceNode, HeadComment: list.HeadComment, LineComment: list.LineComment, FootComment: list.FootComment}
	return document, list
}

// idOf returns the ID of an entry, "" when it cannot be used.
func idOf(node *yaml.Node) string {
	s, err := entry(node)
	if err != nil {
		return ""
	}
	return s.ID
}

// switchAll sets the state of the first entry of each ID.
func switchAll(nodes []*yaml.Node, ids []string, to messages.ScheduleState) {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	for i, node := range nodes {
		if id := idOf(node); wanted[id] {
			nodes[i] = withState(node, to)
			delete(wanted, id)
		}
	}
}

// withState returns a copy of the entry with another state. An entry that shares its
// content with others through an alias becomes independent.
func withState(node *yaml.Node, to messages.ScheduleState) *yaml.Node {
	changed := *node
	if node.Kind == yaml.AliasNode {
		changed = *node.Alias
		changed.Anchor = ""
	}
	changed.Content = slices.Clone(changed.Content)
	if i := position(&changed, keyState); i >= 0 {
		value := text(string(to))
		value.LineComment = changed.Content[i].LineComment
		changed.Content[i] = value
		return &changed
	}
	changed.Content = append(changed.Content, text(keyState), text(string(to)))
	return &changed
}

func newEntry(s messages.Schedule) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, t := range textProperties {
		if t.key == keyID && len(s.Tags) > 0 {
			list := &yaml.Node{Kind: yaml.SequenceNode}
			for _, tag := range s.Tags {
				list.Content = append(list.Content, text(tag))
			}
			node.Content = append(node.Content, text(keyTags), list)
		}
		if value := *t.text(&s); value != "" {
			node.Content = append(node.Content, text(t.key), text(value))
		}
	}
	return node
}

// text returns a scalar that is read as a text, quoted where necessary.
func text(value string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(strings.ToValidUTF8(value, "�"))
	return n
}
