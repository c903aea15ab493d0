package url

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
)

func deliver(t *testing.T, raw string, w *wire) error {
	t.Helper()
	_, err := w.sender(t, target(raw)).Deliver(t.Context(), sampleNotice(destinationtest.Complete))
	return err
}

func TestAttempt_makesOneRequestAndClassifiesItsAnswer(t *testing.T) {
	for scheme, row := range urls {
		for code, want := range map[int]destination.ErrorKind{
			400: destination.PermanentKind, 401: destination.MisconfiguredKind, 404: destination.MisconfiguredKind,
			429: destination.ThrottledKind, 500: destination.Transient, 503: destination.ThrottledKind,
		} {
			t.Run(fmt.Sprintf("%s %d", scheme, code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &wire{answer: answers(code, http.Header{"Retry-After": {"7"}}, "no")}
					started := time.Now()
					err := deliver(t, row.url, w)
					if kind, _ := destination.KindOf(err); err == nil || kind != want {
						t.Errorf("got kind %d: %v, want kind %d", kind, err, want)
					}
					if len(w.requests) != 1 {
						t.Errorf("want one request, got %d", len(w.requests))
					}
					if took := time.Since(started); took != 0 {
						t.Errorf("the library waited: %v", took)
					}
				})
			})
		}
	}
}

func TestAttempt_isTransientWithoutAnAnswer(t *testing.T) {
	for scheme, row := range urls {
		t.Run(scheme, func(t *testing.T) {
			for _, failure := range []error{io.ErrUnexpectedEOF, context.DeadlineExceeded, syscall.ECONNREFUSED} {
				synctest.Test(t, func(t *testing.T) {
					w := &wire{answer: func(*http.Request, string) (*http.Response, error) { return nil, failure }}
					started := time.Now()
					err := deliver(t, row.url, w)
					if kind, _ := destination.KindOf(err); err == nil || kind != destination.Transient || len(w.requests) != 1 {
						t.Errorf("%v: got kind %d after %d requests: %v", failure, kind, len(w.requests), err)
					}
					if took := time.Since(started); took != 0 {
						t.Errorf("%v: the library waited: %v", failure, took)
					}
				})
			}
		})
	}
}

func TestAttempt_hidesTheURLInErrors(t *testing.T) {
	long := regexp.MustCompile(`[A-Za-z0-9_]{9,}`)
	for scheme, row := range urls {
		for _, code := range []int{200, 400, 401} {
			t.Run(fmt.Sprintf("%s %d", scheme, code), func(t *testing.T) {
				w := &wire{answer: func(req *http.Request, body string) (*http.Response, error) {
					var headers strings.Builder
					_ = req.Header.Write(&headers)
					echo := fmt.Sprintf(`{"code":4711,"errcode":4711,"ok":false,"error":"%s %s","x":%q,"y":%q}`, req.URL, row.url, headers.String(), body)
					return answers(code, nil, echo)(req, body)
				}}
				err := deliver(t, row.url, w)
				if err == nil {
					return
				}
				for _, word := range long.FindAllString(row.url, -1) {
					if strings.Contains(scheme+row.host+" triggers workflows", word) {
						continue
					}
					if strings.Contains(err.Error(), word) {
						t.Errorf("the error shows %q: %v", word, err)
					}
				}
			})
		}
	}
}

func TestAttempt_classifiesErrorCodesInTheBody(t *testing.T) {
	for name, row := range map[string]struct {
		scheme, body string
		want         destination.ErrorKind
	}{
		"Slack is busy":            {"slack-api", `{"ok":false,"error":"ratelimited"}`, destination.ThrottledKind},
		"Slack knows no such key":  {"slack-api", `{"ok":false,"error":"invalid_auth"}`, destination.MisconfiguredKind},
		"Slack wants no such text": {"slack-api", `{"ok":false,"error":"msg_too_long"}`, destination.PermanentKind},
		"Lark is busy":             {"lark", `{"code":9499,"msg":"too many"}`, destination.ThrottledKind},
		"Lark knows no such bot":   {"lark", `{"code":19001,"msg":"param invalid"}`, destination.MisconfiguredKind},
		"WeCom is busy":            {"wecom", `{"errcode":45009,"errmsg":"freq"}`, destination.ThrottledKind},
		"WeCom knows no such bot":  {"wecom", `{"errcode":93000,"errmsg":"invalid"}`, destination.MisconfiguredKind},
		"Bark refuses":             {"bark", `{"code":400,"message":"no"}`, destination.PermanentKind},
		"a page of somebody else":  {"gotify", `<html>Log in to the hotel</html>`, destination.PermanentKind},
	} {
		t.Run(name, func(t *testing.T) {
			raw := urls[row.scheme].url
			if row.scheme == "slack-api" {
				raw = "slack://xoxb:123456789012-1234567890123-4mt0t4l1YL3g1T5L4cK70k3N@C001CH4NN3L"
			}
			err := deliver(t, raw, &wire{answer: answers(http.StatusOK, nil, row.body)})
			if kind, _ := destination.KindOf(err); err == nil || kind != row.want {
				t.Errorf("got kind %d: %v, want kind %d", kind, err, row.want)
			}
		})
	}
}

func TestAttempt_sendsNothingAfterAFailure(t *testing.T) {
	for _, raw := range []string{
		urls["telegram"].url + ",-1007654321,-1001111111", urls["twilio"].url + "/+15550000000/+15551111111",
		urls["pushbullet"].url + "/other", urls["ifttt"].url + ",more",
	} {
		w := &wire{answer: answers(http.StatusInternalServerError, nil, "no")}
		err := deliver(t, raw, w)
		if kind, _ := destination.KindOf(err); err == nil || kind != destination.Transient || len(w.requests) != 1 {
			t.Errorf("got kind %d after %d requests: %v", kind, len(w.requests), err)
		}
	}
}

func TestAttempt_withoutARecipientFails(t *testing.T) {
	w := &wire{answer: answers(http.StatusOK, nil, `{"joined_rooms":[]}`)}
	err := deliver(t, "matrix://:syt_token12345@matrix.example.com", w)
	if kind, _ := destination.KindOf(err); err == nil || kind != destination.MisconfiguredKind {
		t.Errorf("got kind %d: %v", kind, err)
	}
}

func TestAttempt_returnsAPanicOfTheLibraryAsAnError(t *testing.T) {
	p := provider{scheme: "crash", create: func() service { return crashing{} }}
	_, err := newAttempt(t.Context(), http.DefaultClient, p, "crash://host/key").send(message{text: "x", params: types.Params{}})
	if kind, _ := destination.KindOf(err); kind != destination.PermanentKind {
		t.Errorf("got kind %d: %v", kind, err)
	}
}

// crashing is a service that panics for every message.
type crashing struct{ service }

func (crashing) SetHTTPClient(types.HTTPClient) { panic("http://key@host") }
