package teams

import (
	"butler/internal/destination/chat"
	"butler/internal/template"
)

// link is a button.
type link struct{ title, url string }

// adaptiveMessage wraps the elements of an Adaptive Card.
func adaptiveMessage(body ...any) object {
	return object{"type": "message", "attachments": []any{object{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil,
		"content": object{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.3", "body": body,
		},
	}}}
}

func heading(line string) object {
	return object{"type": "TextBlock", "size": "large", "weight": "bolder", "style": "heading", "wrap": true, "text": line}
}

// actionSet has a button for every link. tidy removes those without an address.
func actionSet(links []link) object {
	actions := make([]any, 0, len(links))
	for _, l := range links {
		actions = append(actions, object{"type": "Action.OpenUrl", "title": l.title, "url": l.url, "role": "button"})
	}
	return object{"type": "ActionSet", "spacing": "extraLarge", "separator": true, "actions": actions}
}

// connectorMessage is a card of the connectors' format before Adaptive Cards.
func connectorMessage(line string, links []link) object {
	var actions []any
	for _, l := range links {
		if l.url != "" {
			actions = append(actions, object{"@type": "OpenUri", "name": l.title, "targets": []any{object{"os": "default", "uri": l.url}}})
		}
	}
	card := object{
		"@type": "MessageCard", "@context": "https://schema.org/extensions", "themeColor": "0078D7", "summary": line, "title": line,
	}
	if len(actions) > 0 {
		card["potentialAction"] = actions
	}
	return card
}

// plainCard returns a card with all fields, made without a template.
func plainCard(fields map[string]any) object {
	all := template.CutEnd(template.PlainText(fields), maxPlain, template.Units)
	return adaptiveMessage(
		heading(template.Unlinked(template.CutEnd(chat.Headline(fields), maxNotes, template.Units))),
		object{"type": "RichTextBlock", "inlines": []any{object{"type": "TextRun", "fontType": "monospace", "text": all}}},
	)
}
