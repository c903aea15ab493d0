package slack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"butler/internal/destination/chat"
	"butler/internal/template"
)

// Slack's limits, in characters and items. It refuses messages that exceed one.
const (
	maxBlocks   = 50
	maxHeader   = 150
	maxText     = 3000
	maxField    = 2000
	maxFields   = 10
	maxButton   = 75
	maxElements = 25
	maxContext  = 10
	// maxMessage is for the whole message as JSON. Slack documents no limit for all
	// blocks together but refuses them from about 13,200 characters on.
	maxMessage = 12_500
)

// limits bound the content of a message, in characters: code for the parts of a script
// log, for the history and for messages of the engine, text for every other text.
type limits struct{ code, text int }

// shrinking are the limits that are tried in turn until a message fits. 2900 leaves
// room in a block for code fences and a label.
var shrinking = []limits{{2900, maxText}, {2900, 500}, {1800, 500}, {900, 200}, {300, 100}, {100, 60}}

// object is a JSON object.
type object = map[string]any

// weigh returns the length of a character as Slack counts it, with & < > as entities.
func weigh(r rune) int {
	switch r {
	case '&':
		return len("&amp;")
	case '<', '>':
		return len("&lt;")
	default:
		return template.Units(r)
	}
}

// prepare applies the limits to the fields. Texts for code blocks are cut to fit in
// one block, all others to the limit for texts, and none can open or close a code
// block. An address stays whole, since part of one is useless.
func prepare(fields map[string]any, l limits) {
	template.MapTexts(fields, func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "``", "`\u200b`")
	})
	long := object{}
	code := func(name string, cut func(string, int, func(rune) int) string) {
		text, _ := fields[name].(string)
		long[name] = cut(text, l.code, weigh)
		delete(fields, name)
	}
	code("logMessage", template.CutLinesEnd)
	for name, cut := range template.LongTexts {
		code(name, cut)
	}
	template.MapTexts(fields, func(s string) string {
		if len(s) <= maxText && (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) {
			return s
		}
		return template.CutEnd(s, l.text, template.Units)
	})
	maps.Copy(fields, long)
}

// basicLayout is the fixed layout of a basic message; fit removes buttons without an address.
func basicLayout(line string, fields map[string]any) object {
	button := func(text, address string) object {
		return object{
			"type": "button", "style": "primary", "url": fields[address],
			"text": object{"type": "plain_text", "emoji": true, "text": text},
		}
	}
	return object{"blocks": []any{
		header(line),
		object{"type": "divider"},
		object{"type": "actions", "elements": []any{button("Open QMC", "qlikSenseQMC"), button("Open Hub", "qlikSenseHub")}},
	}}
}

// plainMessage returns a message with all fields, made without a template.
func plainMessage(fields map[string]any) object {
	return object{"blocks": []any{
		header(chat.Headline(fields)),
		object{"type": "section", "text": object{"type": "plain_text", "text": template.PlainText(fields)}},
	}}
}

func header(text string) object {
	return object{"type": "header", "text": object{"type": "plain_text", "text": text}}
}

// tell adds notes that the reader must see whatever the template shows.
func tell(message object, notes []string) {
	if len(notes) == 0 {
		return
	}
	text := ":warning: " + strings.Join(notes, "\n:warning: ")
	if blocks, ok := message["blocks"].([]any); ok {
		note := object{"type": "context", "elements": []any{object{"type": "mrkdwn", "text": escape.Replace(text)}}}
		message["blocks"] = slices.Insert(blocks, min(1, len(blocks)), any(note))
		return
	}
	old, _ := message["text"].(string)
	message["text"] = strings.TrimSpace(old + "\n" + escape.Replace(text))
}

// announce adds what a phone shows of a message that consists of blocks: its
// notifications have the text alone.
func announce(message object, fields map[string]any) {
	if _, own := message["text"]; !own && message["blocks"] != nil {
		message["text"] = escape.Replace(chat.Headline(fields))
	}
}

// shows reports whether a message has any content. Slack refuses a message without.
func shows(message object) bool {
	text, _ := message["text"].(string)
	blocks, _ := message["blocks"].([]any)
	attachments, _ := message["attachments"].([]any)
	return strings.TrimSpace(text) != "" || len(blocks) > 0 || len(attachments) > 0
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// fit makes a message obey Slack's limits by cutting texts and dropping excess items,
// never by cutting JSON.
func fit(message object) {
	fitBlocks(message)
	attachments, _ := message["attachments"].([]any)
	for _, a := range attachments {
		if attachment, ok := a.(object); ok {
			fitBlocks(attachment)
		}
	}
}

// fitBlocks cuts the blocks of a message or of an attachment.
func fitBlocks(holder object) {
	blocks, ok := holder["blocks"].([]any)
	if !ok {
		return
	}
	var kept []any
	for _, b := range blocks {
		if block, ok := b.(object); !ok || fitBlock(block) {
			kept = append(kept, b)
		}
	}
	if extra := len(kept) - maxBlocks; extra > 0 {
		kept = append(kept[:maxBlocks-1], object{"type": "context", "elements": []any{
			object{"type": "plain_text", "text": fmt.Sprintf("%d more blocks do not fit into a message.", extra+1)},
		}})
	}
	holder["blocks"] = kept
}

// fitBlock cuts one block and reports whether any of it remains.
func fitBlock(block object) bool {
	switch block["type"] {
	case "header":
		fitText(block["text"], maxHeader)
	case "section":
		return fitSection(block)
	case "actions":
		return fitElements(block, maxElements)
	case "context":
		return fitElements(block, maxContext)
	case "image":
		return addressed(block, "image_url")
	}
	return true
}

func fitSection(block object) bool {
	fitText(block["text"], maxText)
	if accessory, has := block["accessory"]; has && !fitElement(accessory) {
		delete(block, "accessory")
	}
	fields, _ := block["fields"].([]any)
	for _, f := range fields {
		fitText(f, maxField)
	}
	if len(fields) == 0 {
		delete(block, "fields")
		return block["text"] != nil
	}
	block["fields"] = fields[:min(len(fields), maxFields)]
	return true
}

// fitElements cuts the elements of a block and reports whether any remain.
func fitElements(block object, limit int) bool {
	elements, _ := block["elements"].([]any)
	elements = slices.DeleteFunc(elements, func(e any) bool { return !fitElement(e) })
	block["elements"] = elements[:min(len(elements), limit)]
	return len(elements) > 0
}

// fitElement cuts a button, an image or a text and reports whether Slack accepts it.
func fitElement(v any) bool {
	element, ok := v.(object)
	switch element["type"] {
	case "button":
		fitText(element["text"], maxButton)
		return addressed(element, "url")
	case "image":
		return addressed(element, "image_url")
	default:
		fitText(element, maxText)
		return ok
	}
}

// addressed reports whether the address of an element, if it has the key, is usable:
// not empty, which Slack refuses, and not too long. Because Slack takes addresses
// literally, it also undoes the escaping of {{url}} in a template.
func addressed(element object, key string) bool {
	address, has := element[key]
	text, isText := address.(string)
	if isText {
		element[key] = unescape.Replace(text)
	}
	return !has || text != "" && len(text) <= maxText
}

var unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

// fitText cuts a text object and replaces an empty text, which Slack refuses.
func fitText(v any, limit int) {
	object, ok := v.(object)
	if !ok {
		return
	}
	text, ok := object["text"].(string)
	if !ok {
		return
	}
	if strings.TrimSpace(text) == "" {
		object["text"] = "-"
		return
	}
	if object["type"] == "plain_text" {
		object["text"] = template.CutEnd(text, limit, template.Units)
		return
	}
	object["text"] = cutMarkup(text, limit)
}

const fence = "```"

// cutMarkup cuts markup without splitting an entity or leaving a code block or link open.
func cutMarkup(text string, limit int) string {
	cut := template.CutEnd(text, limit, template.Units)
	if cut == text {
		return text
	}
	cut = template.CutEnd(text, limit-len(fence), template.Units)
	body := strings.TrimSuffix(cut, "…")
	if at := strings.LastIndexByte(body, '&'); at >= 0 && len(body)-at < len("&amp;") && !strings.Contains(body[at:], ";") {
		body = body[:at]
	}
	// Part of a fence may be left at the end; the count below closes an open code block.
	body = strings.TrimRight(body, "`")
	at := strings.LastIndexByte(body, '<')
	switch {
	case strings.Count(body, fence)%2 == 1:
		return body + "…" + fence
	case at < 0, strings.Contains(body[at:], ">"):
		return body + "…"
	case strings.Contains(body[at:], "|"):
		return body + "…>"
	default: // part of an address is useless
		return body[:at] + "…"
	}
}
