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

// letter is a mail before it is put into its wire form.
type letter struct {
	// id is the notice's: the Message-ID follows from it.
	id       string
	from     mail.Address
	to       string
	priority string
	subject  string
	html     string
	plain    string
}

// A sender that is written more freely than RFC 5322 has it: any name, and an
// address in angle brackets.
var (
	freeSender = regexp.MustCompile(`^([^<>\pC]*)(<[^<>\s]+>)$`)
	comment    = regexp.MustCompile(`\([^()]*\)`)
)

// senderOf reads a fromAddress. Names that have to be in quotes, such as
// "Qlik Sense [PROD]", are fine without them: other mailers quote by themselves,
// and configurations that worked with one are full of such names.
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

// encode writes the mail in its wire form. The library encodes and folds every
// header; the texts of letter hold no line break that could become one.
func (l letter) encode(now time.Time) ([]byte, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	_, domain, _ := strings.Cut(l.from.Address, "@")
	m.SetMessageIDWithValue(l.id + "@" + domain)
	m.SetDateWithValue(now)
	m.FromMailAddress(&l.from)
	m.ToMailAddress(&mail.Address{Address: l.to})
	// A name that looks like an encoded word would be decoded by who reads the mail.
	m.Subject(strings.ReplaceAll(l.subject, "=?", "=\u200b?"))
	// Keeps out-of-office replies away from the sender's mailbox.
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

// boundary separates the parts. It is a hash of what it separates, so nobody can
// write a text that contains it.
func (l letter) boundary() string {
	sum := sha256.Sum256([]byte(l.id + "\x00" + l.plain + "\x00" + l.html))
	return hex.EncodeToString(sum[:24])
}

var bodyTag = regexp.MustCompile(`(?i)<body\b[^>]*>`)

// withNotes puts the notes at the top of a page that does not show them itself.
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
