package influxdb

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	influxwrite "github.com/influxdata/influxdb-client-go/v2/api/write"

	"butler/internal/httpc"
	"butler/internal/secret"
)

// gzipFrom is the size in bytes above which a body is compressed.
const gzipFrom = 1000

// v2 writes to the /api/v2/write endpoint of versions 2 and 3. It uses the client
// library's blocking write, URLs and compression. Encoding and the classification of
// errors are not the library's, so that they are the same for all versions of the server.
type v2 struct {
	small, large api.WriteAPIBlocking
	client       *http.Client
	address      string
	org, bucket  string
	token        secret.String
	secrets      []string
}

func newV2(client *http.Client, address, org, bucket string, token secret.String) *v2 {
	w := &v2{client: client, address: address, org: org, bucket: bucket, token: token, secrets: []string{token.Reveal()}}
	service := influxhttp.NewService(address, "Token "+token.Reveal(), influxhttp.DefaultOptions().SetHTTPDoer(w))
	options := func(gzip bool) *influxwrite.Options {
		return influxwrite.DefaultOptions().SetPrecision(time.Nanosecond).SetUseGZip(gzip).SetMaxRetries(0)
	}
	w.small = api.NewWriteAPIBlocking(org, bucket, service, options(false))
	w.large = api.NewWriteAPIBlocking(org, bucket, service, options(true))
	return w
}

func (w *v2) write(ctx context.Context, lines []byte) error {
	through := w.small
	if len(lines) > gzipFrom {
		through = w.large
	}
	err := through.WriteRecord(ctx, strings.TrimSuffix(string(lines), "\n"))
	if failed, ok := errors.AsType[*influxhttp.Error](err); ok && failed.Err != nil {
		return failed.Err
	}
	return httpc.Redact(err, w.secrets...)
}

// Do implements the interface through which the client library makes requests.
// Answers are classified here, where headers and body are complete.
func (w *v2) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	answer, err := httpc.Send(w.client, req, w.secrets...)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: answer.Status, Header: answer.Header, Body: http.NoBody, Request: req}, nil
}
