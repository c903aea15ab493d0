package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"butler/api/web"
	"butler/internal/qlik"
	"butler/internal/starttask"
)

// Apps are the apps of the Qlik engine as the API sees them. An error that holds
// a Problem is told as that.
type Apps interface {
	// List returns the apps in the order of the engine.
	List(ctx context.Context) ([]App, error)
	// Dump describes an app; whoever gets the document closes it.
	Dump(ctx context.Context, appID string) (Document, error)
	// Reload returns when the app is open; the reload goes on without the caller.
	Reload(ctx context.Context, r AppReload) error
}

// App is an entry of the list of apps.
type App struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Document is JSON that is sent piece by piece.
type Document struct {
	io.ReadCloser
	Size int64
}

// AppReload asks for the reload of an app.
type AppReload struct {
	AppID string
	// Mode is that of the engine, 0 to 2.
	Mode    int
	Partial bool
	// OnSuccess and OnFailure are the IDs of the tasks that follow, in order.
	OnSuccess, OnFailure []string
	// Caller is the one on whose behalf these tasks are started.
	Caller starttask.Caller
}

func (r *rest) appList(*call) (int, any, error) {
	apps, err := r.opts.Apps.List(r.working())
	return http.StatusOK, append([]App{}, apps...), err
}

func (r *rest) appDump(c *call) (int, any, error) {
	document, err := r.opts.Apps.Dump(r.working(), c.parameters.get("appId"))
	return http.StatusOK, document, err
}

// appReload starts the reload of an app.
func (r *rest) appReload(c *call) (int, any, error) {
	reload, err := reloadOf(c)
	if err != nil {
		return 0, nil, err
	}
	reload.Caller = r.starting(c)
	reload.Caller.Way = starttask.ByReload
	err = r.opts.Apps.Reload(r.working(), reload)
	return http.StatusCreated, map[string]string{"appId": reload.AppID}, err
}

func reloadOf(c *call) (AppReload, error) {
	r := AppReload{AppID: c.parameters.get("appId")}
	body, err := c.object()
	if err != nil {
		return r, err
	}
	r.Mode = reloadMode(body)
	r.Partial, _ = body.flag("partialReload") // anything else is a full reload, as existing clients expect
	if r.OnSuccess, err = taskIDs(body, "startQSEoWTaskOnSuccess"); err != nil {
		return r, err
	}
	r.OnFailure, err = taskIDs(body, "startQSEoWTaskOnFailure")
	return r, err
}

// reloadMode returns the mode of a reload. Anything but 1 and 2 is 0, as existing
// clients expect.
func reloadMode(body values) int {
	switch mode, _ := body.number("reloadMode"); mode {
	case 1, 2:
		return int(mode)
	}
	return 0
}

// taskIDs returns a member that lists tasks; without one, or with null, there are none.
func taskIDs(body values, name string) ([]string, error) {
	if body.members[name] == nil {
		return nil, nil
	}
	ids, err := body.texts(name)
	if err != nil {
		return nil, err
	}
	if len(ids) > starttask.MaxSelectors {
		return nil, web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s/%s must NOT have more than %d items", body.where, name, starttask.MaxSelectors)
	}
	for i, id := range ids {
		if !qlik.IsGUID(id) {
			return nil, body.refuse(name+"/"+strconv.Itoa(i), "the ID of a task, a GUID")
		}
	}
	return ids, nil
}

// documentTimeout bounds the sending of a document. Each piece of it may take
// web.RequestTimeout.
const documentTimeout = 15 * time.Minute

// stream sends a document, and closes it.
func (c *call) stream(d Document) {
	web.SetJSONHead(c.ctx)
	c.ctx.SetBodyStream(&paced{ReadCloser: d, conn: c.ctx.Conn(), until: time.Now().Add(documentTimeout)}, int(d.Size))
}

// paced is a document that is being sent: it extends the write deadline of the
// connection with each piece, for as long as the client keeps reading.
type paced struct {
	io.ReadCloser
	conn  net.Conn
	until time.Time
}

func (p *paced) Read(b []byte) (int, error) {
	deadline := time.Now().Add(web.RequestTimeout)
	if p.until.Before(deadline) {
		deadline = p.until
	}
	if err := p.conn.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	return p.ReadCloser.Read(b)
}
