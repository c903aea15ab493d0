package destinationtest

import (
	"testing"

	"butler/internal/destination"
)

// Built builds what a YAML text configures, and returns it in its order. All of
// it has to work.
func Built(tb testing.TB, d destination.Definition, text string) []destination.Built {
	tb.Helper()
	built, err := d.Build(Decoder(text, d.Schema), Deps(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return built
}

// BuiltByName is Built by the names of the instances: "email/routes/night".
func BuiltByName(tb testing.TB, d destination.Definition, text string) map[string]destination.Built {
	tb.Helper()
	out := map[string]destination.Built{}
	for _, b := range Built(tb, d, text) {
		out[b.Instance.Name] = b
	}
	return out
}
