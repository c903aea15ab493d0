package operations

import (
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
	if d.Condition == messages.Delivering {
		return "up"
	}
	return "degraded"
}
