package influxdb

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
)

// oldServer is a server of version 1 that gives the same answer to every query and accepts
// every point.
type oldServer struct {
	answer         string
	creates, lines int
}

func (s *oldServer) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: req}
	switch {
	case req.URL.Path == "/write":
		s.lines++
		return answer, nil
	case strings.HasPrefix(req.URL.Query().Get("q"), "create database"):
		s.creates++
	}
	answer.StatusCode, answer.Body = http.StatusOK, io.NopCloser(strings.NewReader(s.answer))
	return answer, nil
}

// For any answer of a server to a query, the points are written or there is an error,
// whose text is one short line without the password.
func FuzzV1(f *testing.F) {
	f.Add(`{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["_internal"],["butler"]]}]}]}`)
	f.Fuzz(func(t *testing.T, answer string) {
		server := &oldServer{answer: answer}
		core, logs := observer.New(zap.InfoLevel)
		config := Config{HostIP: "localhost", V1Config: V1Config{DBName: "butler"}}
		config.V1Config.Auth.Enable, config.V1Config.Auth.Username, config.V1Config.Auth.Password = true, "joe", samplePassword
		w := newV1(config, &http.Client{Transport: server}, zap.New(core))
		err := w.write(t.Context(), []byte("m f=1"))
		if wrote := server.lines == 1; wrote != (err == nil) || server.creates > 1 {
			t.Errorf("%d writes and %d new databases with the error %v", server.lines, server.creates, err)
		}
		var told []string
		if err != nil {
			told = append(told, err.Error())
			if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind {
				t.Errorf("want an answer that is not understood told to the operator, got kind %d", kind)
			}
		}
		for _, entry := range logs.All() {
			for _, field := range entry.Context {
				if failed, ok := field.Interface.(error); ok {
					told = append(told, failed.Error())
				}
			}
		}
		for _, text := range told {
			isLine := !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) })
			if !utf8.ValidString(text) || len(text) > 2000 || !isLine || strings.Contains(text, samplePassword) {
				t.Errorf("want one short line without the password, got %q", text)
			}
		}
	})
}
