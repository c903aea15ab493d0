package tryout

import (
	"strings"

	"go.uber.org/zap"

	"butler/internal/destination"
)

// Unfit is an instance with a template that cannot be used.
type Unfit struct {
	Instance destination.Instance
	// Why names the file and the problem.
	Why string
}

// Misfits lists the instances whose configured template fails for a sample of one of
// their alert kinds. It renders the samples, because some problems are only found that
// way. It sends nothing and opens no connection.
func Misfits(site Site) []Unfit {
	var out []Unfit
	for _, d := range site.Definitions {
		var warnings []string
		built, _ := d.Build(site.Section, site.Deps(zap.New(problems{&warnings}))) // errors of Build are reported elsewhere
		for _, b := range built {
			warnings = nil
			if why := misfit(b, &warnings); why != "" {
				out = append(out, Unfit{b.Instance, why})
			}
		}
	}
	return out
}

// misfit returns why the template of an instance cannot be used, "" if it can. warnings
// receives those of the destination.
func misfit(b destination.Built, warnings *[]string) string {
	shown, ok := b.Destination.(destination.Previewer)
	if _, templated := b.Destination.(destination.Templated); !ok || !templated {
		return ""
	}
	for _, kind := range b.Instance.Kinds {
		n, err := PreviewOptions{Kind: kind}.notice(b, &Preview{})
		if err != nil {
			continue
		}
		_, _ = shown.Preview(n) // only its warnings matter
		for _, line := range *warnings {
			if what, why, found := strings.Cut(line, ": "); found && strings.HasPrefix(what, "template cannot be used") {
				return why
			}
		}
	}
	return ""
}
