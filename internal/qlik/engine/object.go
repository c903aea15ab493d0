package engine

import (
	"encoding/json"
	"maps"
)

// object reads an object member by member, each as the engine wrote it.
func (s *session) object(method string, raw json.RawMessage) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, s.invalid(method, err)
	}
	return members, nil
}

// optional returns a member of an object; nil when it is missing or null.
func (s *session) optional(method string, raw json.RawMessage, name string) (json.RawMessage, error) {
	members, err := s.object(method, raw)
	if err != nil {
		return nil, err
	}
	if value := members[name]; string(value) != "null" {
		return value, nil
	}
	return nil, nil
}

// member is optional for what must be there.
func (s *session) member(method string, raw json.RawMessage, name string) (json.RawMessage, error) {
	value, err := s.optional(method, raw, name)
	if err == nil && value == nil {
		err = s.invalid(method, errMissing(name))
	}
	return value, err
}

// with returns the properties of an object with some members set.
func (s *session) with(raw json.RawMessage, set map[string]json.RawMessage) (json.RawMessage, error) {
	const method = "GetProperties"
	members, err := s.object(method, raw)
	if err != nil {
		return nil, err
	}
	if members == nil {
		members = make(map[string]json.RawMessage, len(set))
	}
	maps.Copy(members, set)
	out, err := json.Marshal(members)
	if err != nil {
		return nil, s.invalid(method, err)
	}
	return out, nil
}
