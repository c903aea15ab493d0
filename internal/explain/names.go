package explain

import (
	"slices"
	"strings"

	"butler/messages"
)

// names are the IDs and keys of one execution, compared in any letter case.
type names struct {
	list  []string
	known map[string]bool
}

func newNames(ids []string) *names {
	n := &names{known: map[string]bool{}}
	for _, id := range ids {
		n.add(id)
	}
	return n
}

// spellings returns the IDs that a question may mean: the text as it is, because an ID
// may be any text, and the text without the braces and blanks that the QMC and others
// put around an ID.
func spellings(id string) []string {
	bare := strings.Trim(strings.TrimSpace(id), "{}")
	if bare == "" || bare == id {
		return []string{id}
	}
	return []string{id, bare}
}

// add reports whether the name is a new one.
func (n *names) add(name string) bool {
	folded := strings.ToLower(name)
	if n.known[folded] || len(n.list) > 2*maxReceived {
		return false
	}
	n.known[folded] = true
	n.list = append(n.list, name)
	return true
}

func (n *names) addAll(of *names) {
	for _, name := range of.list {
		n.add(name)
	}
}

func (n *names) has(key messages.ExecutionKey) bool { return n.known[strings.ToLower(string(key))] }

// anyIn reports whether a text has one of the names, as a word.
func (n *names) anyIn(text string) bool {
	return slices.ContainsFunc(strings.Fields(strings.ToLower(text)), func(word string) bool { return n.known[word] })
}
