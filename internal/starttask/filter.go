package starttask

import (
	"strings"

	"butler/internal/qlik"
	"butler/messages"
)

// AllowList is what an enabled filter allows. Lists that are empty allow nothing.
type AllowList struct {
	TaskIDs    []string
	Tags       []string
	Properties []messages.Property
}

// Filter decides which selectors may be used. It applies to selectors, not to tasks: a
// tag that is allowed starts all of its tasks, but does not allow starting them by
// their IDs. The zero value allows everything.
type Filter struct {
	enabled    bool
	ids        map[string]bool // in lower case
	tags       map[string]bool
	properties map[messages.Property]bool
}

// NewFilter returns a filter that allows only what is on the list, and the entries
// among the task IDs that are not valid.
func NewFilter(list AllowList) (f Filter, bad []string) {
	f = Filter{enabled: true, ids: map[string]bool{}, tags: map[string]bool{}, properties: map[messages.Property]bool{}}
	for _, id := range list.TaskIDs {
		trimmed := strings.TrimSpace(id)
		if !qlik.IsGUID(trimmed) {
			bad = append(bad, id)
			continue
		}
		f.ids[strings.ToLower(trimmed)] = true
	}
	for _, tag := range list.Tags {
		f.tags[tag] = true
	}
	for _, p := range list.Properties {
		f.properties[p] = true
	}
	return f, bad
}

// AllowsID reports whether a task may be selected by its ID, in any case.
func (f Filter) AllowsID(id string) bool { return !f.enabled || f.ids[strings.ToLower(id)] }

// AllowsTag reports whether tasks may be selected by a tag; the comparison is exact.
func (f Filter) AllowsTag(tag string) bool { return !f.enabled || f.tags[tag] }

// AllowsProperty reports whether tasks may be selected by a value of a custom
// property; the comparison is exact.
func (f Filter) AllowsProperty(p messages.Property) bool { return !f.enabled || f.properties[p] }
