package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// No call may touch anything outside. Without the outside, the answers and the effects
// must be the same, so nothing is revealed.
func TestProperty_nothingOutsideIsTouchedOrRevealed(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base = filepath.ToSlash(base)
	name := rapid.SampledFrom([]string{"a", "b", "d", "e", "..", ".", "", "%23", "#", "%2e%2e", "link", "hop", "secret", "in", "out", "s.txt", `..\..`, "no", "nul\x00"})
	relative := rapid.Map(rapid.SliceOfN(name, 0, 5), func(names []string) string { return strings.Join(names, "/") })
	start := rapid.SampledFrom([]string{"/in/", "/in/", "/in/", "/out/", "/out/", "/secret/", "/", "/input/"})
	rapid.Check(t, func(rt *rapid.T) {
		targets := rapid.SliceOfN(relative, 2, 2).Draw(rt, "links")
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				op:        rapid.IntRange(0, 4).Draw(t, "op"),
				from:      start.Draw(t, "from root") + relative.Draw(t, "from"),
				to:        start.Draw(t, "to root") + relative.Draw(t, "to"),
				overwrite: rapid.Bool().Draw(t, "overwrite"),
				apart:     rapid.Bool().Draw(t, "devices"),
			}
		}), 1, 6).Draw(rt, "steps")
		defer os.RemoveAll(base + "/with")
		defer os.RemoveAll(base + "/none")
		with, none := world(t, base+"/with", targets), world(t, base+"/none", targets)
		for _, dir := range []string{"secret", "input"} {
			if err := os.RemoveAll(none.path(dir)); err != nil {
				t.Fatal(err)
			}
		}
		secret, input := with.tree("secret"), with.tree("input")
		for _, step := range steps {
			if a, b := step.run(with), step.run(none); a != b {
				rt.Fatalf("%+v: want the same answer with and without the outside, got\n%s\n%s", step, a, b)
			}
		}
		with.wantTree("secret", secret...)
		with.wantTree("input", input...)
		for _, dir := range []string{"in", "out"} {
			with.wantTree(dir, none.tree(dir)...)
		}
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// world returns a site with two links that lead anywhere.
func world(t *testing.T, base string, targets []string) site {
	t.Helper()
	s := site{t, base}
	for name, text := range map[string]string{"in/a": "a", "in/b#": "b", "in/d/a": "da", "in/d/e/b": "deb", "out/a": "old", "secret/s.txt": "SECRET", "secret/a": "SECRET", "input/a": "SECRET"} {
		s.write(name, text)
	}
	for i, path := range []string{"in/link", "in/d/hop"} {
		target := targets[i]
		if target == "" || strings.Contains(target, "\x00") {
			target = "../secret"
		}
		s.link(target, path)
	}
	return s
}

// step is one call.
type step struct {
	op               int
	from, to         string
	overwrite, apart bool
}

// run makes the call and returns its answer without the location of the site.
func (p step) run(s site) string {
	a := s.approved()
	if p.apart {
		a = s.apart()
	}
	ctx, from, to := s.t.Context(), s.base+p.from, s.base+p.to
	var err error
	switch p.op {
	case 0:
		_, err = a.Copy(ctx, CopyRequest{From: from, To: to, Overwrite: p.overwrite})
	case 1:
		_, err = a.Move(ctx, MoveRequest{From: from, To: to, Overwrite: p.overwrite})
	case 2:
		err = a.DeleteFile(ctx, from)
	case 3:
		err = a.CreateDir(ctx, from)
	case 4:
		err = a.CreateDirQVD(ctx, p.from)
	}
	if err == nil {
		return "done"
	}
	if told, ok := errors.AsType[*Error](err); !ok || told.Op == "" {
		s.t.Errorf("want a typed error, got %v", err)
	}
	return strings.ReplaceAll(err.Error(), s.base, "BASE")
}
