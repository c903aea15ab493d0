package influxdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/text"
)

// Probe implements destination.Prober. It writes a body without points, which changes
// nothing but is refused like any other if the credentials, the database or the bucket
// are wrong.
func (s *store) Probe() destination.Probe {
	return destination.Probe{
		Key: name + " " + s.writer.target(),
		Run: func(ctx context.Context) (destination.ProbeResult, error) { return probe(ctx, s.writer) },
	}
}

var _ destination.Prober = (*store)(nil)

func probe(ctx context.Context, w writer) (destination.ProbeResult, error) {
	answer, err := w.ask(ctx, http.MethodGet, "/ping")
	if err != nil {
		return destination.ProbeResult{}, err
	}
	reported := answer.Header.Get("X-Influxdb-Version")
	version := text.Excerpt(cmp.Or(reported, "of unknown version"), maxVersion)
	seen := destination.ProbeResult{Detail: "InfluxDB " + version + " accepts points"}
	if reported == "" {
		seen.Warning, seen.Remedy = "does not report its version, as every InfluxDB does", "check whether influxDb.hostIP and influxDb.hostPort are those of the database"
	}
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		seen.Clock = date
	}
	old, isV1 := w.(*v1)
	if isV1 {
		// The same query precedes the first write, which is made if it is answered or refused.
		_, err := old.databases(ctx)
		if _, refused := errors.AsType[*refusalError](err); err != nil && !refused {
			return destination.ProbeResult{}, err
		}
	}
	_, err = w.ask(ctx, http.MethodPost, w.target())
	status, answered := errors.AsType[*httpc.StatusError](err)
	switch {
	case err == nil:
	case answered && status.Code == http.StatusNotFound && isV1:
		seen.Detail = fmt.Sprintf("InfluxDB %s answers; the database is created before the first point", version)
	case answered && status.Code == http.StatusBadRequest:
		// Version 2 refuses the empty body, but only after it has checked everything else.
	default:
		return destination.ProbeResult{}, err
	}
	return seen, nil
}

// maxVersion bounds the shown version of a server, in characters.
const maxVersion = 40

func (w *v2) target() string {
	return "/api/v2/write?" + url.Values{"org": {w.org}, "bucket": {w.bucket}, "precision": {"ns"}}.Encode()
}

func (w *v2) ask(ctx context.Context, method, target string) (httpc.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.address+target, http.NoBody)
	if err != nil {
		return httpc.Answer{}, destination.Misconfigured(httpc.Redact(err, w.secrets...))
	}
	req.Header.Set("Authorization", "Token "+w.token.Reveal())
	return httpc.Send(w.client, req, w.secrets...)
}
