package cloud

import (
	"context"
	"io"
	"net/url"
	"strings"
	"time"

	"butler/internal/httpc"
	"butler/internal/qlik"
	"butler/internal/text"
	"butler/messages"
)

// ScriptLog returns the script log of a reload as the tenant has it. Of a very long
// one both ends are there: how the reload began, and why it failed.
func (c *Client) ScriptLog(ctx context.Context, appID, reloadID string) (string, error) {
	ends := func(answer io.Reader) ([]byte, error) { return httpc.ReadEnds(answer, maxScriptLog) }
	body, err := c.get(ctx, ends, nil, "apps", appID, "reloads", "logs", reloadID)
	return string(body), err
}

// Record returns what the tenant knows of a reload.
func (c *Client) Record(ctx context.Context, reloadID string) (messages.CloudRecord, error) {
	var d struct {
		Type         string `json:"type"`
		Status       string `json:"status"`
		ErrorCode    string `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
		Log          string `json:"log"`
		StartTime    string `json:"startTime"`
		EndTime      string `json:"endTime"`
	}
	if err := c.document(ctx, &d, nil, "reloads", reloadID); err != nil {
		return messages.CloudRecord{}, err
	}
	r := messages.CloudRecord{
		Trigger: text.Line(d.Type, maxStamp), Status: text.Line(d.Status, maxStamp), ErrorCode: text.Line(d.ErrorCode, maxName),
		ErrorMessage: text.Prose(d.ErrorMessage, maxDescription), Log: text.Prose(d.Log, maxDescription),
		Start: text.Line(d.StartTime, maxStamp), Stop: text.Line(d.EndTime, maxStamp),
	}
	start, began := qlik.ParseTime(r.Start)
	stop, ended := qlik.ParseTime(r.Stop)
	if began && ended && stop.After(start) {
		r.Duration = stop.Sub(start).Truncate(time.Second)
	}
	return r, nil
}

// App returns what the tenant knows of an app.
func (c *Client) App(ctx context.Context, appID string) (messages.CloudApp, error) {
	var d struct {
		Attributes struct {
			Description      string `json:"description"`
			HasSectionAccess bool   `json:"hasSectionAccess"`
			Published        bool   `json:"published"`
			PublishTime      string `json:"publishTime"`
			Thumbnail        string `json:"thumbnail"`
		} `json:"attributes"`
	}
	if err := c.document(ctx, &d, nil, "apps", appID); err != nil {
		return messages.CloudApp{}, err
	}
	a := d.Attributes
	return messages.CloudApp{
		Description: text.Prose(a.Description, maxDescription), PublishTime: text.Line(a.PublishTime, maxStamp),
		Thumbnail: text.Line(a.Thumbnail, maxName), Published: a.Published, SectionAccess: a.HasSectionAccess,
	}, nil
}

// Item returns the app as the catalogue has it. An app that is not there exactly
// once is not found.
func (c *Client) Item(ctx context.Context, appID string) (messages.CloudItem, error) {
	type item struct {
		ResourceID   string `json:"resourceId"`
		ResourceSize struct {
			AppFile float64 `json:"appFile"`
		} `json:"resourceSize"`
		Meta struct {
			Tags []struct {
				Name string `json:"name"`
			} `json:"tags"`
		} `json:"meta"`
	}
	var d struct {
		Data []item `json:"data"`
	}
	query := url.Values{"resourceType": {"app"}, "resourceId": {appID}, "noActions": {"true"}, "limit": {"100"}}
	if err := c.document(ctx, &d, query, "items"); err != nil {
		return messages.CloudItem{}, err
	}
	var match []item
	for _, i := range d.Data {
		if strings.EqualFold(i.ResourceID, appID) {
			match = append(match, i)
		}
	}
	if len(match) != 1 {
		return messages.CloudItem{}, &Error{kind: messages.FailureNotFound, text: c.base.Host + ": the catalogue does not have the app exactly once"}
	}
	const largest = 1 << 53
	out := messages.CloudItem{FileSize: int64(min(max(match[0].ResourceSize.AppFile, 0), largest))}
	for _, t := range match[0].Meta.Tags[:min(len(match[0].Meta.Tags), maxTags)] {
		out.Tags = append(out.Tags, text.Line(t.Name, maxName))
	}
	return out, nil
}

// User returns a user of the tenant.
func (c *Client) User(ctx context.Context, userID string) (messages.CloudUser, error) {
	var d struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Email   string `json:"email"`
		Picture string `json:"picture"`
	}
	if err := c.document(ctx, &d, nil, "users", userID); err != nil {
		return messages.CloudUser{}, err
	}
	return messages.CloudUser{
		ID: text.Line(d.ID, maxName), Name: text.Line(d.Name, maxName), Email: text.Line(d.Email, maxName), Picture: text.Line(d.Picture, maxDescription),
	}, nil
}
