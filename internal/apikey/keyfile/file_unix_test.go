//go:build unix

package keyfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestFile_doesNotWaitForAPipe(t *testing.T) {
	f := newFile(t)
	if err := unix.Mkfifo(f.Path(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, read := f.Read()
	_, _, issued := f.Issue(t.Context(), rand.Reader, sales)
	for _, err := range []error{read, issued} {
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("want it refused, got %v", err)
		}
	}
}

func TestStore_doesNotWaitForAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t)
		_, text := issue(t, f, sales)
		s, logs := opened(t, f)
		if err := errors.Join(os.Remove(f.Path()), unix.Mkfifo(f.Path(), 0o600)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		wantReason(t, s, text, accepted)
		if logs.Len() != 1 || s.Err() == nil {
			t.Errorf("want it told, got %q", messages(logs))
		}
	})
}

func TestFile_staysReadableForTheGroupItWasGivenTo(t *testing.T) {
	f := newFile(t)
	issue(t, f, sales)
	for given, want := range map[fs.FileMode]fs.FileMode{0o640: 0o640, 0o664: 0o640, 0o644: 0o640, 0o400: 0o600} {
		if err := os.Chmod(f.Path(), given); err != nil {
			t.Fatal(err)
		}
		issue(t, f, sales)
		if info, err := os.Stat(f.Path()); err != nil || info.Mode() != want {
			t.Errorf("%v: want %v, got %v, %v", given, want, info.Mode(), err)
		}
	}
}

func TestFile_isNotReadWhenEverybodyMayWriteIt(t *testing.T) {
	f := newFile(t)
	issue(t, f, sales)
	if err := os.Chmod(f.Path(), 0o602); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(); err == nil || !strings.Contains(err.Error(), "everybody may write it") {
		t.Errorf("want it refused, got %v", err)
	}
}
