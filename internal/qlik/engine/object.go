package engine

import (
	"bytes"
	"encoding/json"
	"maps"
)

// maxItems is how many elements of a list, or members of an object, are taken
// out of one answer. What is taken out needs many times the memory of a small
// element's text: the length of an answer alone is no bound. Sites have some
// 10,000 apps, apps some 1,000 fields.
const maxItems = 250_000

// object reads an object member by member, each as the engine wrote it; null is nil.
func (s *session) object(method string, raw json.RawMessage) (map[string]json.RawMessage, error) {
	decoder, err := open(raw, '{')
	if decoder == nil || err != nil {
		return nil, s.unread(method, err)
	}
	members := make(map[string]json.RawMessage)
	for count := 0; decoder.More(); count++ {
		if count == maxItems {
			return nil, s.invalid(method, errTooMuch)
		}
		name, err := decoder.Token()
		if err != nil {
			return nil, s.invalid(method, err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, s.invalid(method, err)
		}
		members[name.(string)] = value // no other token begins a member
	}
	return members, nil
}

// elements reads a list element by element; null is nil.
func elements[T any](s *session, method string, raw json.RawMessage) ([]T, error) {
	decoder, err := open(raw, '[')
	if decoder == nil || err != nil {
		return nil, s.unread(method, err)
	}
	list := []T{}
	for decoder.More() {
		if len(list) == maxItems {
			return nil, s.invalid(method, errTooMuch)
		}
		var element T
		if err := decoder.Decode(&element); err != nil {
			return nil, s.invalid(method, err)
		}
		list = append(list, element)
	}
	return list, nil
}

// open returns what reads the inside of an object or a list; nil for null.
func open(raw json.RawMessage, begin json.Delim) (*json.Decoder, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	first, err := decoder.Token()
	switch {
	case err != nil:
		return nil, err
	case first == nil:
		return nil, nil //nolint:nilnil // null is neither wrong nor anything to read
	case first != begin:
		return nil, errNot(begin)
	}
	return decoder, nil
}

// unread is invalid where there may be no error.
func (s *session) unread(method string, err error) error {
	if err == nil {
		return nil
	}
	return s.invalid(method, err)
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
