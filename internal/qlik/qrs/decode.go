package qrs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Documents are read leniently: the QRS of another version may leave a field
// out, or write a number as text. A field of an unexpected kind counts as
// missing; only a document that is not JSON, has the wrong outer shape or lacks
// its ID is an error. A list never grows beyond what its reader will keep, so a
// small answer cannot become a large value.

// Bounds of the lists inside an answer.
const (
	maxDocuments  = 50_000
	maxListLength = 5_000
)

// decodeList reads a JSON array of documents and hands them to keep one by one.
func decodeList[T any](body []byte, keep func(T) error) error {
	c := &cursor{text: body}
	if c.next() != '[' {
		return misshapen(body, "a list")
	}
	count := 0
	var problem error
	c.elements(func() {
		if count++; count > maxDocuments {
			problem = fmt.Errorf("the answer lists more than %d objects", maxDocuments)
		} else {
			problem = decodeNext(c, keep)
		}
		if problem != nil {
			c.fail()
		}
	})
	// What stands behind the list would make it another document, or none.
	if problem == nil && (c.bad || c.next() != 0 || c.at < len(body)) {
		return errNotJSON
	}
	return problem
}

var (
	errNotJSON = errors.New("the answer is not JSON")
	errEmpty   = errors.New("the answer is empty")
	errMarkup  = errors.New("the answer is HTML or XML and not JSON; is this address the repository service itself?")
)

// misshapen tells what an answer is that does not begin as what was wanted.
func misshapen(body []byte, wanted string) error {
	c := &cursor{text: body}
	first := c.next()
	switch {
	case c.at == len(body):
		return errEmpty
	case first == '<':
		return errMarkup
	}
	if c.value(); c.bad {
		return errNotJSON
	}
	return errors.New("the answer is not " + wanted)
}

// decodeNext reads a document and hands it to keep.
func decodeNext[T any](c *cursor, keep func(T) error) error {
	var document T
	if err := understand(c, &document); c.bad || err != nil {
		return errors.New("the answer holds an object that is not understood")
	}
	return keep(document)
}

// decodeObject reads one JSON object.
func decodeObject(body []byte, into any) error {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return misshapen(body, "an object")
	}
	if err := json.Unmarshal(body, into); err != nil && !isTolerable(err) {
		return errNotJSON
	}
	return nil
}

// isTolerable reports a field of an unexpected kind: the decoder has left it
// out and read the rest.
func isTolerable(err error) bool {
	mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err)
	return ok && mismatch.Field != ""
}

// sequence is a JSON array that reads what it understands, up to maxListLength
// elements, and takes anything else for an empty list.
type sequence[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *sequence[T]) UnmarshalJSON(raw []byte) error {
	// A list with fewer commas than that is no longer than it may be, and nearly
	// every list is understood at once.
	if bytes.Count(raw, []byte(",")) < maxListLength {
		var all []T
		if err := json.Unmarshal(raw, &all); err == nil {
			*l = append(*l, all...)
			return nil
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if start, _ := decoder.Token(); start != json.Delim('[') {
		return nil
	}
	for decoder.More() && len(*l) < maxListLength {
		var item T
		if err := decoder.Decode(&item); err != nil && !isTolerable(err) {
			continue
		}
		*l = append(*l, item)
	}
	return nil
}

// read reads a list as UnmarshalJSON does, its elements with a reader of theirs.
func (l *sequence[T]) read(c *cursor, readElement func(*T, *cursor)) {
	c.elements(func() {
		if first := c.next(); first != '{' && first != 'n' || len(*l) == maxListLength {
			c.value()
			return
		}
		var element T
		readElement(&element, c)
		*l = append(*l, element)
	})
}

// text is a JSON string, number or truth value as text; anything else is empty.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		if isPlain(raw) {
			*t = text(raw[1 : len(raw)-1])
			return nil
		}
		var s string
		err := json.Unmarshal(raw, &s)
		*t = text(s)
		return err
	case '{', '[', 'n':
		*t = ""
	default:
		*t = text(raw)
	}
	return nil
}

// isPlain reports whether a JSON string stands for what is between its quotes.
func isPlain(raw []byte) bool { return bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) }

func (t *text) read(c *cursor) { _ = t.UnmarshalJSON(c.value()) }

func (t text) line(limit int) string  { return line(string(t), limit) }
func (t text) prose(limit int) string { return prose(string(t), limit) }

// integer is a JSON number, or a text that holds one. It knows whether it was there.
type integer struct {
	value int64
	known bool
	// present reports that there was something, understood or not.
	present bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *integer) UnmarshalJSON(raw []byte) error {
	*n = integer{}
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	n.present = true
	number, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if n.known = err == nil && math.Abs(number) <= 1<<53; n.known {
		n.value = int64(number)
	}
	return nil
}

func (n *integer) read(c *cursor) { _ = n.UnmarshalJSON(c.value()) }

// or returns the number, or instead when there is none.
func (n integer) or(instead int64) int64 {
	if !n.known {
		return instead
	}
	return n.value
}

// amount returns the number as a count or size: never negative.
func (n integer) amount() int64 { return max(n.or(0), 0) }

// flag is a JSON truth value; anything else is false.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(raw []byte) error {
	*f = flag(bytes.Equal(raw, []byte("true")))
	return nil
}

func (f *flag) read(c *cursor) { _ = f.UnmarshalJSON(c.value()) }
