package starttask

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

func TestStart_storesBeforeItStarts(t *testing.T) {
	s := team(t)
	request := Request{Tags: []string{"sales"}, KeyValues: []KeyValue{{"etl", "batch", "17", time.Minute}, {"etl", "mode", "full", 0}}}
	a := s.starter().Start(t.Context(), caller(), request)
	wantTexts(t, "calls", s.diary, "put etl/batch=17 1m0s", "put etl/mode=full 0s", "tag sales", "start "+idOf(2))
	want := []StoredPair{{"etl", "batch", "stored", ""}, {"etl", "mode", "stored", ""}}
	if diff := cmp.Diff(want, a.KeyValues); diff != "" {
		t.Errorf("keyValues (-want +got):\n%s", diff)
	}
}

func TestStart_startsNothingWhenAPairCannotBeStored(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		says   string
	}{
		{"the store is full", refusal{messages.FailureFull, "the namespace has 1000 keys"}, http.StatusInsufficientStorage, "1000 keys"},
		{"the key is too long", refusal{messages.FailureRejected, "the key is too long"}, http.StatusBadRequest, "too long"},
		{"too much waits for the disk", refusal{messages.FailureBusy, "too much waits for the disk"}, http.StatusServiceUnavailable, "too much waits for the disk"},
		{"the store is out of reach", answerError{messages.FailureUnavailable, 0}, http.StatusServiceUnavailable, "could not do it"},
		{"the disk takes nothing", fmt.Errorf("ask kv: %w", context.DeadlineExceeded), http.StatusServiceUnavailable, "may be stored all the same"},
		{"the store is broken", answerError{messages.FailureInvalid, 0}, http.StatusInternalServerError, "could not do it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			s.fail = func(_ context.Context, call string) error {
				if strings.HasPrefix(call, "put ") {
					return tt.err
				}
				return nil
			}
			a := s.starter().Start(t.Context(), caller(), Request{PathID: idOf(1), KeyValues: []KeyValue{{"etl", "batch", "hush", 0}}})
			if len(s.starts()) > 0 || a.Status != tt.status || !strings.Contains(a.Message, tt.says) {
				t.Errorf("want %d with %q and no start, got %d, %q, %q", tt.status, tt.says, a.Status, a.Message, s.starts())
			}
			if text, _ := json.Marshal(a); strings.Contains(string(text), "hush") || strings.Contains(string(text), "secret.internal") {
				t.Errorf("the answer tells too much: %s", text)
			}
		})
	}
	t.Run("the endpoints of the store are not enabled", func(t *testing.T) {
		s := team(t)
		a := s.starter(func(o *Options) { o.KeyValues = nil }).Start(t.Context(), caller(), Request{PathID: idOf(1), KeyValues: []KeyValue{{"a", "b", "c", 0}, {"a", "d", "c", 0}}})
		if len(s.starts()) != 1 || len(a.Warnings) != 1 || a.KeyValues[1].Status != "skipped" || a.Status != http.StatusOK {
			t.Errorf("want a start, one warning and 200, got %q, %+v", s.starts(), a)
		}
	})
}
