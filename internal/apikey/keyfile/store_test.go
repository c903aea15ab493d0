package keyfile

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/apikey"
)

// opened returns a store and its log. Call it in a synctest bubble, whose clock is behind
// that of the files.
func opened(t *testing.T, f File) (*Store, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	s, err := Open(f, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	return s, logs
}

func wantReason(t *testing.T, s *Store, text string, want apikey.Reason) {
	t.Helper()
	_, err := s.Verify(text)
	refusal, _ := errors.AsType[apikey.Refusal](err)
	if refusal.Reason != want {
		t.Errorf("want %q, got %v %+v", want, err, refusal.Reason)
	}
}

const accepted = apikey.Reason("")

func messages(logs *observer.ObservedLogs) string {
	var all []string
	for _, e := range logs.All() {
		all = append(all, e.Message)
	}
	return strings.Join(all, "; ")
}

func TestStore_noticesWhatAnotherProcessChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		key, text := issue(t, f, sales)
		s, _ := opened(t, f)
		wantReason(t, s, text, accepted)
		_, other := issue(t, f, sales)
		if _, err := f.Revoke(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		wantReason(t, s, other, apikey.Unknown) // it has checked the file within this second
		time.Sleep(lookEvery)
		wantReason(t, s, other, accepted)
		wantReason(t, s, text, apikey.Revoked)
	})
}

func TestStore_endsAKeyOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, apikey.Request{Name: "sales", Scopes: []apikey.Scope{apikey.Read}, Expires: time.Now().Add(time.Hour)})
		s, _ := opened(t, f)
		time.Sleep(time.Hour - time.Nanosecond)
		wantReason(t, s, text, accepted)
		time.Sleep(time.Nanosecond)
		wantReason(t, s, text, apikey.Expired)
	})
}

// A file that has not changed for a while is not read again: here it could not be read.
func TestStore_readsOnlyWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, sales)
		old := time.Now().Add(-time.Minute)
		dated(t, f.Path(), old)
		s, logs := opened(t, f)
		before := s.ring.Load()
		time.Sleep(lookEvery)
		wantReason(t, s, text, accepted)
		if s.ring.Load() != before {
			t.Error("want the file left alone")
		}
		// Another file with the same length and time.
		replaced := strings.ReplaceAll(contentOf(t, f.Path()), "sales", "saleS")
		write(t, f.Path()+".new", replaced)
		dated(t, f.Path()+".new", old)
		if err := os.Rename(f.Path()+".new", f.Path()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		if who, err := s.Verify(text); err != nil || who.Name != "saleS" {
			t.Errorf("want the other file read, got %v, %v", who, err)
		}
		if logs.Len() != 0 {
			t.Errorf("want silence, got %s", messages(logs))
		}
	})
}

// A second change within one step of the file's clock does not alter its time.
func TestStore_readsAFreshFileAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, sales)
		fresh := time.Now().Add(-time.Second)
		dated(t, f.Path(), fresh)
		s, _ := opened(t, f)
		write(t, f.Path(), strings.ReplaceAll(contentOf(t, f.Path()), "sales", "saleS"))
		dated(t, f.Path(), fresh)
		time.Sleep(lookEvery)
		if who, err := s.Verify(text); err != nil || who.Name != "saleS" {
			t.Errorf("want the change noticed, got %v, %v", who, err)
		}
	})
}

func TestStore_keepsTheLastGoodKeysAndTellsOnce(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"truncated": func(t *testing.T, path string) { t.Helper(); write(t, path, contentOf(t, path)[:100]) },
		"emptied":   func(t *testing.T, path string) { t.Helper(); write(t, path, "") },
		"a directory": func(t *testing.T, path string) {
			t.Helper()
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFile(t)
				_, text := issue(t, f, sales)
				good := contentOf(t, f.Path())
				s, logs := opened(t, f)
				spoil(t, f.Path())
				for range 3 {
					time.Sleep(lookEvery)
					wantReason(t, s, text, accepted)
				}
				if s.Err() == nil || messages(logs) != "API keys cannot be read, the last valid ones stay in force" {
					t.Errorf("want one line, got %q and %v", messages(logs), s.Err())
				}
				if err := os.RemoveAll(f.Path()); err != nil {
					t.Fatal(err)
				}
				write(t, f.Path(), good)
				time.Sleep(lookEvery)
				wantReason(t, s, text, accepted)
				if s.Err() != nil || !strings.HasSuffix(messages(logs), "; API keys can be read again") {
					t.Errorf("want it told, got %q and %v", messages(logs), s.Err())
				}
			})
		})
	}
}

func TestStore_noticesThatTheSameFileIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, sales)
		old := time.Now().Add(-time.Minute)
		dated(t, f.Path(), old)
		s, _ := opened(t, f)
		if err := errors.Join(os.Rename(f.Path(), f.Path()+".away"), os.Mkdir(f.Path(), 0o700)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		wantReason(t, s, text, accepted)
		if s.Err() == nil {
			t.Error("want a directory told")
		}
		if err := errors.Join(os.Remove(f.Path()), os.Rename(f.Path()+".away", f.Path())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		wantReason(t, s, text, accepted)
		if s.Err() != nil {
			t.Errorf("want it over, got %v", s.Err())
		}
	})
}

// Deleting the file means to end access: a key that is in no file is not accepted.
func TestStore_withoutAFileAcceptsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, sales)
		s, logs := opened(t, f)
		if err := os.Remove(f.Path()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(lookEvery)
			wantReason(t, s, text, apikey.Unknown)
		}
		if logs.Len() != 1 {
			t.Errorf("want it logged once, got %q", messages(logs))
		}
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "there is no file") {
			t.Errorf("want an error about the missing file, got %v", err)
		}
	})
}

func TestOpen_beforeTheFirstKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		s, logs := opened(t, f)
		if logs.Len() != 1 {
			t.Errorf("want it told that there are no keys, got %q", messages(logs))
		}
		_, text := issue(t, f, sales)
		time.Sleep(lookEvery)
		wantReason(t, s, text, accepted)
	})
}

func TestOpen_refusesAFileThatItCannotRead(t *testing.T) {
	f := newFile(t)
	write(t, f.Path(), "{")
	if _, err := Open(f, zap.NewNop()); err == nil || !strings.Contains(err.Error(), f.Path()) {
		t.Errorf("want an error with the path, got %v", err)
	}
}

func TestStore_isUsedByManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, sales)
		s, _ := opened(t, f)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20 {
					if _, err := s.Verify(text); err != nil {
						t.Error(err)
					}
					time.Sleep(lookEvery / 3)
				}
			})
		}
		for range 5 {
			time.Sleep(lookEvery)
			issue(t, f, sales)
		}
		all.Wait()
	})
}
