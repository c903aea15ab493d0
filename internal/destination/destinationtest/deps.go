package destinationtest

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/template"
)

// Deps returns what the program gives every destination, for a test: the real
// HTTP client, sample links, a fixed time zone two hours east of UTC, and an
// empty directory that relative paths start from. The log is discarded.
func Deps(tb testing.TB) destination.Deps {
	tb.Helper()
	return destination.Deps{
		Log:  zap.NewNop(),
		HTTP: httpc.New,
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
