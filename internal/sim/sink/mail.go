package sink

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"
)

// Mail is one accepted mail, decoded.
type Mail struct {
	At time.Time
	// From and Recipients are of the envelope.
	From       string
	Recipients []string
	// User is the authenticated user, "" for none.
	User string
	TLS  bool
	Raw  []byte
	// Header is as sent; Subject, Sender and To are decoded.
	Header      mail.Header
	Subject     string
	Sender      *mail.Address
	To          []*mail.Address
	Text        string
	HTML        string
	Attachments []Attachment
}

// Attachment is a file in a mail.
type Attachment struct {
	Name        string
	ContentType string
	Data        []byte
}

// Mentions reports whether a text, such as an execution ID, is in the subject or a body.
func (m Mail) Mentions(marker string) bool {
	return strings.Contains(m.Subject, marker) || strings.Contains(m.Text, marker) || strings.Contains(m.HTML, marker)
}

// maxParts bounds the parts of a mail, and maxNesting their depth.
const (
	maxParts   = 100
	maxNesting = 10
)

// parseMail decodes a mail. A mail that a mail program would show wrongly is an error.
func parseMail(raw []byte) (Mail, error) {
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Mail{}, fmt.Errorf("read mail header: %w", err)
	}
	m := Mail{Raw: raw, Header: message.Header}
	var decoder mime.WordDecoder
	if m.Subject, err = decoder.DecodeHeader(message.Header.Get("Subject")); err != nil {
		return Mail{}, fmt.Errorf("decode subject: %w", err)
	}
	if m.Sender, err = mail.ParseAddress(message.Header.Get("From")); err != nil {
		return Mail{}, fmt.Errorf("parse sender: %w", err)
	}
	if message.Header.Get("To") != "" {
		if m.To, err = message.Header.AddressList("To"); err != nil {
			return Mail{}, fmt.Errorf("parse recipients: %w", err)
		}
	}
	parts := maxParts
	if err := m.addPart(textproto.MIMEHeader(message.Header), message.Body, maxNesting, &parts); err != nil {
		return Mail{}, err
	}
	return m, nil
}

func (m *Mail) addPart(header textproto.MIMEHeader, body io.Reader, depth int, left *int) error {
	if *left--; *left < 0 || depth < 0 {
		return errors.New("too many parts")
	}
	media, params, err := mediaType(header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(media, "multipart/") {
		return m.addParts(multipart.NewReader(body, params["boundary"]), depth, left)
	}
	data, err := io.ReadAll(decoded(header.Get("Content-Transfer-Encoding"), body))
	if err != nil {
		return fmt.Errorf("decode %s part: %w", media, err)
	}
	disposition, fileParams, _ := mime.ParseMediaType(header.Get("Content-Disposition")) // absent or malformed means inline
	switch {
	case disposition == "attachment":
		m.Attachments = append(m.Attachments, Attachment{Name: fileParams["filename"], ContentType: media, Data: data})
		return nil
	case !utf8.Valid(data):
		return fmt.Errorf("the %s part is not UTF-8", media)
	case media == "text/html":
		m.HTML += string(data)
	case strings.HasPrefix(media, "text/"):
		m.Text += string(data)
	}
	return nil
}

func (m *Mail) addParts(parts *multipart.Reader, depth int, left *int) error {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		if err := m.addPart(part.Header, part, depth-1, left); err != nil {
			return err
		}
	}
}

func mediaType(header string) (media string, params map[string]string, err error) {
	if header == "" {
		return "text/plain", nil, nil
	}
	media, params, err = mime.ParseMediaType(header)
	if err != nil {
		return "", nil, fmt.Errorf("parse content type: %w", err)
	}
	return media, params, nil
}

func decoded(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	default:
		return body
	}
}
