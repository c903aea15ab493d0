package destinationtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/template"
)

// Deps returns what the program gives every destination, for a test: the real
// HTTP client, an MQTT broker out of reach, sample links, a fixed time zone two
// hours east of UTC, and an empty directory that relative paths start from. The
// log is discarded.
func Deps(tb testing.TB) destination.Deps {
	tb.Helper()
	return destination.Deps{
		Log:  zap.NewNop(),
		HTTP: httpc.New,
		MQTT: func() (destination.Publisher, error) { return unreachable{}, nil },
		Links: template.Links{
			QMC: "https://sense.example.com/qmc", Hub: "https://sense.example.com/hub",
			AppBaseURL: "https://sense.example.com/sense/app",
			Generic: []template.GenericURL{
				{ID: "runbook", LinkText: "Runbook", Comment: "What to do at night", URL: "https://wiki.example.com/runbook"},
				{ID: "oncall", LinkText: "On call", Comment: "Who is on duty", URL: "https://wiki.example.com/oncall"},
			},
		},
		Location: time.FixedZone("CEST", 2*60*60),
		BaseDir:  tb.TempDir(),
	}
}

// BadTemplates counts the templates that what is built with d cannot use.
func BadTemplates(d *destination.Deps) *int {
	count := new(int)
	d.BadTemplates = func(string) func() { return func() { *count++ } }
	return count
}

// unreachable is an MQTT broker that is not there.
type unreachable struct{}

func (unreachable) Publish(context.Context, string, []byte) error {
	return errors.New("not connected to the MQTT broker")
}
