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

// The watch over the configuration files.

// fileDigests are the watched files with the digests of their content when it was
// last used. Files are read again at an interval rather than watched by the operating
// system: that works on every file system, and with the symbolic links by which
// container engines and editors replace a file. It is safe for concurrent use.
type fileDigests struct {
	mu   sync.Mutex
	used map[string]string
}

// digestOf returns the SHA-256 of a file, or the text of the error where it cannot be read.
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
	return slices.Collect(maps.Keys(f.used))
}

// current returns the digests of the watched files as they are now.
func (f *fileDigests) current() map[string]string {
	out := map[string]string{}
	for _, name := range f.names() {
		out[name] = digestOf(name)
	}
	return out
}

// watch replaces the watched files. before holds digests that were taken before the
// files were used: a file that has changed since then counts as changed.
func (f *fileDigests) watch(names []string, before map[string]string) {
	used := map[string]string{}
	for _, name := range names {
		digest, known := before[name]
		if !known {
			digest = digestOf(name)
		}
		used[name] = digest
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = used
}

// differ reports whether the current digests are not those of the content in use.
func (f *fileDigests) differ(current map[string]string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !maps.Equal(f.used, current)
}

// lookEvery is the interval at which the files are read. A change counts when two
// readings in a row are equal, as an editor may be in the middle of writing.
const lookEvery = 2 * time.Second

// watchConfiguration reloads the configuration when its files have changed.
func (a *App) watchConfiguration(ctx context.Context) {
	files := &a.reloads.files
	files.watch(a.startConfig.SourceFiles(), nil)
	if a.opts.Load == nil {
		return
	}
	every := cmp.Or(a.opts.LookEvery, lookEvery)
	var last map[string]string
	for wait(ctx, every) {
		if !a.current.Load().cfg.ReloadOnFileChange() { // reload.onFileChange
			continue
		}
		current := files.current()
		if files.differ(current) && maps.Equal(current, last) {
			a.Reload(ByFile)
		}
		last = current
	}
}

// digestCertificates sets the digest of the certificate files for Qlik Sense.
func (g *generation) digestCertificates() error {
	section := g.cfg.QRS()
	for _, name := range []string{section.ClientCert, section.ClientKey, section.CA} {
		g.certificates += digestOf(name) + "\n"
	}
	return nil
}

func (g *generation) sameCertificates() bool { return g.certificates == g.previous.certificates }

// wait waits for d. It returns false as soon as ctx ends.
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
