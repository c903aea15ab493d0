// Package cloudevent owns what an event of Qlik Cloud says: the JSON form of
// com.qlik.v1.app.reload.finished, its checks, and the signature of a webhook.
//
// It guarantees that no payload makes it panic, that an event which it returns
// is of the tenant that was asked for, and that everything of it that becomes
// part of a path or an address has a strict form: the app is a GUID, the reload
// letters and digits, the time ISO. Texts are one line of bounded length.
//
// It is pure: it must never read a clock, call anybody or decide who is told.
package cloudevent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"butler/internal/jsonshape"
	"butler/internal/qlik"
	"butler/internal/text"
	"butler/messages"
)

// Type is the one type of event that is acted upon.
const Type = "com.qlik.v1.app.reload.finished"

// MaxSize is the largest event that is read.
const MaxSize = 256 << 10

// Bounds of texts, in characters.
const (
	maxName       = 500
	maxStatements = 4000
)

// document is the part of an event that is used. What only informs may be of any
// form: a surprise in it costs a detail, never the alert.
type document struct {
	EventType        string `json:"eventType"`
	EventTypeVersion loose  `json:"eventTypeVersion"`
	EventTime        string `json:"eventTime"`
	Source           loose  `json:"source"`
	Extensions       struct {
		TenantID           string `json:"tenantId"`
		OwnerID            loose  `json:"ownerId"`
		UserID             loose  `json:"userId"`
		TopLevelResourceID string `json:"topLevelResourceId"`
	} `json:"extensions"`
	Data reload `json:"data"`
}

// reload is the member data.
type reload struct {
	Status   string `json:"status"`
	ReloadID string `json:"reloadId"`

	Name                      loose    `json:"name"`
	Duration                  loose    `json:"duration"`
	Statements                loose    `json:"statements"`
	EndedWithMemoryConstraint loose    `json:"endedWithMemoryConstraint"`
	IsDirectQueryMode         loose    `json:"isDirectQueryMode"`
	IsPartialReload           loose    `json:"isPartialReload"`
	IsSessionApp              loose    `json:"isSessionApp"`
	IsSkipStore               loose    `json:"isSkipStore"`
	PeakMemoryBytes           loose    `json:"peakMemoryBytes"`
	RowLimit                  loose    `json:"rowLimit"`
	Size                      looseMap `json:"size"`
}

// Parse reads an event. A refusal says why it is none of the tenant's; ignored
// says why an event that is whole needs no attention.
func Parse(payload []byte, tenantID string) (event messages.CloudEvent, ignored string, refusal error) {
	if len(payload) > MaxSize {
		return event, "", fmt.Errorf("the event has %d bytes, more than %d", len(payload), MaxSize)
	}
	var d document
	err := json.Unmarshal(bytes.TrimPrefix(payload, []byte("\uFEFF")), &d)
	odd, whole, mistyped := jsonshape.Mismatch(err)
	switch {
	case err != nil && !mistyped:
		return event, "", fmt.Errorf("the event is not JSON: %s", text.Line(err.Error(), maxName))
	case whole:
		return event, "", errors.New("the event has " + odd)
	case d.EventType != Type: // whatever else is in it
		return event, fmt.Sprintf("it is of type %q", text.Line(d.EventType, 100)), nil
	case mistyped:
		return event, "", errors.New("the event has " + odd)
	}
	if err := d.check(tenantID); err != nil {
		return event, "", err
	}
	if d.Data.Status != "error" {
		return event, fmt.Sprintf("the reload did not fail, its status is %q", text.Line(d.Data.Status, 100)), nil
	}
	return d.event(), "", nil
}

// identifier is what a reload, a user and a tenant are called by.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (d *document) check(tenantID string) error {
	switch {
	case d.Extensions.TenantID != tenantID:
		return fmt.Errorf("the event is of the tenant %q, not of the one that is configured", text.Line(d.Extensions.TenantID, 100))
	case !qlik.IsGUID(d.Extensions.TopLevelResourceID):
		return fmt.Errorf("extensions.topLevelResourceId, the app, is no GUID: %q", text.Line(d.Extensions.TopLevelResourceID, 100))
	case !identifier.MatchString(d.Data.ReloadID):
		return fmt.Errorf("data.reloadId is not made of letters, digits, _ and -: %q", text.Line(d.Data.ReloadID, 100))
	}
	if _, err := time.Parse(time.RFC3339Nano, d.EventTime); err != nil {
		return fmt.Errorf("eventTime is no ISO time: %q", text.Line(d.EventTime, 100))
	}
	return nil
}

func (d *document) event() messages.CloudEvent {
	r := &d.Data
	at, _ := time.Parse(time.RFC3339Nano, d.EventTime) // checked
	return messages.CloudEvent{
		AppID: d.Extensions.TopLevelResourceID, AppName: r.Name.text(maxName), OwnerID: idOrNone(d.Extensions.OwnerID),
		Reload: messages.CloudReload{
			TenantID: d.Extensions.TenantID, UserID: idOrNone(d.Extensions.UserID), ReloadID: r.ReloadID,
			Source: d.Source.text(maxName), EventType: Type, EventTypeVersion: d.EventTypeVersion.text(100),
			EventTime: at.UTC().Format(time.RFC3339Nano), Status: r.Status,
			UsageDuration: r.Duration.text(100), Statements: r.Statements.text(maxStatements),
			EndedWithMemoryConstraint: r.EndedWithMemoryConstraint.truth(), DirectQueryMode: r.IsDirectQueryMode.truth(),
			PartialReload: r.IsPartialReload.truth(), SessionApp: r.IsSessionApp.truth(), SkipStore: r.IsSkipStore.truth(),
			PeakMemoryBytes: r.PeakMemoryBytes.number(), SizeMemoryBytes: r.Size["memory"].number(), RowLimit: r.RowLimit.number(),
		},
	}
}

// idOrNone returns an ID that can be asked for, or "".
func idOrNone(l loose) string {
	if id := l.text(maxName); identifier.MatchString(id) {
		return id
	}
	return ""
}

// loose is a member of any form.
type loose json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(raw []byte) error {
	*l = bytes.Clone(raw)
	return nil
}

// text returns a text as it is, and anything else but an empty list as JSON.
func (l loose) text(limit int) string {
	var s string
	switch {
	case len(l) == 0, string(l) == "null", string(l) == "[]":
		return ""
	case json.Unmarshal(l, &s) == nil:
		return text.Line(s, limit)
	}
	return text.Line(string(l), limit)
}

func (l loose) truth() bool { return strings.Trim(string(l), `"`) == "true" }

// number returns a whole number, 0 for anything else.
func (l loose) number() int64 {
	var f float64
	const largest = 1 << 53
	if json.Unmarshal(l, &f) != nil || f < -largest || f > largest {
		return 0
	}
	return int64(f)
}

// looseMap is an object of any members; of any other form it is empty.
type looseMap map[string]loose

// UnmarshalJSON implements json.Unmarshaler.
func (m *looseMap) UnmarshalJSON(raw []byte) error {
	var members map[string]loose
	if json.Unmarshal(raw, &members) == nil {
		*m = members
	}
	return nil
}

// Signature is the header in which Qlik Cloud sends the signature of a webhook:
// the HMAC-SHA256 of the body under the secret of the webhook, in hexadecimal.
const Signature = "Qlik-Signature"

// Signed reports whether body was signed with secret. It takes the same time
// wherever a wrong signature differs from the right one.
func Signed(secret string, body []byte, signature string) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(signature)), "sha256="))
	if err != nil || secret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}
