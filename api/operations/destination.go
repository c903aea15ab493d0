package operations

import (
	"strings"
	"time"

	"butler/messages"
)

// Destination is the delivery through one instance, a line of the list of destinations.
// It is the JSON form of a messages.DeliveryState.
type Destination struct {
	Instance    string                     `json:"destination"`
	Integration string                     `json:"integration"`
	Path        string                     `json:"key,omitempty"`
	Condition   messages.DeliveryCondition `json:"condition"`
	Until       time.Time                  `json:"until,omitzero"`
	Queued      int                        `json:"queued"`
	Retrying    int                        `json:"retrying"`
	Attempts    int                        `json:"attempts"`
	Parked      int                        `json:"parked"`
	Oldest      time.Time                  `json:"oldest,omitzero"`
	LastSuccess time.Time                  `json:"lastSuccess,omitzero"`
	LastError   string                     `json:"lastError,omitempty"`
}

// urgency is higher for a destination that needs attention sooner.
func (d Destination) urgency() int {
	switch {
	case d.Condition != messages.Delivering:
		return 4
	case d.Retrying > 0:
		return 3
	case d.Parked > 0:
		return 2
	case d.Queued > 0:
		return 1
	}
	return 0
}

// Look is the style of the condition on a page.
func (d Destination) Look() string {
	if d.Condition == messages.Delivering && d.Retrying == 0 {
		return "up"
	}
	return "degraded"
}

// Words are the condition for people, with the time at which it is tried again.
func (d Destination) Words(moment func(time.Time) string) string {
	words := strings.ReplaceAll(string(d.Condition), "_", " ")
	switch {
	case d.Condition == messages.Delivering && d.Retrying > 0:
		words = "retrying"
	case d.Condition == messages.DeliveryBreakerOpen:
		words = "keeps failing"
	case d.Condition == messages.DeliveryMisconfigured:
		words = "refuses everything"
	}
	if d.Condition != messages.Delivering && !d.Until.IsZero() {
		words += ", next try " + moment(d.Until)
	}
	return words
}
