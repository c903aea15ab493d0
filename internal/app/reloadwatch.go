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

// filePrints are files with what was read from them, as digests. Files are read
// rather than watched: that works on every file system, and with the links by
// which container engines and editors replace a file. It is safe for concurrent use.
type filePrints struct {
	mu   sync.Mutex
	read map[string]string
}

// printOf returns what tells the content of a file, or the reason that it has
// none, from others.
func printOf(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(data)
	return string(sum[:])
}

// names lists the watched files.
func (f *filePrints) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.read))
}

// now reads the watched files.
func (f *filePrints) now() map[string]string {
	out := map[string]string{}
	for _, name := range f.names() {
		out[name] = printOf(name)
	}
	return out
}

// note watches the files from now on. What was read from one before they were
// used counts, so that no change after that goes unnoticed.
func (f *filePrints) note(names []string, before map[string]string) {
	read := map[string]string{}
	for _, name := range names {
		mark, known := before[name]
		if !known {
			mark = printOf(name)
		}
		read[name] = mark
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = read
}

// differ reports whether the files are not what was read.
func (f *filePrints) differ(now map[string]string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !maps.Equal(f.read, now)
}

// lookEvery is how often the files are looked at. A change counts when two looks
// in a row see the same: an editor may not have finished.
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

// readCertificates notes what the certificates for Qlik Sense are.
func (a *App) readCertificates() error {
	section := a.cfg.QRS()
	for _, name := range []string{section.ClientCert, section.ClientKey, section.CA} {
		a.certificates += printOf(name) + "\n"
	}
	return nil
}

func (a *App) sameCertificates() bool { return a.certificates == a.before.certificates }

// wait waits, and reports whether ctx goes on.
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
