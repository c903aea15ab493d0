package teams

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"go.uber.org/zap"

	"butler/internal/destination/chat"
	"butler/internal/logx"
	"butler/internal/template"
	"butler/messages"
)

// object is a JSON object.
type object = map[string]any

// maxMessage is the maximum length of an encoded message, in bytes. Teams documents
// 28 KB, measures its own form of the message, and has refused some of 20 KB.
const maxMessage = 20_000

// limits bound the content of a message.
type limits struct {
	// code is for the parts of a script log and for the history, text for every other
	// text, both in characters. items is for lists.
	code, text, items int
}

// shrinking are the limits that are tried in turn until a message fits: at first only
// the script log and the history get shorter, then everything.
var shrinking = []limits{
	{code: 2900, text: 2000, items: 100},
	{code: 1500, text: 2000, items: 100},
	{code: 700, text: 1000, items: 50},
	{code: 300, text: 400, items: 25},
	{code: 150, text: 150, items: 10},
	{code: 60, text: 60, items: 3},
}

const (
	// maxNotes is for the notes that every reader must see; they are not shortened further.
	maxNotes = 1000
	// maxLink is the maximum length of a link that is never cut: part of a link is useless.
	maxLink = 500
	// maxPlain is for messages without a layout.
	maxPlain = 2500
)

// Compose implements chat.Composer. A template whose message is too long even with
// the shortest texts is replaced by the built-in one.
func (t *teams) Compose(n messages.Notice) (body []byte, from string, err error) {
	bad := false
	defer func() {
		if bad {
			t.room.Unusable()
		}
	}()
	for _, files := range t.layouts() {
		for _, l := range shrinking {
			fields := t.room.Fields(n)
			notes := template.Unlinked(template.CutEnd(strings.Join(template.Notes(fields), "\n\n"), maxNotes, template.Units))
			shorten(fields, l)
			card, from, instead := t.card(n, fields, files)
			bad = bad || instead
			tidy(card)
			tell(card, notes)
			announce(card, fields)
			if body, err = template.EncodeJSON(card); err != nil || len(body) <= maxMessage {
				return body, from, err
			}
		}
		bad = true
		t.room.Log.Warn("message of the template is too large for Teams, sending another layout", logx.Destination(n.Instance), logx.NoticeID(n.ID), zap.Strings("files", files))
	}
	fields := t.room.Fields(n)
	card := plainCard(fields)
	announce(card, fields)
	body, err = template.EncodeJSON(card)
	return body, "plain text, because every template writes more than Teams takes", err
}

// layouts lists the template files to try in turn; nil stands for the built-in template.
func (t *teams) layouts() [][]string {
	if len(t.room.Files) == 0 || t.room.Basic {
		return [][]string{nil}
	}
	return [][]string{t.room.Files, nil}
}

// card returns the message, a description of what made it, and whether that was not
// the operator's template.
func (t *teams) card(n messages.Notice, fields map[string]any, files []string) (card object, from string, instead bool) {
	if t.room.Basic {
		return t.basicCard(n.Alert.Kind, fields), "basic message", false
	}
	return t.room.Formatted(n, fields, files)
}

// basicCard returns a card with one line and its buttons.
func (t *teams) basicCard(kind messages.AlertKind, fields map[string]any) object {
	line := t.room.Line(fields)
	links := []link{{"Open QMC", text(fields["qlikSenseQMC"])}}
	if kind != messages.CloudReloadFailed {
		links = append(links, link{"Open Hub", text(fields["qlikSenseHub"])})
	}
	if t.event.connector() {
		return connectorMessage(line, links)
	}
	return adaptiveMessage(heading(line), actionSet(links))
}

// shorten applies the limits to the fields.
func shorten(fields map[string]any, l limits) {
	for name, v := range fields {
		list, ok := v.([]any)
		switch {
		case !ok || len(list) <= l.items:
		case name == "executionDetails": // the last steps show how it ended
			fields[name] = list[len(list)-l.items:]
		default:
			fields[name] = list[:l.items]
		}
	}
	code := object{}
	for name, cut := range template.LongTexts {
		if old, ok := fields[name].(string); ok {
			code[name] = template.Unlinked(cut(strings.ReplaceAll(old, "\r", ""), l.code, template.Units))
			delete(fields, name)
		}
	}
	template.MapTexts(fields, func(s string) string {
		limit := l.text
		if isLink(s) {
			limit = max(limit, maxLink)
		}
		return template.Unlinked(template.CutEnd(s, limit, template.Units))
	})
	maps.Copy(fields, code)
}

// isLink reports whether a text may be a link, of which no part is of use.
func isLink(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && !strings.ContainsFunc(s, unicode.IsSpace)
}

// tell adds notes that the reader must see whatever the template shows.
func tell(card object, notes string) {
	if notes == "" {
		return
	}
	if content := contentOf(card); content != nil {
		body, _ := content["body"].([]any)
		note := object{"type": "TextBlock", "text": notes, "wrap": true, "weight": "bolder", "color": "attention"}
		content["body"] = slices.Insert(body, min(1, len(body)), any(note))
		return
	}
	// A connector card, or a format of the operator's template.
	card["text"] = strings.TrimSpace(text(card["text"]) + "\n\n" + notes)
}

// announce adds what a notification shows of a message that consists of a card.
func announce(card, fields object) {
	if _, own := card["summary"]; !own && card["type"] == "message" {
		card["summary"] = template.Unlinked(template.CutEnd(chat.Headline(fields), maxNotes, template.Units))
	}
}

// contentOf returns the Adaptive Card of a message, which is its first attachment or
// the message itself, or nil without one.
func contentOf(card object) object {
	attachments, _ := card["attachments"].([]any)
	if len(attachments) > 0 {
		first, _ := attachments[0].(object)
		content, _ := first["content"].(object)
		card = content
	}
	if card["type"] != "AdaptiveCard" {
		return nil
	}
	return card
}

// tidy removes, at any depth, buttons and images without an address and action sets
// without buttons: Teams refuses a card that has any.
func tidy(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			tidy(item)
		}
	case object:
		for name, below := range v {
			tidy(below)
			if list, ok := below.([]any); ok {
				v[name] = slices.DeleteFunc(list, useless)
			} else if useless(below) {
				delete(v, name)
			}
		}
	}
}

// useless reports whether an element is a button or image without an address, or an
// empty action set.
func useless(element any) bool {
	e, _ := element.(object)
	switch e["type"] {
	case "Action.OpenUrl", "Image":
		return strings.TrimSpace(text(e["url"])) == ""
	case "ActionSet":
		actions, isList := e["actions"].([]any)
		return isList && len(actions) == 0
	default:
		return false
	}
}

// text returns v if it is a string, otherwise "".
func text(v any) string {
	s, _ := v.(string)
	return s
}
