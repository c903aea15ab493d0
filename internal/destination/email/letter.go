package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"regexp"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"butler/internal/template/handlebars"
)

// letter is a mail before encoding.
type letter struct {
	// id is the notice ID, from which the Message-ID is made.
	id       string
	from     mail.Address
	to       string
	priority string
	subject  string
	html     string
	plain    string
}

// freeSender matches a sender in a laxer form than RFC 5322: any name, followed by an
// address in angle brackets.
var (
	freeSender = regexp.MustCompile(`^([^<>\pC]*)(<[^<>\s]+>)$`)
	comment    = regexp.MustCompile(`\([^()]*\)`)
)

// senderOf parses a fromAddress. Names that need quotes, such as "Qlik Sense [PROD]",
// are accepted without them: other mailers add the quotes, so configurations written
// for them are full of such names.
func senderOf(text string) (mail.Address, error) {
	strict, err := mail.ParseAddress(text)
	if err == nil {
		return *strict, nil
	}
	parts := freeSender.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return mail.Address{}, err
	}
	address, err := mail.ParseAddress(parts[2])
	if err != nil {
		return mail.Address{}, err
	}
	name := strings.Join(strings.Fields(comment.ReplaceAllString(parts[1], " ")), " ")
	return mail.Address{Name: strings.Trim(name, `"`), Address: address.Address}, nil
}

// encode returns the mail in its wire form. The library encodes and folds every
// header; the texts of a letter contain no line break that could begin another.
func (l letter) encode(now time.Time) ([]byte, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	_, domain, _ := strings.Cut(l.from.Address, "@")
	m.SetMessageIDWithValue(l.id + "@" + domain)
	m.SetDateWithValue(now)
	m.FromMailAddress(&l.from)
	m.ToMailAddress(&mail.Address{Address: l.to})
	// Mail programs would decode a name that looks like an encoded word.
	m.Subject(strings.ReplaceAll(l.subject, "=?", "=\u200b?"))
	// Keeps out-of-office replies out of the sender's mailbox.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	switch l.priority {
	case "high":
		m.SetGenHeader("X-Priority", "1 (Highest)")
		m.SetGenHeader("X-MSMail-Priority", "High")
		m.SetGenHeader("Importance", "High")
	case "low":
		m.SetGenHeader("X-Priority", "5 (Lowest)")
		m.SetGenHeader("X-MSMail-Priority", "Low")
		m.SetGenHeader("Importance", "Low")
	}
	m.SetBoundary(l.boundary())
	m.SetBodyString(gomail.TypeTextPlain, l.plain)
	if l.html != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, l.html)
	}
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// boundary separates the parts. It is a hash of their content, so no text can be
// written that contains it.
func (l letter) boundary() string {
	sum := sha256.Sum256([]byte(l.id + "\x00" + l.plain + "\x00" + l.html))
	return hex.EncodeToString(sum[:24])
}

var bodyTag = regexp.MustCompile(`(?i)<body\b[^>]*>`)

// withNotes inserts the notes at the top of a page, unless the page shows them itself.
func withNotes(page string, notes []string) string {
	var banner strings.Builder
	for _, note := range notes {
		if text := handlebars.EscapeHTML(note); !strings.Contains(page, text) {
			banner.WriteString(`<p style="margin:0 0 8px;padding:12px 16px;border-left:4px solid #b54708;background:#fef6e7;` +
				`font-family:Arial,sans-serif;font-size:14px;color:#5c2e00">` + text + "</p>\n")
		}
	}
	if banner.Len() == 0 {
		return page
	}
	at := 0
	if found := bodyTag.FindStringIndex(page); found != nil {
		at = found[1]
	}
	return page[:at] + "\n" + banner.String() + page[at:]
}
