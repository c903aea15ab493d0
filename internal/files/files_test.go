package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// site is a directory tree with approved parts, "in" and "out", and one that is not
// approved, "secret".
type site struct {
	t    *testing.T
	base string
}

func newSite(t *testing.T) site {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := site{t, filepath.ToSlash(base)}
	for _, dir := range []string{"in", "out", "secret"} {
		s.mkdir(dir)
	}
	s.write("secret/s.txt", "SECRET")
	return s
}

func (s site) path(rel string) string { return s.base + "/" + rel }

func (s site) mkdir(rel string) {
	s.t.Helper()
	if err := os.MkdirAll(s.path(rel), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) write(rel, text string) {
	s.t.Helper()
	s.mkdir(filepath.Dir(rel))
	if err := os.WriteFile(s.path(rel), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) link(target, rel string) {
	s.t.Helper()
	s.mkdir(filepath.Dir(rel))
	err := os.Symlink(target, s.path(rel))
	if err != nil && runtime.GOOS == "windows" {
		s.t.Skip("on Windows, links take a privilege: ", err)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// approved approves all operations from in and out to in and out.
func (s site) approved() *Approved { return New(s.options()) }

func (s site) options() Options {
	in, out := s.path("in"), s.path("out")
	pairs := []Pair{{in, out}, {out, in}, {in, in}}
	return Options{Copy: pairs, Move: pairs, Delete: []string{in, out}, QVD: out}
}

func (s site) copy(from, to string) (Result, error) {
	return s.approved().Copy(s.t.Context(), CopyRequest{From: s.path(from), To: s.path(to)})
}

// wantTree compares the tree below rel with lines of the form "path: text", "path/" or
// "path -> target", in order.
func (s site) wantTree(rel string, want ...string) {
	s.t.Helper()
	if got := s.tree(rel); strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("in %s:\nwant %q\ngot  %q", rel, want, got)
	}
}

func (s site) tree(rel string) []string {
	s.t.Helper()
	var lines []string
	err := filepath.WalkDir(s.path(rel), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.ToSlash(path) == strings.TrimSuffix(s.path(rel), "/") {
			return err
		}
		name, _ := filepath.Rel(s.path(rel), path)
		name = filepath.ToSlash(name)
		switch {
		case entry.IsDir():
			lines = append(lines, name+"/")
		case entry.Type() == fs.ModeSymlink:
			target, _ := os.Readlink(path)
			lines = append(lines, name+" -> "+target)
		case entry.Type().IsRegular():
			text, err := os.ReadFile(path)
			lines = append(lines, name+": "+string(text))
			return err
		default:
			lines = append(lines, name+" ("+entry.Type().String()+")")
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	got, ok := errors.AsType[*Error](err)
	if !ok || got.Kind != want {
		t.Fatalf("want an error of kind %q, got %v", want, err)
	}
	if got.Op == "" || got.What == "" || got.Remedy == "" {
		t.Errorf("want an error that says what was done, what is wrong and how to fix it, got %+v", got)
	}
}

func TestNew_approvesNothingByDefault(t *testing.T) {
	s := newSite(t)
	s.write("in/a.txt", "a")
	a := New(Options{})
	ctx := t.Context()
	_, err := a.Copy(ctx, CopyRequest{From: s.path("in/a.txt"), To: s.path("out/a.txt")})
	wantKind(t, err, NotApproved)
	_, err = a.Move(ctx, MoveRequest{From: s.path("in/a.txt"), To: s.path("out/a.txt")})
	wantKind(t, err, NotApproved)
	wantKind(t, a.DeleteFile(ctx, s.path("in/a.txt")), NotApproved)
	wantKind(t, a.CreateDir(ctx, s.path("in/new")), NotApproved)
	wantKind(t, a.CreateDirQVD(ctx, "new"), NotApproved)
	s.wantTree("in", "a.txt: a")
}

func TestNew_ignoresEntriesThatApproveNothing(t *testing.T) {
	a := newOn(posix, Options{
		Copy:   []Pair{{"relative", "/out"}, {"/in", ""}},
		Move:   []Pair{{`\\srv\share`, "/out"}},
		Delete: []string{"/", ""},
	})
	if len(a.copy)+len(a.move)+len(a.qvd) != 0 || len(a.delete) != 1 {
		t.Errorf("want only the root approved, got %+v", a)
	}
}

func TestCheck_saysWhatApprovesNothingOrAll(t *testing.T) {
	for directory, want := range map[string]string{
		"relative": "absolute", "": "is empty", `\\srv\share`: "UNC", "/": "every file", "/a/..": "every file", "/in": "",
	} {
		reason, remedy := checkOn(posix, directory)
		if !strings.Contains(reason, want) || (reason == "") != (want == "") || (remedy == "") != (want == "") {
			t.Errorf("%q: want %q, got %q (%s)", directory, want, reason, remedy)
		}
	}
}

func TestApproval_onePairCoversBothEnds(t *testing.T) {
	s := newSite(t)
	s.write("in/a.txt", "a")
	a := New(Options{Copy: []Pair{{s.path("in"), s.path("in/done")}, {s.path("out"), s.path("out")}}})
	_, err := a.Copy(t.Context(), CopyRequest{From: s.path("in/a.txt"), To: s.path("out/a.txt")})
	wantKind(t, err, NotApproved)
	s.wantTree("out")
}

func TestApproval_isDecidedBeforeExistence(t *testing.T) {
	s := newSite(t)
	s.write("in/a.txt", "a")
	a, ctx := s.approved(), t.Context()
	// The answers for a secret that exists and for one that does not must differ only in
	// the name.
	answer := func(name string) []string {
		var texts []string
		outside := s.path("secret/" + name)
		_, err := a.Copy(ctx, CopyRequest{From: outside, To: s.path("out/x")})
		texts = append(texts, err.Error())
		_, err = a.Copy(ctx, CopyRequest{From: s.path("in/a.txt"), To: outside})
		texts = append(texts, err.Error())
		_, err = a.Copy(ctx, CopyRequest{From: s.path("in/missing"), To: outside})
		texts = append(texts, err.Error())
		_, err = a.Move(ctx, MoveRequest{From: outside, To: s.path("out/x")})
		texts = append(texts, err.Error(), a.DeleteFile(ctx, outside).Error(), a.CreateDir(ctx, outside).Error())
		for i, text := range texts {
			texts[i] = strings.ReplaceAll(text, name, "NAME")
		}
		return texts
	}
	there, missing := answer("s.txt"), answer("no.txt")
	for i := range there {
		if there[i] != missing[i] || !strings.Contains(there[i], "approved") && !strings.Contains(there[i], "may be deleted") {
			t.Errorf("want the same refusal, got\n%s\n%s", there[i], missing[i])
		}
	}
}

func TestErrors_wrapTheirCause(t *testing.T) {
	s := newSite(t)
	s.write("in/a.txt", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.approved().Copy(ctx, CopyRequest{From: s.path("in/a.txt"), To: s.path("out/a.txt")})
	wantKind(t, err, Failed)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("want the cause in %v", err)
	}
	if err := s.approved().DeleteFile(ctx, s.path("in/a.txt")); !errors.Is(err, context.Canceled) {
		t.Errorf("want nothing deleted after the end of the context, got %v", err)
	}
	s.wantTree("in", "a.txt: a")
}

func TestDeleteFile(t *testing.T) {
	s := newSite(t)
	s.write("in/a.txt", "a")
	s.write("in/b #1.txt", "b")
	s.write("in/%23.txt", "literal")
	s.write("in/#.txt", "other")
	s.write("in/dir/c.txt", "c")
	s.link("dir", "in/link")
	a, ctx := s.approved(), t.Context()
	for _, rel := range []string{"in/a.txt", "in/b %231.txt", "in/%23.txt", "in/link"} {
		if err := a.DeleteFile(ctx, s.path(rel)); err != nil {
			t.Errorf("want %s deleted, got %v", rel, err)
		}
	}
	s.wantTree("in", "#.txt: other", "dir/", "dir/c.txt: c")
	wantKind(t, a.DeleteFile(ctx, s.path("in/a.txt")), NotFound)
	wantKind(t, a.DeleteFile(ctx, s.path("in/dir")), Invalid)
	wantKind(t, a.DeleteFile(ctx, s.path("in/dir/")), Invalid)
	wantKind(t, a.DeleteFile(ctx, s.path("in/dir/c.txt/d")), NotFound)
	wantKind(t, a.DeleteFile(ctx, s.path("in")), NotApproved)
	wantKind(t, a.DeleteFile(ctx, ""), Invalid)
	s.mkdir("in/empty")
	wantKind(t, a.DeleteFile(ctx, s.path("in/empty")), Invalid)
	s.wantTree("in", "#.txt: other", "dir/", "dir/c.txt: c", "empty/")
}

func TestCreateDir(t *testing.T) {
	s := newSite(t)
	s.write("in/file", "f")
	a, ctx := s.approved(), t.Context()
	for _, rel := range []string{"in/x/y/z", "in/x", "in", `in\w\v`, "in/x/../q"} {
		if err := a.CreateDir(ctx, s.path(rel)); err != nil {
			t.Errorf("want %s created, got %v", rel, err)
		}
	}
	s.wantTree("in", "file: f", "q/", "w/", "w/v/", "x/", "x/y/", "x/y/z/")
	wantKind(t, a.CreateDir(ctx, s.path("secret/new")), NotApproved)
	wantKind(t, a.CreateDir(ctx, s.path("in/../secret/new")), NotApproved)
	wantKind(t, a.CreateDir(ctx, s.path("input")), NotApproved)
	wantKind(t, a.CreateDir(ctx, s.path("in/file")), Failed)
	wantKind(t, a.CreateDir(ctx, s.path("in/file/x")), Failed)
	wantKind(t, a.CreateDir(ctx, "relative"), Invalid)
	wantKind(t, a.CreateDir(ctx, ""), Invalid)
	s.wantTree("secret", "s.txt: SECRET")
}

func TestCreateDirQVD(t *testing.T) {
	s := newSite(t)
	a, ctx := s.approved(), t.Context()
	for _, sent := range []string{"", ".", "sales/2031", `sales\2032`, "/sales/2033", "a/../b", "%2e%2e"} {
		if err := a.CreateDirQVD(ctx, sent); err != nil {
			t.Errorf("want %q created, got %v", sent, err)
		}
	}
	s.wantTree("out", "%2e%2e/", "b/", "sales/", "sales/2031/", "sales/2032/", "sales/2033/")
	for _, sent := range []string{"..", "../secret/new", `a\..\..\secret`, "/../secret", "x/../../out/../secret/y"} {
		wantKind(t, a.CreateDirQVD(ctx, sent), NotApproved)
	}
	wantKind(t, a.CreateDirQVD(ctx, `\\srv\share`), Invalid)
	wantKind(t, a.CreateDirQVD(ctx, "a\x00b"), Invalid)
	s.wantTree("secret", "s.txt: SECRET")
}

func TestApprovedDirectory_thatIsMissing(t *testing.T) {
	s := newSite(t)
	s.write("in/a.txt", "a")
	a := New(Options{Copy: []Pair{{s.path("in"), s.path("gone")}, {s.path("gone"), s.path("out")}}, QVD: s.path("gone")})
	_, err := a.Copy(t.Context(), CopyRequest{From: s.path("in/a.txt"), To: s.path("gone/a.txt")})
	wantKind(t, err, Failed)
	_, err = a.Copy(t.Context(), CopyRequest{From: s.path("gone/a.txt"), To: s.path("out/a.txt")})
	wantKind(t, err, Failed)
	wantKind(t, a.CreateDirQVD(t.Context(), "x"), Failed)
	if _, err := os.Stat(s.path("gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want the approved directory left to its owner, got %v", err)
	}
}
