package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"butler/messages"
)

// events are the texts that receivers tell the alerts apart by.
var events = map[messages.AlertKind]string{
	messages.ReloadTaskFailed:  "Qlik Sense reload failed",
	messages.ReloadTaskAborted: "Qlik Sense reload aborted",
}

// payload is the message, in the order of the documentation.
type payload struct {
	Event                 string   `json:"event"`
	HostName              string   `json:"hostName"`
	User                  string   `json:"user"`
	TaskName              string   `json:"taskName"`
	TaskID                string   `json:"taskId"`
	AppName               string   `json:"appName"`
	AppID                 string   `json:"appId"`
	AppOwnerName          *string  `json:"appOwnerName,omitempty"`
	AppOwnerUserDirectory *string  `json:"appOwnerUserDirectory,omitempty"`
	AppOwnerUserID        *string  `json:"appOwnerUserId,omitempty"`
	AppOwnerEmail         *string  `json:"appOwnerEmail,omitempty"`
	LogTimeStamp          string   `json:"logTimeStamp"`
	LogLevel              string   `json:"logLevel"`
	ExecutionID           string   `json:"executionId"`
	LogMessage            string   `json:"logMessage"`
	Degraded              []string `json:"degraded,omitempty"`
	SuppressedAlerts      int      `json:"suppressedAlerts,omitempty"`
	Test                  bool     `json:"test,omitempty"`
}

func payloadOf(n messages.Notice) payload {
	a, e := n.Alert, n.Alert.Event
	p := payload{
		Event: events[a.Kind], HostName: e.HostName, User: e.User,
		TaskName: e.TaskName, TaskID: e.TaskID, AppName: e.AppName, AppID: e.AppID,
		LogTimeStamp: e.LogTimestamp, LogLevel: e.LogLevel, ExecutionID: e.ExecutionID, LogMessage: e.LogMessage,
		Degraded: a.Degraded, SuppressedAlerts: n.SuppressedBefore, Test: a.Test,
	}
	if a.Kind == messages.ReloadTaskFailed {
		p.User = e.UserSingleBackslash()
	}
	if a.Owner.Known {
		email := a.Owner.Email()
		p.AppOwnerName, p.AppOwnerUserDirectory = &a.Owner.Name, &a.Owner.Directory
		p.AppOwnerUserID, p.AppOwnerEmail = &a.Owner.UserID, &email
	}
	return p
}

func (s *sender) request(ctx context.Context, n messages.Notice) (*http.Request, error) {
	target, body := *s.target, []byte(nil)
	if s.method == http.MethodGet {
		target.RawQuery = mergeQuery(target.RawQuery, payloadOf(n).query())
	} else {
		var err error
		if body, err = payloadOf(n).json(); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, s.method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Idempotency-Key", string(n.ID))
	return req, nil
}

// json returns the message as an object, with markup characters as they are.
func (p payload) json() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		return nil, fmt.Errorf("encode the message: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Servers refuse addresses beyond about 8,000 bytes, so every value of a query
// has a limit, in bytes as encoded. Together they stay below it.
const (
	maxQueryValue   = 400
	maxQueryMessage = 2000
)

// pair is one parameter of a query.
type pair struct{ name, value string }

func (p payload) query() []pair {
	out := []pair{
		{"event", p.Event},
		{"hostName", p.HostName},
		{"user", p.User},
		{"taskName", p.TaskName},
		{"taskId", p.TaskID},
		{"appName", p.AppName},
		{"appId", p.AppID},
	}
	for _, owner := range []struct {
		name  string
		value *string
	}{
		{"appOwnerName", p.AppOwnerName},
		{"appOwnerUserDirectory", p.AppOwnerUserDirectory},
		{"appOwnerUserId", p.AppOwnerUserID},
		{"appOwnerEmail", p.AppOwnerEmail},
	} {
		if owner.value != nil {
			out = append(out, pair{owner.name, *owner.value})
		}
	}
	out = append(out,
		pair{"logTimeStamp", p.LogTimeStamp},
		pair{"logLevel", p.LogLevel},
		pair{"executionId", p.ExecutionID},
		pair{"logMessage", p.LogMessage},
	)
	for _, what := range p.Degraded {
		out = append(out, pair{"degraded", what})
	}
	if p.SuppressedAlerts > 0 {
		out = append(out, pair{"suppressedAlerts", strconv.Itoa(p.SuppressedAlerts)})
	}
	if p.Test {
		out = append(out, pair{"test", "true"})
	}
	return out
}

// mergeQuery appends the pairs to an existing query, whose other parameters stay as they are.
func mergeQuery(existing string, pairs []pair) string {
	var out []string
	for _, kept := range strings.Split(existing, "&") {
		raw, _, _ := strings.Cut(kept, "=")
		given, err := url.QueryUnescape(raw)
		ours := err == nil && slices.ContainsFunc(pairs, func(p pair) bool { return p.name == given })
		if kept != "" && !ours {
			out = append(out, kept)
		}
	}
	for _, p := range pairs {
		limit := maxQueryValue
		if p.name == "logMessage" {
			limit = maxQueryMessage
		}
		out = append(out, p.name+"="+escape(p.value, limit))
	}
	return strings.Join(out, "&")
}

// escape encodes a value for a query and cuts it, between two characters, to limit bytes.
func escape(value string, limit int) string {
	var out strings.Builder
	for _, r := range value {
		encoded := url.QueryEscape(string(r))
		if out.Len()+len(encoded) > limit {
			break
		}
		out.WriteString(encoded)
	}
	return out.String()
}
