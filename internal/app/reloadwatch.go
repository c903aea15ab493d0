package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// The watch over the files of the configuration, and over certificates.

// fileDigests holds the digests of files. Files are polled, since notifications do not
// work on every file system, nor with the links by which container engines and editors
// replace a file. It is safe for concurrent use.
type fileDigests struct {
	mu   sync.Mutex
	read map[string]string
}

// digestOf returns the digest of a file, or the error if it cannot be read.
func digestOf(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(data)
	return string(sum[:])
}

// names lists the watched files.
func (f *fileDigests) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.read))
}

// now reads the watched files.
func (f *fileDigests) now() map[string]string {
	out := map[string]string{}
	for _, name := range f.names() {
		out[name] = digestOf(name)
	}
	return out
}

// note sets the watched files. before has digests from before they were loaded, so that
// a change during the load is noticed.
func (f *fileDigests) note(names []string, before map[string]string) {
	read := map[string]string{}
	for _, name := range names {
		mark, known := before[name]
		if !known {
			mark = digestOf(name)
		}
		read[name] = mark
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = read
}

// differ reports whether the files have changed.
func (f *fileDigests) differ(now map[string]string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !maps.Equal(f.read, now)
}

// lookEvery is the poll interval. A change counts when two polls in a row find the same
// content: an editor may not have finished before.
const lookEvery = 2 * time.Second

// watchConfiguration reloads when the files have changed.
func (a *App) watchConfiguration(ctx context.Context) {
	files := &a.reloads.files
	files.note(a.cfg.SourceFiles(), nil)
	if a.opts.Load == nil {
		return
	}
	every := cmp.Or(a.opts.LookEvery, lookEvery)
	var last map[string]string
	for wait(ctx, every) {
		if !a.current.Load().cfg.ReloadOnFileChange() { // reload.onFileChange
			continue
		}
		now := files.now()
		if files.differ(now) && maps.Equal(now, last) {
			a.Reload(ByFile)
		}
		last = now
	}
}

// readCertificates notes the digests of the certificates for Qlik Sense.
func (a *App) readCertificates() error {
	section := a.cfg.QRS()
	for _, name := range []string{section.ClientCert, section.ClientKey, section.CA} {
		a.certificates += digestOf(name) + "\n"
	}
	return nil
}

func (a *App) sameCertificates() bool { return a.certificates == a.before.certificates }

// wait waits for d, and reports false if ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
