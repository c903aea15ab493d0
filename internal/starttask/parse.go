package starttask

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// FromREST reads a call of the REST API. An ID in the path that is "" or "-" is
// none. The error is a *Problem.
func FromREST(pathID string, query url.Values, body []byte) (Request, error) {
	r := reader{}
	if pathID = tidyID(pathID); pathID != "-" {
		r.PathID = pathID
	}
	if len(r.PathID) > MaxText {
		return Request{}, bounded("params/taskId", r.PathID, "the ID of a task")
	}
	if err := r.query(query); err != nil {
		return Request{}, err
	}
	if err := r.body(body); err != nil {
		return Request{}, err
	}
	return r.Request, nil
}

// FromMessage reads a message: the ID of a task, plain or as a JSON text, or what
// a call of the REST API has in its body. The error is a *Problem.
func FromMessage(payload []byte) (Request, error) {
	r := reader{}
	if text := withoutBOM(payload); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		err := r.body(payload)
		return r.Request, err
	}
	if len(payload) > MaxBytes {
		return Request{}, errTooLong()
	}
	id := tidyID(string(withoutBOM(payload)))
	if unquoted, err := (node{"body", []byte(id)}).quoted(); err == nil {
		id = tidyID(unquoted)
	}
	if !qlik.IsGUID(id) {
		return Request{}, &Problem{NotValid, "body", "must be the ID of a task, or JSON", `send an ID such as 5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77, or an object such as {"tag":["nightly"]}`}
	}
	r.PathID = id
	return r.Request, nil
}

// quoted returns the content of a JSON text.
func (n node) quoted() (string, error) {
	valid, err := document(n.raw)
	if err != nil || valid.raw[0] != '"' {
		return "", n.refuse("must be string", "quote it")
	}
	return valid.text()
}

func errTooLong() error {
	return &Problem{TooLarge, "body", fmt.Sprintf("must not be longer than %d bytes", MaxBytes), "send several requests"}
}

func withoutBOM(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\uFEFF")))
}

func tidyID(id string) string { return strings.TrimSpace(strings.ToValidUTF8(id, "\uFFFD")) }

// reader is a request that is being read.
type reader struct {
	Request
	count counter
}

// query reads the parameters. Letter case does not matter in their names: a misspelt
// dryrun must not start tasks.
func (r *reader) query(query url.Values) error {
	given := map[string]string{}
	for name, values := range query {
		lower := strings.ToLower(name)
		if _, twice := given[lower]; twice || len(values) != 1 {
			return &Problem{NotValid, "querystring/" + brief(name), "must be there once", "keep one of them"}
		}
		given[lower] = name
	}
	for _, lower := range slices.Sorted(maps.Keys(given)) {
		name := given[lower]
		if err := r.option("querystring/"+name, lower, query.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

// option reads an option by its name in lower case, and ignores unknown ones.
func (r *reader) option(place, name, text string) error {
	switch name {
	case "alltaskidsmustexist":
		return flag(place, text, &r.AllTaskIDsMustExist)
	case "dryrun":
		return flag(place, text, &r.DryRun)
	case "wait":
		return r.wait(place, text)
	}
	return nil
}

// flag reads a boolean. One that is true already stays true.
func flag(place, text string, into *bool) error {
	if text != "true" && text != "false" {
		return &Problem{NotValid, place, "must be boolean", "write true or false"}
	}
	*into = *into || text == "true"
	return nil
}

// The bounds of waiting.
const (
	defaultWait = 5 * time.Minute
	longestWait = 24 * time.Hour
)

// wait reads a number of seconds, a duration such as 90s, or a boolean.
func (r *reader) wait(place, text string) error {
	var d time.Duration
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case text == "true":
		d = defaultWait
	case text == "false":
	case err == nil && seconds >= 0:
		d = clamp(seconds*1000, time.Millisecond, longestWait)
	default:
		if d, err = time.ParseDuration(text); err != nil || d < 0 {
			return &Problem{NotValid, place, "must be how long to wait", "write a number of seconds, a duration such as 90s or 5m, true or false"}
		}
	}
	r.Wait = min(max(r.Wait, d), longestWait)
	return nil
}

// body reads either form. No body, and null, are an empty object.
func (r *reader) body(body []byte) error {
	if len(body) > MaxBytes {
		return errTooLong()
	}
	text := withoutBOM(body)
	if len(text) == 0 {
		return nil
	}
	root, err := document(text)
	if err != nil {
		return err
	}
	switch root.raw[0] {
	case 'n':
		return nil
	case '[':
		r.Form = FormArray
		return root.elements(r.item)
	case '{':
		r.Form = FormObject
		return r.object(root)
	}
	return root.refuse("must be array or object", `send a list such as [{"type":"starttaskid","payload":{"taskId":"..."}}] or an object such as {"taskId":["..."]}`)
}

// item reads one element of the array form.
func (r *reader) item(n node) error {
	members, _, err := n.members("type", "payload")
	if err != nil {
		return err
	}
	if err := r.count.add(n.place); err != nil {
		return err
	}
	kind := members["type"]
	if kind.isNull() {
		r.remark(n.place + " has no type and was passed over")
		return nil
	}
	text, err := kind.text()
	if err != nil {
		return err
	}
	read, known := map[string]func(*reader, node) error{
		"starttaskid": (*reader).itemID, "starttasktag": (*reader).itemTag,
		"starttaskcustomproperty": (*reader).itemProperty, "keyvaluestore": (*reader).pair,
	}[text]
	if !known {
		return kind.refuse("must be equal to one of the allowed values", "write starttaskid, starttasktag, starttaskcustomproperty or keyvaluestore")
	}
	payload, there := members["payload"]
	if !there {
		return n.refuse("must have required property 'payload'", "add an object with what the type asks for")
	}
	return read(r, payload)
}

func (r *reader) itemID(n node) error {
	members, _, err := n.members("taskId")
	if err != nil {
		return err
	}
	if _, err := n.member(members, "taskId"); err != nil {
		return err
	}
	return r.id(members["taskId"])
}

func (r *reader) itemTag(n node) error {
	members, _, err := n.members("tag")
	if err != nil {
		return err
	}
	if _, err := n.member(members, "tag"); err != nil {
		return err
	}
	return r.tag(members["tag"])
}

func (r *reader) itemProperty(n node) error {
	return r.propertyOf(n, "customPropertyName", "customPropertyValue")
}

// object reads the object form, and the options that may stand in it.
func (r *reader) object(n node) error {
	names := []string{"taskId", "tag", "customProperty", "keyValueStore", "allTaskIdsMustExist", "dryRun", "wait"}
	members, unknown, err := n.members(names...)
	if err != nil {
		return err
	}
	for _, name := range unknown {
		r.remark(n.place + "/" + brief(name) + " is not known and was passed over; known are " + strings.Join(names, ", "))
	}
	for i, read := range []func(node) error{r.id, r.tag, r.property, r.pair} {
		if err := members[names[i]].elements(r.counted(read)); err != nil {
			return err
		}
	}
	for _, name := range names[4:] {
		option := members[name]
		if option.isNull() {
			continue
		}
		text, err := option.text()
		if err != nil {
			return err
		}
		if err := r.option(option.place, strings.ToLower(name), text); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) counted(read func(node) error) func(node) error {
	return func(n node) error {
		if err := r.count.add(n.place); err != nil {
			return err
		}
		return read(n)
	}
}

// id accepts any text as an ID: the answer lists the ones that are not valid.
func (r *reader) id(n node) error {
	text, err := n.text()
	if err != nil {
		return err
	}
	if len(text) > MaxText {
		return bounded(n.place, text, "the ID of a task")
	}
	r.IDs = append(r.IDs, tidyID(text))
	return nil
}

func (r *reader) tag(n node) error {
	text, err := n.text()
	if err == nil {
		err = bounded(n.place, text, "the name of a tag")
	}
	if err != nil {
		return err
	}
	r.Tags = append(r.Tags, text)
	return nil
}

func (r *reader) property(n node) error { return r.propertyOf(n, "name", "value") }

func (r *reader) propertyOf(n node, nameOf, valueOf string) error {
	members, _, err := n.members(nameOf, valueOf)
	if err != nil {
		return err
	}
	var p messages.Property
	if p.Name, err = n.member(members, nameOf); err != nil {
		return err
	}
	if p.Value, err = n.member(members, valueOf); err != nil {
		return err
	}
	if err := bounded(n.place+"/"+nameOf, p.Name, "the name of a custom property"); err != nil {
		return err
	}
	if err := bounded(n.place+"/"+valueOf, p.Value, "a value of the custom property"); err != nil {
		return err
	}
	r.Properties = append(r.Properties, p)
	return nil
}

// pair reads a key with its value. It skips one with an empty part, as load scripts
// expect.
func (r *reader) pair(n node) error {
	names := []string{"namespace", "key", "value", "ttl"}
	members, _, err := n.members(names...)
	if err != nil {
		return err
	}
	var kv KeyValue
	for i, into := range []*string{&kv.Namespace, &kv.Key, &kv.Value} {
		if *into, err = n.member(members, names[i]); err != nil {
			return err
		}
	}
	ttl, err := members["ttl"].number()
	if err != nil && r.Form == FormArray { // load scripts send whatever they have
		r.remark(n.place + "/ttl is no number of milliseconds; the value does not expire")
		ttl, err = 0, nil
	}
	if err != nil {
		return err
	}
	if kv.Namespace == "" || kv.Key == "" || kv.Value == "" {
		r.remark(n.place + " has an empty namespace, key or value and was not stored")
		return nil
	}
	kv.TTL = clamp(ttl, time.Millisecond, messages.LongestTTL)
	r.KeyValues = append(r.KeyValues, kv)
	return nil
}

// remark adds a remark for people, up to maxRemarks.
func (r *reader) remark(text string) {
	const maxRemarks = 20
	if len(r.Remarks) < maxRemarks {
		r.Remarks = append(r.Remarks, text)
	}
}

// brief shortens a text of the request for a message.
func brief(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}
