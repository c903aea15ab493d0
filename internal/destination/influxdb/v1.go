package influxdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/logx"
)

// v1 writes to the /write endpoint of version 1. It does not use the client library of
// version 2, which requires 1.8 or later, so that 1.6 and 1.7 are supported, too.
type v1 struct {
	client  *http.Client
	address string
	config  V1Config
	log     *zap.Logger
	// setup is the lock of ready. It is a channel, so that waiting for it ends with the context.
	setup chan struct{}
	// ready means that the database was checked or created.
	ready bool
}

func newV1(c Config, client *http.Client, log *zap.Logger) *v1 {
	return &v1{client: client, address: c.address(), config: c.V1Config, log: log, setup: make(chan struct{}, 1)}
}

func (w *v1) write(ctx context.Context, lines []byte) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	_, err := w.call(ctx, http.MethodPost, w.target(), lines)
	if kind, _ := destination.KindOf(err); kind == destination.MisconfiguredKind {
		// The database may have been dropped: check it again before the next write.
		w.forget(ctx)
	}
	return err
}

func (w *v1) target() string {
	return "/write?db=" + url.QueryEscape(w.config.DBName) + "&precision=n&rp="
}

func (w *v1) ask(ctx context.Context, method, target string) (httpc.Answer, error) {
	return w.call(ctx, method, target, nil)
}

// call makes one request, without repetition.
func (w *v1) call(ctx context.Context, method, target string, body []byte) (httpc.Answer, error) {
	req, err := w.request(ctx, method, target, body)
	if err != nil {
		return httpc.Answer{}, err
	}
	return httpc.Send(w.client, req)
}

// request returns a request, with the credentials in a header if they are enabled.
func (w *v1) request(ctx context.Context, method, target string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.address+target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if w.config.Auth.Enable {
		req.SetBasicAuth(w.config.Auth.Username, w.config.Auth.Password.Reveal())
	}
	return req, nil
}

// prepare creates the database, if it does not exist, before the first write. The error is
// retryable if the server does not answer, and a misconfiguration if its answer is not one
// of InfluxDB. A refusal is only logged: an account that may write may lack the right to
// list or create databases, and if it may not write either, the write itself fails.
func (w *v1) prepare(ctx context.Context) error {
	select {
	case w.setup <- struct{}{}:
		defer func() { <-w.setup }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.ready {
		return nil
	}
	err := w.createMissing(ctx)
	if refused, ok := errors.AsType[*refusalError](err); ok {
		w.log.Warn("database could not be checked or created, writing anyway", zap.String("database", w.config.DBName), logx.Err(refused))
		err = nil
	}
	w.ready = err == nil
	return err
}

func (w *v1) forget(ctx context.Context) {
	select {
	case w.setup <- struct{}{}:
		w.ready = false
		<-w.setup
	case <-ctx.Done():
	}
}

// refusalError reports that the server refused a statement.
type refusalError struct{ err error }

func (r *refusalError) Error() string { return r.err.Error() }

func (w *v1) createMissing(ctx context.Context) error {
	existing, err := w.databases(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(existing, w.config.DBName) {
		return nil
	}
	// One statement creates both, so that no other destination can write before the
	// policy is the default: its points would be in the wrong policy.
	policy := w.config.RetentionPolicy
	statement := "create database " + identifier(w.config.DBName) + " with duration " + policy.Duration + " replication 1 name " + identifier(policy.Name)
	if _, err := w.query(ctx, http.MethodPost, statement); err != nil {
		return err
	}
	w.log.Info("database created", zap.String("database", w.config.DBName), zap.String("retention", policy.Duration))
	return nil
}

// databases lists the names of the databases that are visible to the account.
func (w *v1) databases(ctx context.Context) ([]string, error) {
	return w.query(ctx, http.MethodGet, "show databases")
}

// queryAnswer is the used part of an answer of /query: the rows, or an error.
type queryAnswer struct {
	Results []struct {
		Error  string `json:"error"`
		Series []struct {
			Values [][]any `json:"values"`
		} `json:"series"`
	} `json:"results"`
}

// query runs one statement and returns the texts in the first column of its result. The
// error is a *refusalError for a refused request or statement, and for an answer that is
// too long; not for a truncated one.
func (w *v1) query(ctx context.Context, method, statement string) ([]string, error) {
	req, err := w.request(ctx, method, "/query?q="+url.QueryEscape(statement), nil)
	if err != nil {
		return nil, err
	}
	answer, err := httpc.Fetch(w.client, req)
	if err != nil {
		if kind, _ := destination.KindOf(err); kind == destination.MisconfiguredKind || kind == destination.PermanentKind {
			return nil, &refusalError{err: err}
		}
		return nil, err
	}
	var parsed queryAnswer
	if json.Unmarshal(answer, &parsed) != nil {
		return nil, destination.Misconfigured(fmt.Errorf(
			"%s answered %q with %q, which is not an answer of InfluxDB 1; check influxDb.hostIP, influxDb.hostPort and influxDb.version",
			w.address, firstWords(statement), httpc.Excerpt(string(answer), maxShown, w.config.Auth.Password.Reveal())))
	}
	var out []string
	for _, result := range parsed.Results {
		if result.Error != "" {
			return nil, &refusalError{err: fmt.Errorf("%s: %s", firstWords(statement), httpc.Excerpt(result.Error, maxShown, w.config.Auth.Password.Reveal()))}
		}
		for _, series := range result.Series {
			for _, row := range series.Values {
				if text, ok := firstColumn(row).(string); ok {
					out = append(out, text)
				}
			}
		}
	}
	return out, nil
}

func firstColumn(row []any) any {
	if len(row) == 0 {
		return nil
	}
	return row[0]
}

// maxShown bounds the excerpt of an answer in an error, in characters.
const maxShown = 200

// firstWords returns the first two words of a statement, for an error.
func firstWords(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(2, len(words))], " ")
}

// identifier returns a name as a quoted InfluxQL identifier.
func identifier(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
