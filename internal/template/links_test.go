package template_test

import (
	"testing"

	"butler/internal/template"
	"butler/messages"
)

func TestAppURL_breaksNoMarkup(t *testing.T) {
	const guid = "8f1d1ecf-97a6-4eb5-8f47-f9156300b854"
	for id, want := range map[string]string{
		guid:                            "https://sense.example.com/app/" + guid,
		"x><!channel>":                  "https://sense.example.com/app/x%3E%3C%21channel%3E",
		"x|y)](https://e.com) \"@here'": "https://sense.example.com/app/x%7Cy%29%5D%28https%3A%2F%2Fe.com%29+%22%40here%27",
		"":                              "",
	} {
		if got := (template.Links{AppBaseURL: "https://sense.example.com/app"}).AppURL(messages.Alert{App: messages.App{ID: id}}); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}
