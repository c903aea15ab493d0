package tryout

import (
	"strings"

	"go.uber.org/zap"

	"butler/internal/destination"
)

// Unfit is an instance with a template that cannot be used.
type Unfit struct {
	Instance destination.Instance
	// Why names the file, and what is wrong with what it makes.
	Why string
}

// Misfits lists the instances whose configured template cannot be used for a sample of
// an alert that they carry: what it makes may be found out by making it only. It sends
// nothing and opens no connection.
func Misfits(site Site) []Unfit {
	var out []Unfit
	for _, d := range site.Definitions {
		var told []string
		built, _ := d.Build(site.Section, site.Deps(zap.New(problems{&told}))) // what cannot be built is told by others
		for _, b := range built {
			told = nil
			if why := misfit(b, &told); why != "" {
				out = append(out, Unfit{b.Instance, why})
			}
		}
	}
	return out
}

// misfit returns why the template of an instance cannot be used, "" where it can. told
// is what the destination warns of.
func misfit(b destination.Built, told *[]string) string {
	shown, ok := b.Destination.(destination.Previewer)
	if _, templated := b.Destination.(destination.Templated); !ok || !templated {
		return ""
	}
	for _, kind := range b.Instance.Kinds {
		n, err := PreviewOptions{Kind: kind}.notice(b, &Preview{})
		if err != nil {
			continue
		}
		_, _ = shown.Preview(n) // what was tried before it was told
		for _, line := range *told {
			if what, why, found := strings.Cut(line, ": "); found && strings.HasPrefix(what, "template cannot be used") {
				return why
			}
		}
	}
	return ""
}
