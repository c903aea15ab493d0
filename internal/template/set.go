package template

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"butler/internal/template/handlebars"
)

// Extension is the file name extension of templates.
const Extension = ".handlebars"

// partialsDir is the folder of partials, in the folder of the templates that use them.
const partialsDir = "partials"

// maxCached is the maximum number of cached templates. Others are parsed at every use.
const maxCached = 256

// Source identifies the template of a message.
type Source struct {
	// Files are paths in the order of preference; the first that exists is used. An empty
	// list means the built-in template.
	Files []string
	// Builtin is the name of the built-in template, without extension.
	Builtin string
}

// Rendered is a rendered message.
type Rendered struct {
	Text string
	// Template is the template that was used: a path, or "built-in <name>".
	Template string
	// Warning says why the first file of Source could not be used; nil if it could, or if
	// there was none.
	Warning error
	// Repeated reports that the previous message of the built-in name had the same warning.
	Repeated bool
}

// Set renders templates from files, and built-in ones if a file does not exist or cannot
// be used. Files are read again when they change, so an edit affects the next message. It
// is safe for concurrent use.
type Set struct {
	medium   Medium
	builtin  fs.FS
	partials []string

	mu     sync.Mutex
	cache  map[string]cached
	warned map[string]string // the last warning by built-in name
}

// cached is a parsed file. It is valid as long as the file has the modification time and
// the size.
type cached struct {
	modified time.Time
	size     int64
	template *handlebars.Template
	err      error
}

// Embedded returns the folder "templates" of an embedded file system, which has the
// built-in templates of a destination.
func Embedded(files fs.FS) fs.FS {
	sub, err := fs.Sub(files, "templates")
	if err != nil {
		panic("BUG: embedded templates: " + err.Error())
	}
	return sub
}

// NewSet returns the templates of one medium. builtin has the built-in ones, in
// <name>.handlebars and partials/<name>.handlebars; nil means none. partials are further
// directories with partials of the operator.
func NewSet(m Medium, builtin fs.FS, partials ...string) *Set {
	return &Set{medium: m, builtin: builtin, partials: partials, cache: map[string]cached{}, warned: map[string]string{}}
}

// Render renders the first existing file of source, or the built-in template if that
// fails. The error means that the built-in template failed, too; the caller then has to
// make a message without a template.
func (s *Set) Render(source Source, fields map[string]any) (Rendered, error) {
	text, path, warning := s.renderFile(source.Files, fields)
	repeated := s.repeats(source.Builtin, warning)
	if warning == nil && path != "" {
		return Rendered{Text: text, Template: path}, nil
	}
	parsed, err := s.parseBuiltin(source.Builtin)
	if err == nil {
		text, err = s.render(parsed, s.builtinPartial, fields)
	}
	if err != nil {
		return Rendered{Warning: warning, Repeated: repeated}, errors.Join(warning, fmt.Errorf("built-in template %q: %w", source.Builtin, err))
	}
	return Rendered{Text: text, Template: "built-in " + source.Builtin, Warning: warning, Repeated: repeated}, nil
}

// repeats stores a warning and reports whether it equals the previous one.
func (s *Set) repeats(name string, warning error) bool {
	text := ""
	if warning != nil {
		text = warning.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := s.warned[name] == text
	s.warned[name] = text
	return same && warning != nil
}

func (s *Set) renderFile(files []string, fields map[string]any) (text, path string, err error) {
	if len(files) == 0 {
		return "", "", nil
	}
	path = firstExisting(files)
	parsed, err := s.parseFile(path)
	if err != nil {
		return "", path, fmt.Errorf("template %s: %w", path, err)
	}
	dirs := append([]string{filepath.Join(filepath.Dir(path), partialsDir)}, s.partials...)
	text, err = s.render(parsed, func(name string) (*handlebars.Template, error) { return s.partial(dirs, name) }, fields)
	if err != nil {
		return "", path, fmt.Errorf("template %s: %w", path, err)
	}
	return text, path, nil
}

func (s *Set) render(t *handlebars.Template, partial func(string) (*handlebars.Template, error), fields map[string]any) (string, error) {
	return (&rendering{template: t, medium: s.medium, partial: partial}).Render(fields)
}

// firstExisting returns the first path that exists, or the first one if none does.
func firstExisting(files []string) string {
	for _, path := range files {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return files[0]
}

// partial returns a partial from the first of dirs that has it, or the built-in one. The
// name may come from data, so it cannot lead outside the directory.
func (s *Set) partial(dirs []string, name string) (*handlebars.Template, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, filepath.FromSlash(name)+Extension)
		t, err := s.parseInside(dir, name, path)
		if !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
	}
	return s.builtinPartial(name)
}

func (s *Set) builtinPartial(name string) (*handlebars.Template, error) {
	return s.parseBuiltin(partialsDir + "/" + name)
}

func (s *Set) parseBuiltin(name string) (*handlebars.Template, error) {
	file := name + Extension
	if s.builtin == nil || !fs.ValidPath(file) {
		return nil, fs.ErrNotExist
	}
	if hit, ok := s.fromCache("builtin:"+file, time.Time{}, 0); ok {
		return hit.template, hit.err
	}
	source, err := fs.ReadFile(s.builtin, file)
	if err != nil {
		return nil, err
	}
	parsed, err := handlebars.Parse(string(source))
	s.toCache("builtin:"+file, cached{template: parsed, err: err})
	return parsed, err
}

func (s *Set) parseFile(path string) (*handlebars.Template, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, plainError(err)
	}
	return s.parseStat(path, info, func() ([]byte, error) { return os.ReadFile(path) })
}

// parseInside parses name below dir. It does not follow links that lead outside dir.
func (s *Set) parseInside(dir, name, path string) (*handlebars.Template, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file := filepath.FromSlash(name) + Extension
	info, err := root.Stat(file)
	if err != nil {
		return nil, err
	}
	return s.parseStat(path, info, func() ([]byte, error) { return root.ReadFile(file) })
}

func (s *Set) parseStat(path string, info fs.FileInfo, read func() ([]byte, error)) (*handlebars.Template, error) {
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	if info.Size() > handlebars.MaxSource {
		return nil, handlebars.ErrTooLarge
	}
	if hit, ok := s.fromCache(path, info.ModTime(), info.Size()); ok {
		return hit.template, hit.err
	}
	source, err := read()
	if err != nil {
		return nil, plainError(err)
	}
	parsed, err := handlebars.Parse(string(source))
	s.toCache(path, cached{modified: info.ModTime(), size: info.Size(), template: parsed, err: err})
	return parsed, err
}

// plainError returns err without the path, which the caller adds.
func plainError(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}
	return err
}

func (s *Set) fromCache(key string, modified time.Time, size int64) (cached, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hit, ok := s.cache[key]
	return hit, ok && hit.modified.Equal(modified) && hit.size == size
}

func (s *Set) toCache(key string, c cached) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.cache[key]; known || len(s.cache) < maxCached {
		s.cache[key] = c
	}
}
