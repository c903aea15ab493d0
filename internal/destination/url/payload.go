package url

import (
	"cmp"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/template"
	"butler/messages"
)

// message is the input of the library: one message within the limits of its service.
type message struct {
	title, text string
	params      types.Params
}

// message returns the message of a notice. A template that cannot be rendered is replaced
// by the built-in text.
func (s *sender) message(n messages.Notice) message {
	fields := template.Fields(n, s.fields)
	s.provider.prepare(fields)
	render := func(what string, r template.Renderer, fallback string) string {
		text, err := r.Render(fields)
		if err == nil {
			return text
		}
		s.badTemplate()
		s.log.Warn("template cannot be used, sending the built-in text",
			logx.Destination(n.Instance), logx.NoticeID(n.ID), logx.Err(err), zap.String("key", what))
		return fallback
	}
	heading, plain, _ := strings.Cut(template.PlainText(fields), "\n\n")
	m := message{title: cmp.Or(render("title", s.layout.title, heading), heading), text: plain, params: types.Params{}}
	if s.layout.text != nil {
		m.text = withNotes(fields, render("message", s.layout.text, plain))
	}
	for _, p := range s.layout.params {
		m.params[p.name] = render("params", p.value, "")
	}
	return s.provider.fit(m)
}

// withNotes puts the notes before the text of an operator's template.
func withNotes(fields map[string]any, text string) string {
	return strings.Join(append(template.Notes(fields), text), "\n\n")
}

// prepare cuts each text in fields to a quarter of the limit, so that no field displaces
// the others, removes carriage returns, and disables mentions if the service is a chat.
func (p provider) prepare(fields map[string]any) {
	for name, cut := range template.LongTexts {
		text, _ := fields[name].(string)
		fields[name] = cut(text, p.limit/4, p.weigh)
	}
	template.CutTexts(fields, p.limit/4, p.weigh)
	template.MapTexts(fields, func(s string) string {
		s = strings.ReplaceAll(s, "\r", "")
		if p.chat {
			s = withoutMentions(s)
		}
		return s
	})
}

// fit returns m within the limits of its service and with the forced parameters. If the
// service has no titles, the title becomes the first line of the text. It changes m.params.
func (p provider) fit(m message) message {
	m.text = strings.TrimSpace(m.text)
	if p.titleLimit > 0 {
		m.title = template.CutEnd(m.title, p.titleLimit, p.weigh)
		m.params[types.TitleKey] = m.title
	} else {
		m.text = strings.TrimSpace(m.title + "\n\n" + m.text)
	}
	m.text = template.CutEnd(cmp.Or(m.text, m.title), p.limit, p.weigh)
	for name, value := range p.forced {
		maps.DeleteFunc(m.params, func(other, _ string) bool { return strings.EqualFold(other, name) })
		m.params[name] = value
	}
	return m
}

var (
	mention = regexp.MustCompile(`(^|[^\pL\pN])@([\pL\pN*_])`)
	control = regexp.MustCompile(`<([!@#&/\pL])`)
)

// withoutMentions disables mentions of people and channels, and links with a text of their
// own, in a text from Qlik Sense, with an invisible character between the sign and the name.
func withoutMentions(s string) string {
	s = template.Unlinked(s)
	s = mention.ReplaceAllString(s, "$1@\u200b$2")
	return control.ReplaceAllString(s, "<\u200b$1")
}

// inBytes returns the size of a character for services that count UTF-8 bytes.
func inBytes(r rune) int { return utf8.RuneLen(r) }
