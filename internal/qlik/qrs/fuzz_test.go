package qrs

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"butler/internal/qlik"
	"butler/internal/qlik/identity"
)

// sameAnswer is a QRS that answers everything with the same.
type sameAnswer struct {
	status int
	body   string
}

func (a sameAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}

// questions are the calls that read an answer, each with what it found.
var questions = map[string]func(*testing.T, *Client) (any, error){
	"tasks":     func(t *testing.T, c *Client) (any, error) { return c.Tasks(t.Context(), idA, idB) },
	"apps":      func(t *testing.T, c *Client) (any, error) { return c.Apps(t.Context(), idA, idB) },
	"user":      func(t *testing.T, c *Client) (any, error) { return c.User(t.Context(), idA) },
	"execution": func(t *testing.T, c *Client) (any, error) { return c.Execution(t.Context(), idA, qlik.TaskReload) },
	"executions": func(t *testing.T, c *Client) (any, error) {
		return c.Executions(t.Context(), qlik.TaskReload, idA, idB)
	},
	"by tag":      func(t *testing.T, c *Client) (any, error) { return c.TasksByTag(t.Context(), "a") },
	"by property": func(t *testing.T, c *Client) (any, error) { return c.TasksByCustomProperty(t.Context(), "a", "b") },
	"properties":  func(t *testing.T, c *Client) (any, error) { return c.CustomPropertyDefinitions(t.Context(), "Task") },
	"property":    func(t *testing.T, c *Client) (any, error) { return c.CustomPropertyDefinition(t.Context(), "a") },
	"licence":     func(t *testing.T, c *Client) (any, error) { return c.License(t.Context()) },
	"access":      func(t *testing.T, c *Client) (any, error) { return c.AccessOverview(t.Context()) },
	"unused": func(t *testing.T, c *Client) (any, error) {
		return c.UnusedSince(t.Context(), Analyzer, time.Unix(0, 0))
	},
	"release":     func(t *testing.T, c *Client) (any, error) { return nil, c.Release(t.Context(), Analyzer, idA) },
	"account":     func(t *testing.T, c *Client) (any, error) { return c.Account(t.Context(), idA) },
	"system info": func(t *testing.T, c *Client) (any, error) { return c.SystemInfo(t.Context()) },
	"look":        func(t *testing.T, c *Client) (any, error) { return c.Probe(t.Context()) },
	"count":       func(t *testing.T, c *Client) (any, error) { return c.Count(t.Context(), "task") },
	"named":       func(t *testing.T, c *Client) (any, error) { return c.Named(t.Context(), "tag", "Finance", idA) },
	"start":       func(t *testing.T, c *Client) (any, error) { return nil, c.StartTask(t.Context(), idA) },
	"ticket of a file": func(t *testing.T, c *Client) (any, error) {
		ticket, err := c.ScriptLogTicketByFile(t.Context(), idA, idB)
		checkTicket(t, ticket, err)
		return ticket, err
	},
	"ticket of a result": func(t *testing.T, c *Client) (any, error) {
		ticket, err := c.ScriptLogTicketByResult(t.Context(), idA, idB)
		checkTicket(t, ticket, err)
		return ticket, err
	},
}

// A ticket becomes a part of a path.
func checkTicket(t *testing.T, ticket string, err error) {
	t.Helper()
	if err == nil && escape(ticket, "-._~") != ticket {
		t.Errorf("the ticket %q is more than one part of a path", ticket)
	}
}

// Whatever the QRS answers, every call gives bounded, clean text in lists of
// bounded length, or an error of one line that shows no header.
func FuzzClient(f *testing.F) {
	for _, name := range []string{"task_full.json", "app_full.json", "user.json", "reloadtask.json"} {
		f.Add(http.StatusOK, string(sample(f, name)))
	}
	c, err := New(Options{BaseURL: "http://qrs/qrs/", RetryWait: time.Nanosecond, Headers: identity.Headers{{Name: "X-Qlik-User", Value: userHeader}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + (status%400+400)%400
		c.http.Transport = sameAnswer{status, body}
		for name, ask := range questions {
			found, err := ask(t, c)
			checkText(t, errorText(t, name, err), 4000, false)
			if err == nil {
				checkValue(t, name, reflect.ValueOf(found))
			}
		}
		if text, err := c.DownloadScriptLog(t.Context(), "ticket"); err == nil && !utf8.ValidString(text) {
			t.Errorf("a script log that is no UTF-8: %q", text)
		}
	})
}

func errorText(t *testing.T, name string, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*Error](err); !ok || strings.Contains(err.Error(), userHeader) {
		t.Errorf("%s: want an *Error without the header, got %T: %v", name, err, err)
	}
	return err.Error()
}

// checkValue walks through everything that a call found.
func checkValue(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch kind := v.Kind(); {
	case kind == reflect.String:
		checkText(t, v.String(), maxKeyDetails, true)
	case kind == reflect.Slice:
		if v.Len() > maxListLength {
			t.Errorf("%s: a list of %d", name, v.Len())
		}
		for i := range v.Len() {
			checkValue(t, name, v.Index(i))
		}
	case kind == reflect.Map:
		for at := v.MapRange(); at.Next(); {
			checkValue(t, name, at.Key())
			checkValue(t, name, at.Value())
		}
	case kind == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			checkValue(t, name, v.Field(i))
		}
	}
}
