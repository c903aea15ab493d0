package explain

import (
	"strings"

	"butler/messages"
)

// names are what one execution is called.
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

// spellings returns how an execution that somebody asks for may be called: as it
// is written, since an ID may be any text, and without the braces and blanks that
// the QMC and others put around one.
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
