// Package cloudevent owns the events of Qlik Cloud: the JSON form of
// com.qlik.v1.app.reload.finished, its validation, and the signature of a webhook.
//
// It guarantees that no payload makes it panic, that a returned event belongs to the
// expected tenant, and that every part of it that is used in a path or an address has a
// strict form: the app is a GUID, the reload consists of letters, digits, _ and -, the
// time is ISO. Texts are one line of bounded length.
//
// It is pure: it must never read a clock, do I/O or decide who receives an alert.
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

// Type is the only type of event that is acted upon.
const Type = "com.qlik.v1.app.reload.finished"

// MaxSize is the maximum size of an event in bytes.
const MaxSize = 256 << 10

// Maximum lengths of texts, in characters.
const (
	maxName       = 500
	maxStatements = 4000
)

// document is the part of an event that is used. Members that are only informative may
// have any form: an unexpected one costs a detail, never the alert.
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

// reload is the member "data".
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

// Parse decodes and validates an event. refusal says why it is not a valid event of the
// tenant, ignored why a valid event needs no attention.
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
	case d.EventType != Type: // whatever else is wrong with it
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

// identifier matches the IDs of reloads, users and tenants.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (d *document) check(tenantID string) error {
	switch {
	case d.Extensions.TenantID != tenantID:
		return fmt.Errorf("the event is of the tenant %q, not of the one that is configured", text.Line(d.Extensions.TenantID, 100))
	case !qlik.IsGUID(d.Extensions.TopLevelResourceID):
		return fmt.Errorf("extensions.topLevelResourceId, the app, is not a GUID: %q", text.Line(d.Extensions.TopLevelResourceID, 100))
	case !identifier.MatchString(d.Data.ReloadID):
		return fmt.Errorf("data.reloadId is not made of letters, digits, _ and -: %q", text.Line(d.Data.ReloadID, 100))
	}
	if _, err := time.Parse(time.RFC3339Nano, d.EventTime); err != nil {
		return fmt.Errorf("eventTime is not an ISO time: %q", text.Line(d.EventTime, 100))
	}
	return nil
}

func (d *document) event() messages.CloudEvent {
	r := &d.Data
	at, _ := time.Parse(time.RFC3339Nano, d.EventTime) // check has parsed it before
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

// idOrNone returns an ID that is fit for a look-up, or "".
func idOrNone(l loose) string {
	if id := l.text(maxName); identifier.MatchString(id) {
		return id
	}
	return ""
}

// loose is a member that may have any form.
type loose json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(raw []byte) error {
	*l = bytes.Clone(raw)
	return nil
}

// text returns a string as it is, "" for null and an empty list, and anything else as JSON.
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

// number returns a number up to 2^53 without its fraction, and 0 for anything else.
func (l loose) number() int64 {
	var f float64
	const largest = 1 << 53
	if json.Unmarshal(l, &f) != nil || f < -largest || f > largest {
		return 0
	}
	return int64(f)
}

// looseMap is an object with any members; it is empty for any other form.
type looseMap map[string]loose

// UnmarshalJSON implements json.Unmarshaler.
func (m *looseMap) UnmarshalJSON(raw []byte) error {
	var members map[string]loose
	if json.Unmarshal(raw, &members) == nil {
		*m = members
	}
	return nil
}

// Signature is the header with the signature of a webhook: the HMAC-SHA256 of the body
// with the secret of the webhook as the key, in hexadecimal.
const Signature = "Qlik-Signature"

// Signed reports whether body was signed with secret. Its duration does not depend on
// where a wrong signature differs from the right one.
func Signed(secret string, body []byte, signature string) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(signature)), "sha256="))
	if err != nil || secret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}
