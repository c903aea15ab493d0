package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/internal/coerce"
)

// call is one request to the REST API and its answer.
type call struct {
	ctx        *fasthttp.RequestCtx
	parameters parameters
	// room holds the single parameter of most paths, to save an allocation.
	room [1]parameter
	// meter counts the call.
	meter *meter
	// caller is the zero value without access control.
	caller apikey.Principal
	// body holds the members of the body once object has read it.
	body map[string]any
}

// answer sends a value as JSON, a string as plain text, a document and a
// watch as they come, and nothing for nil.
func (c *call) answer(status int, body any) {
	c.ctx.SetStatusCode(status)
	switch body := body.(type) {
	case nil:
		c.ctx.Response.ResetBody()
	case string:
		c.ctx.SetContentType("text/plain; charset=utf-8")
		c.ctx.SetBodyString(body)
	case watched:
		c.watch(body)
	case Document:
		c.stream(body)
	default:
		web.WriteJSON(c.ctx, body)
	}
}

// values are the members of a body or of a query. They are converted as clients
// rely on: load scripts send every value as text.
type values struct {
	// where is "body" or "querystring".
	where   string
	members map[string]any
}

// query returns the query parameters. One that is given several times is a list.
func (c *call) query() values {
	v := values{where: "querystring", members: map[string]any{}}
	for name, value := range c.ctx.QueryArgs().All() {
		key, text := string(name), string(value)
		switch earlier := v.members[key].(type) {
		case nil:
			v.members[key] = text
		case []any:
			v.members[key] = append(earlier, text)
		default:
			v.members[key] = []any{earlier, text}
		}
	}
	return v
}

// queryText returns a query parameter that must be given exactly once. It builds
// no map of all the others, which query does.
func (c *call) queryText(name string) (string, error) {
	query, text, times := values{where: "querystring"}, "", 0
	for key, value := range c.ctx.QueryArgs().All() {
		if string(key) == name {
			text = string(value)
			times++
		}
	}
	switch times {
	case 0:
		return "", query.missing(name)
	case 1:
		return text, nil
	default:
		return "", query.refuse(name, "string")
	}
}

// object returns the body, which must be a JSON object. An empty one has no members.
func (c *call) object() (values, error) {
	v := values{where: "body", members: map[string]any{}}
	body, err := c.json()
	if err != nil || body == nil {
		return v, err
	}
	members, ok := body.(map[string]any)
	if !ok {
		return v, web.Problemf(http.StatusBadRequest, web.CodeValidation, "body must be object")
	}
	v.members, c.body = members, members
	return v, nil
}

// raw returns the body without the byte order mark that editors on Windows write,
// nil for an empty one. Its content type must be JSON.
func (c *call) raw() ([]byte, error) {
	raw := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(c.ctx.PostBody()), []byte("\uFEFF")))
	if len(raw) == 0 {
		return nil, nil
	}
	media, _, _ := strings.Cut(string(c.ctx.Request.Header.ContentType()), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return nil, web.Problemf(http.StatusUnsupportedMediaType, web.CodeMediaType, "Unsupported Media Type: send application/json")
	}
	return raw, nil
}

// json returns the body as JSON, nil for an empty one. Numbers are json.Number.
func (c *call) json() (any, error) {
	raw, err := c.raw()
	if err != nil || raw == nil {
		return nil, err
	}
	if texts, ok := textObject(raw); ok {
		return texts, nil
	}
	body, err := decodeJSON(raw)
	if err != nil {
		return nil, web.Problemf(http.StatusBadRequest, web.CodeInvalidJSON, "Body is not valid JSON but content-type is set to 'application/json'")
	}
	return body, nil
}

// decodeJSON decodes exactly one JSON value.
func decodeJSON(raw []byte) (body any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		return nil, err
	}
	if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return body, nil
}

func (v values) refuse(name, want string) error {
	return web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s/%s must be %s", v.where, name, want)
}

// missing returns the error for a required member that is not there.
func (v values) missing(name string) error {
	return web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s must have required property '%s'", v.where, name)
}

// text returns a member as text, and whether it is there. Numbers and booleans
// are formatted, null is "", and a list of one element stands for that element.
func (v values) text(name string) (string, bool, error) {
	member, there := v.members[name]
	if list, ok := member.([]any); ok && len(list) == 1 {
		member = list[0]
	}
	switch member := member.(type) {
	case nil:
		return "", there, nil
	case string:
		return member, true, nil
	case json.Number:
		return coerce.Text(member.String()), true, nil
	case bool:
		return strconv.FormatBool(member), true, nil
	default:
		return "", true, v.refuse(name, "string")
	}
}

// texts returns a member as a list of texts. A single value is a list of one.
func (v values) texts(name string) ([]string, error) {
	member, there := v.members[name]
	if !there {
		return nil, nil
	}
	list, ok := member.([]any)
	if !ok {
		list = []any{member}
	}
	out := make([]string, 0, len(list))
	for i, item := range list {
		text, _, err := (values{where: v.where + "/" + name, members: map[string]any{strconv.Itoa(i): item}}).text(strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// nonEmptyText returns a required member as text that is not empty.
func (v values) nonEmptyText(name string) (string, error) {
	text, there, err := v.text(name)
	switch {
	case err != nil:
		return "", err
	case !there:
		return "", v.missing(name)
	case text == "":
		return "", web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s/%s must NOT have fewer than 1 characters", v.where, name)
	}
	return text, nil
}

// requiredText returns a required member as text, which may be empty; limit is its
// greatest length in characters, 0 for none.
func (v values) requiredText(name string, limit int) (string, error) {
	text, there, err := v.text(name)
	switch {
	case err != nil:
		return "", err
	case !there:
		return "", v.missing(name)
	case limit > 0 && utf8.RuneCountInString(text) > limit:
		return "", web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s/%s must NOT have more than %d characters", v.where, name, limit)
	}
	return text, nil
}

// number returns a member as a number, 0 when it is absent or null. A text is
// parsed; a boolean is 1 or 0.
func (v values) number(name string) (float64, error) {
	text := ""
	switch member := v.members[name].(type) {
	case nil:
		return 0, nil
	case bool:
		return map[bool]float64{true: 1}[member], nil
	case json.Number:
		text = member.String()
	case string:
		text = member
	}
	n, ok := coerce.Number(text)
	if !ok {
		return 0, v.refuse(name, "number")
	}
	return n, nil
}

// flag returns a member as a boolean, false when it is absent or null. The texts
// "true" and "false" and the numbers 1 and 0 are accepted.
func (v values) flag(name string) (bool, error) {
	switch member := v.members[name].(type) {
	case nil:
		return false, nil
	case bool:
		return member, nil
	case json.Number:
		if text := member.String(); text == "1" || text == "0" {
			return text == "1", nil
		}
	case string:
		if member == "true" || member == "false" {
			return member == "true", nil
		}
	}
	return false, v.refuse(name, "boolean")
}
