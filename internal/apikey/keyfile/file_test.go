package keyfile

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"butler/internal/apikey"
)

var sales = apikey.Request{Name: "sales", Scopes: []apikey.Scope{apikey.Read}}

func newFile(t *testing.T) File {
	t.Helper()
	return New(filepath.Join(t.TempDir(), "apikeys.json"))
}

func issue(t *testing.T, f File, want apikey.Request) (apikey.Key, string) {
	t.Helper()
	key, text, err := f.Issue(t.Context(), rand.Reader, want)
	if err != nil {
		t.Fatal(err)
	}
	return key, text.Reveal()
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dated sets the modification time of a file.
func dated(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestFile_keepsKeysForTheirOwnerAlone(t *testing.T) {
	f := newFile(t)
	key, text := issue(t, f, sales)
	ring, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Verify(text, time.Now()); err != nil || got.Name != "sales" {
		t.Errorf("want the key known, got %v, %v", got, err)
	}
	info, err := os.Stat(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("want mode 0600, got %v", info.Mode())
	}
	if secretText := text[strings.LastIndex(text, "_")+1:]; strings.Contains(contentOf(t, f.Path()), secretText) {
		t.Error("want no secret in the file")
	}
	if _, err := f.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if ring, _ = f.Read(); ring.Keys()[0].Revoked.IsZero() {
		t.Error("want the key revoked in the file")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Path()), ".*")); len(left) != 0 {
		t.Errorf("want no temporary files left, got %v", left)
	}
}

func TestFile_followsASymbolicLink(t *testing.T) {
	f := newFile(t)
	issue(t, f, sales)
	link := New(filepath.Join(t.TempDir(), "link.json"))
	if err := os.Symlink(f.Path(), link.Path()); err != nil {
		t.Fatal(err)
	}
	issue(t, link, sales)
	if info, err := os.Lstat(link.Path()); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("want the link to stay one, got %v, %v", info.Mode(), err)
	}
	if ring, err := f.Read(); err != nil || len(ring.Keys()) != 2 {
		t.Errorf("want both keys where it leads to, got %d, %v", len(ring.Keys()), err)
	}
}

func TestFile_thatCannotBeReadIsNeverOverwritten(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "truncated": `{"version": 1, "keys": [{"id": "01`, "garbage": "\x00\xff\x7f", "of a later version": `{"version": 2, "keys": []}`,
		"huge": `{"version": 1, "keys": []}` + strings.Repeat(" ", maxSize),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFile(t)
			write(t, f.Path(), text)
			if _, _, err := f.Issue(t.Context(), rand.Reader, sales); err == nil || !strings.Contains(err.Error(), f.Path()) {
				t.Errorf("want an error with the path, got %v", err)
			}
			if _, err := f.Revoke(t.Context(), "0123456789abcdef"); err == nil {
				t.Error("want an error")
			}
			if contentOf(t, f.Path()) != text {
				t.Error("want the file as it was")
			}
		})
	}
}

func TestFile_refusesADirectory(t *testing.T) {
	f := New(t.TempDir())
	_, read := f.Read()
	_, _, issued := f.Issue(t.Context(), rand.Reader, sales)
	for _, err := range []error{read, issued} {
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("want it refused, got %v", err)
		}
	}
}

func TestFile_ofUnknownKeysIsNotWritten(t *testing.T) {
	f := newFile(t)
	issue(t, f, sales)
	before := contentOf(t, f.Path())
	if _, err := f.Revoke(t.Context(), "0123456789abcdef"); !errors.Is(err, apikey.ErrNoSuchKey) {
		t.Errorf("want ErrNoSuchKey, got %v", err)
	}
	if contentOf(t, f.Path()) != before {
		t.Error("want the file as it was")
	}
}

// A full file can still be written, because revoking must always be possible.
func TestFile_leavesRoomToRevoke(t *testing.T) {
	f := newFile(t)
	tags := make([]string, 32)
	for i := range tags {
		tags[i] = fmt.Sprintf("%02d%s", i, strings.Repeat("<", 254)) // six bytes each in JSON
	}
	want := apikey.Request{Name: "sales", Scopes: []apikey.Scope{apikey.Start}, Tags: tags}
	var ring apikey.Ring
	var key apikey.Key
	for range 20 { // of 49 KiB each
		var err error
		if ring, key, _, err = ring.Issue(rand.Reader, want, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := ring.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.Path(), string(text))
	if _, _, err := f.Issue(t.Context(), rand.Reader, want); err != nil {
		t.Errorf("want room for one more, got %v", err)
	}
	if _, _, err := f.Issue(t.Context(), rand.Reader, want); err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
		t.Errorf("want the file full, got %v", err)
	}
	if _, err := f.Revoke(t.Context(), key.ID); err != nil {
		t.Errorf("want the key revoked, got %v", err)
	}
}

// The command may run as root in a directory of the service's account.
func TestFile_followsNoLinkToItsLock(t *testing.T) {
	f := newFile(t)
	elsewhere := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(elsewhere, f.Path()+".lock"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Issue(t.Context(), rand.Reader, sales); err == nil {
		t.Error("want an error")
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("a file was made elsewhere")
	}
}

func TestFile_waitsForTheLockUntilItsCallerGivesUp(t *testing.T) {
	f := newFile(t)
	lock, err := f.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, _, err := f.Issue(ctx, rand.Reader, sales); err == nil || !strings.Contains(err.Error(), "apikeys.json.lock is locked by another process") {
		t.Errorf("want to be told of the lock, got %v", err)
	}
	lock.Close()
	issue(t, f, sales)
}

// An editor does not take the lock; what it writes meanwhile must not be lost.
func TestFile_changesWhatIsThereInTheEnd(t *testing.T) {
	f := newFile(t)
	key, _ := issue(t, f, sales)
	other := newFile(t)
	issue(t, other, apikey.Request{Name: "edited", Scopes: []apikey.Scope{apikey.KV}})
	edited := strings.Replace(contentOf(t, other.Path()), "[\n", strings.TrimSuffix(after(t, contentOf(t, f.Path()), `"keys": `), "\n  ]\n}\n")+",\n", 1)
	calls := 0
	err := f.change(t.Context(), maxSize, func(ring apikey.Ring) (apikey.Ring, error) {
		if calls++; calls == 1 {
			write(t, f.Path(), edited)
		}
		next, _, err := ring.Revoke(key.ID, time.Now())
		return next, err
	})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if keys := ring.Keys(); calls != 2 || len(keys) != 2 || keys[0].Revoked.IsZero() || keys[1].Name != "edited" {
		t.Errorf("want the edit and the change, got %+v after %d calls", keys, calls)
	}
}

func after(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("%q is not in %s", mark, text)
	}
	return rest
}

// workerEnv makes the test binary a process that changes the file it names.
const workerEnv = "KEYFILE_TEST_WORKER"

const perWorker = 15

func TestMain(m *testing.M) {
	if path := os.Getenv(workerEnv); path != "" {
		if err := work(New(path)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work makes keys, revokes every other one, and prints their IDs.
func work(f File) error {
	made := map[string]bool{} // whether it was revoked
	for i := range perWorker {
		key, _, err := f.Issue(context.Background(), rand.Reader, sales)
		if err != nil {
			return err
		}
		if made[key.ID] = i%2 == 0; made[key.ID] {
			if _, err := f.Revoke(context.Background(), key.ID); err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(made)
}

func TestFile_losesNoChangeOfSeveralProcesses(t *testing.T) {
	f := newFile(t)
	const workers = 4
	outputs, errs := make([]string, workers), make([]error, workers)
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			worker := exec.CommandContext(t.Context(), os.Args[0])
			worker.Env = append(os.Environ(), workerEnv+"="+f.Path())
			out, err := worker.CombinedOutput()
			outputs[i], errs[i] = string(out), err
		})
	}
	all.Wait()
	ring, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	keys := ring.Keys()
	if len(keys) != workers*perWorker {
		t.Errorf("want %d keys, got %d", workers*perWorker, len(keys))
	}
	for i, out := range outputs {
		var made map[string]bool
		if err := errors.Join(errs[i], json.Unmarshal([]byte(out), &made)); err != nil {
			t.Fatalf("worker %d: %v: %s", i, err, out)
		}
		for id, revoked := range made {
			at := slices.IndexFunc(keys, func(k apikey.Key) bool { return k.ID == id })
			if at < 0 || keys[at].Revoked.IsZero() == revoked {
				t.Errorf("worker %d: key %s is lost or not what it was made", i, id)
			}
		}
	}
}
