package template_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"butler/internal/samples"
	"butler/internal/template"
	"butler/messages"
)

// letter is a typical template: it has escaped and raw fields, a condition, a list, and a
// script log.
const letter = `<h1>{{taskName}} failed</h1><p>App {{appName}} of {{appOwnerName}}, run {{executionId}}</p>
{{#if scriptLogTailCount}}<pre>{{{scriptLogTail}}}</pre>{{/if}}<ul>{{#each taskTags}}<li>{{this}}</li>{{/each}}</ul>`

// BenchmarkRender is a failed reload through a template, from its fields to the text.
func BenchmarkRender(b *testing.B) {
	set := template.NewSet(template.HTML, fstest.MapFS{"letter.handlebars": &fstest.MapFile{Data: []byte(letter)}})
	notice := messages.Notice{Alert: samples.Complete(messages.ReloadTaskFailed)}
	b.ReportAllocs()
	for b.Loop() {
		out, err := set.Render(template.Source{Builtin: "letter"}, template.Fields(notice, template.FieldOptions{}))
		if err != nil || !strings.Contains(out.Text, "failed</h1>") {
			b.Fatal(err)
		}
	}
}
