package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"butler/api/operations"
	"butler/internal/app"
	"butler/internal/jsonshape"
	"butler/internal/neterr"
	"butler/internal/trail"
	"butler/internal/tryout"
	"butler/messages"
)

// remote is the service behind its operations server.
type remote struct {
	address string
	// meant is the configuration file of the service that is meant, "" for any.
	meant string
	// once guards the note that another service answers; it is required with meant.
	once *sync.Once
	// alone makes the answer of another service an error instead of a note.
	alone bool
}

// otherService is the error for a call that was answered by another service than the
// one that is meant.
type otherService struct{ error }

func isOther(err error) bool {
	_, other := errors.AsType[otherService](err)
	return other
}

// remoteTimeout bounds one call.
const remoteTimeout = 30 * time.Second

func (r remote) Parked(ctx context.Context, instance string, limit int) ([]operations.ParkedNotice, error) {
	var out []operations.ParkedNotice
	query := url.Values{"instance": {instance}, "limit": {strconv.Itoa(limit)}}
	err := r.call(ctx, http.MethodGet, "/admin/parked?"+query.Encode(), nil, &out)
	return out, err
}

func (r remote) Quarantine(ctx context.Context, limit int) ([]messages.QuarantinedDatagram, error) {
	var out []messages.QuarantinedDatagram
	err := r.call(ctx, http.MethodGet, "/admin/quarantine?limit="+strconv.Itoa(limit), nil, &out)
	return out, err
}

func (r remote) Alerts(ctx context.Context, execution string) (any, error) {
	var out []tryout.StoredAlert
	err := r.call(ctx, http.MethodGet, "/admin/alerts?"+url.Values{"execution": {execution}}.Encode(), nil, &out)
	return out, err
}

func (r remote) Explain(ctx context.Context, execution string) (trail.Story, error) {
	var out trail.Story
	err := r.call(ctx, http.MethodGet, "/admin/explain?"+url.Values{"execution": {execution}}.Encode(), nil, &out)
	return out, err
}

func (r remote) Latest(ctx context.Context, q trail.Query) ([]trail.Headline, error) {
	var out []trail.Headline
	err := r.call(ctx, http.MethodGet, "/admin/executions?"+operations.QueryValues(q).Encode(), nil, &out)
	return out, err
}

func (r remote) ReplayParked(ctx context.Context, instance string, ids []string) (int, error) {
	return r.change(ctx, "/admin/parked/replay", instance, ids)
}

func (r remote) DropParked(ctx context.Context, instance string, ids []string) (int, error) {
	return r.change(ctx, "/admin/parked/drop", instance, ids)
}

// Reload has the service read its configuration again. A refused configuration is a
// result, not an error.
func (r remote) Reload(ctx context.Context) (app.Reloaded, error) {
	var out app.Reloaded
	err := r.call(ctx, http.MethodPost, "/admin/config/reload", nil, &out)
	return out, err
}

// change makes as many calls as it takes to name all IDs. A change that is made in part
// ends none of the others.
func (r remote) change(ctx context.Context, path, instance string, ids []string) (count int, err error) {
	all := instance == "" && len(ids) == 0
	chunks := [][]string{nil}
	if len(ids) > 0 {
		chunks = slices.Collect(slices.Chunk(ids, operations.MaxIDs))
	}
	var failed []error
	for _, some := range chunks {
		var out struct{ Count int }
		err := r.call(ctx, http.MethodPost, path, map[string]any{"instance": instance, "ids": some, "all": all}, &out)
		count += out.Count
		failed = append(failed, err)
		if _, partly := errors.AsType[partlyDone](err); err != nil && !partly {
			break
		}
	}
	return count, errors.Join(failed...)
}

// partlyDone is the error for a change that was made for some of what it names.
type partlyDone struct{ error }

// call makes one call to the operations server. out may be filled in even when it
// returns an error: a change may have been made in part.
func (r remote) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set(operations.AdminHeader, "1")
	if r.meant != "" {
		req.Header.Set(operations.ConfigurationHeader, operations.EncodeConfiguration(r.meant))
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return unanswered{r.address, err}
	}
	defer resp.Body.Close()
	if other := operations.OtherConfiguration(resp.Header, r.meant); other != "" && r.alone && resp.StatusCode == http.StatusOK {
		return otherService{fmt.Errorf("another service answers at %s, with the configuration %s", r.address, shown(other))}
	}
	if resp.StatusCode == http.StatusOK {
		r.tellOther(os.Stderr, resp.Header)
	}
	var answer json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s answers %s and no JSON: is this the operations server of butler?", r.address, resp.Status)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnprocessableEntity {
		err := json.Unmarshal(answer, out)
		if odd, _, ok := jsonshape.Mismatch(err); ok {
			return fmt.Errorf("%s answers with %s: is this the operations server of butler, in this version?", r.address, odd)
		}
		return err
	}
	var told struct{ Error, Detail, Remedy string }
	_ = json.Unmarshal(answer, &told) // what cannot be read stays empty
	if told.Remedy == "" {
		return fmt.Errorf("%s answers %s, not as the operations server of butler does: is this its address?", r.address, resp.Status)
	}
	err = fmt.Errorf("%s: %s (%s)", shown(told.Error), shown(told.Detail), shown(told.Remedy))
	switch resp.StatusCode {
	case http.StatusConflict:
		_ = json.Unmarshal(answer, out)
		return partlyDone{err}
	case http.StatusPreconditionFailed:
		return otherService{err}
	}
	return err
}

// unanswered is the error for a call that the service did not answer.
type unanswered struct {
	address string
	err     error
}

func (u unanswered) Error() string { return cmp.Or(neterr.Reason(u.err, u.address), u.err.Error()) }

func (u unanswered) Unwrap() error { return u.err }

// tellOther notes, once, that the output is about another service than the one that
// is meant. A change is refused by that service itself.
func (r remote) tellOther(out io.Writer, answer http.Header) {
	if other := operations.OtherConfiguration(answer, r.meant); other != "" {
		r.once.Do(func() {
			fmt.Fprintf(out, "butler: at %s another service answers, with the configuration %s and not %s; the output is about that one\n",
				r.address, shown(other), shown(r.meant))
		})
	}
}
