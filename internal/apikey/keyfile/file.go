// Package keyfile owns the file of API keys, and its use by a running service.
//
// It guarantees that no change is lost when several processes change the file at the
// same time; that a crash leaves the old file or the new one; that a change takes
// effect in a running service within about a second, without a restart; and that an
// unreadable file revokes no access, is logged once, and is never overwritten. A file
// that does not exist has no keys. It must never write a secret, nor block on
// anything that is not a file.
package keyfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"butler/internal/apikey"
	"butler/internal/filelock"
	"butler/internal/secret"
	"butler/internal/wholefile"
)

const (
	// maxSize is the maximum size of the file, in bytes.
	maxSize = 2 << 20
	// maxIssued is the maximum size after adding a key, in bytes. The rest is for
	// revoking, which must always be possible.
	maxIssued = 1 << 20
	// lockEvery is the interval of the attempts to take a lock that another process holds.
	lockEvery = 10 * time.Millisecond
)

// File is the file at a path. It need not exist before the first key is made.
type File struct{ path string }

// New returns the file at path.
func New(path string) File { return File{path: path} }

// Path returns the path of the file.
func (f File) Path() string { return f.path }

// Read returns the keys, none if the file does not exist.
func (f File) Read() (apikey.Ring, error) {
	ring, _, err := f.read()
	return ring, err
}

// Issue makes a key from random bytes, stores it, and returns it with its text.
func (f File) Issue(ctx context.Context, random io.Reader, want apikey.Request) (apikey.Key, secret.String, error) {
	var key apikey.Key
	var text secret.String
	err := f.change(ctx, maxIssued, func(ring apikey.Ring) (next apikey.Ring, err error) {
		next, key, text, err = ring.Issue(random, want, time.Now())
		return next, err
	})
	if err != nil {
		return apikey.Key{}, "", err
	}
	return key, text, nil
}

// Revoke permanently revokes a key and returns it. A key that is already revoked does
// not change.
func (f File) Revoke(ctx context.Context, id string) (apikey.Key, error) {
	var key apikey.Key
	err := f.change(ctx, maxSize, func(ring apikey.Ring) (next apikey.Ring, err error) {
		next, key, err = ring.Revoke(id, time.Now())
		return next, err
	})
	return key, err
}

// read returns the keys and the FileInfo of the file, nil when it does not exist.
func (f File) read() (apikey.Ring, fs.FileInfo, error) {
	text, info, err := wholefile.Read(f.path, maxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return apikey.Ring{}, nil, nil
	case err != nil:
		return apikey.Ring{}, nil, f.wrap("read", err)
	case runtime.GOOS != "windows" && info.Mode()&0o002 != 0:
		return apikey.Ring{}, nil, f.wrap("read", errors.New("everybody may write it: chmod 600"))
	}
	ring, err := apikey.Decode(text)
	if err != nil {
		return apikey.Ring{}, nil, f.wrap("read", err)
	}
	return ring, info, nil
}

// change replaces the keys with the result of do. The lock excludes other processes of
// this program. A write without the lock, for example by an editor, is detected, and do
// is called again.
func (f File) change(ctx context.Context, most int, do func(apikey.Ring) (apikey.Ring, error)) error {
	lock, err := f.lock(ctx)
	if err != nil {
		return f.wrap("lock", err)
	}
	defer lock.Close()
	for {
		before, info, err := f.read()
		if err != nil {
			return err
		}
		after, err := do(before)
		if err != nil {
			return err
		}
		text, err := after.Encode()
		if err != nil {
			return f.wrap("write", err)
		}
		if len(text) > most {
			return f.wrap("write", fmt.Errorf("it would be longer than %d MiB: use fewer tags", most>>20))
		}
		replaced, err := wholefile.Replace(f.path, info, text, modeLike(info))
		if err != nil || replaced {
			return f.wrap("write", err)
		}
		if err := ctx.Err(); err != nil {
			return f.wrap("write", err)
		}
	}
}

// modeLike returns the mode of the new file: readable and writable by the owner only,
// and readable by the group if the old file was.
func modeLike(before fs.FileInfo) fs.FileMode {
	if before == nil {
		return 0o600
	}
	return before.Mode().Perm()&0o640 | 0o600
}

// lock waits for the lock for changes. The lock is a separate file, which is never
// removed, because the key file itself is replaced.
func (f File) lock(ctx context.Context) (io.Closer, error) {
	path := wholefile.Target(f.path) + ".lock"
	root, err := os.OpenRoot(filepath.Dir(path)) // so that a link of this name makes no file elsewhere
	if err != nil {
		return nil, err
	}
	file, err := root.OpenFile(filepath.Base(path), os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	wholefile.HandOverAt(path)
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		err := filelock.Try(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, filelock.ErrLocked) {
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s is %w", filepath.Base(path), err), file.Close())
		}
	}
}

func (f File) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s the file of API keys %s: %w", what, f.path, err)
}
