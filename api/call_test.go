package api

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// requestOf makes a request.
func requestOf(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// answerOf sends a request and reads its whole answer.
func answerOf(t *testing.T, by *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := by.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}
