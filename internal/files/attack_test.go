package files

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// attempt calls every operation with path as each of its operands, and returns the errors.
func (s site) attempt(a *Approved, path string) map[string]error {
	ctx := s.t.Context()
	answers := map[string]error{}
	_, answers["copy from"] = a.Copy(ctx, CopyRequest{From: path, To: s.path("out/got")})
	_, answers["copy to"] = a.Copy(ctx, CopyRequest{From: s.path("in/a"), To: path, Overwrite: true, PreserveTimestamp: true})
	_, answers["copy a directory to"] = a.Copy(ctx, CopyRequest{From: s.path("in/d"), To: path, Overwrite: true})
	_, answers["move from"] = a.Move(ctx, MoveRequest{From: path, To: s.path("out/got"), Overwrite: true})
	_, answers["move to"] = a.Move(ctx, MoveRequest{From: s.path("in/a"), To: path, Overwrite: true})
	answers["delete"] = a.DeleteFile(ctx, path)
	answers["create directory"] = a.CreateDir(ctx, path)
	return answers
}

// otherwise returns what is expected where the tests run.
func otherwise(elsewhere, onWindows Kind) Kind {
	if host() == windows {
		return onWindows
	}
	return elsewhere
}

func TestAttack_textThatLeadsOut(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "a")
	s.write("in/d/b", "b")
	s.write("input/a", "other")
	long := strings.Repeat("x", maxName+1)
	tests := []struct {
		name, path string
		want       Kind
	}{
		{"dots", s.path("in/../secret/s.txt"), NotApproved},
		{"many dots", s.path("in/" + strings.Repeat("../", 40) + "etc/passwd"), NotApproved},
		{"dots with backslashes", s.path(`in\..\secret\s.txt`), NotApproved},
		{"dots through a name that is missing", s.path("in/no/../../secret/s.txt"), NotApproved},
		{"doubled dots and slashes", s.path("in//..//.//secret/s.txt"), NotApproved},
		{"absolute", "/etc/passwd", otherwise(NotApproved, Invalid)},
		{"sibling with a longer name", s.path("input/a"), NotApproved},
		{"above", s.base, NotApproved},
		{"root", "/", otherwise(NotApproved, Invalid)},
		{"relative", "in/a", Invalid},
		{"relative with dots", "../in/a", Invalid},
		{"empty", "", Invalid},
		{"UNC", "//localhost/c$/x", otherwise(Invalid, NotApproved)},
		{"UNC with backslashes", `\\localhost\c$\x`, otherwise(Invalid, NotApproved)},
		{"device path", `\\?\C:\x`, Invalid},
		{"drive", `C:\Windows\x`, otherwise(Invalid, NotApproved)},
		{"NUL", s.path("in/a\x00.txt"), Invalid},
		{"NUL after dots", s.path("in/../secret/s.txt\x00in/a"), Invalid},
		{"name too long", s.path("in/" + long), Invalid},
		{"path too long", s.path("in/" + strings.Repeat("x/", maxPath)), Invalid},
	}
	before := s.tree("")
	for _, tt := range tests {
		for op, err := range s.attempt(s.approved(), tt.path) {
			got, _ := errors.AsType[*Error](err)
			if got == nil || got.Kind != tt.want {
				t.Errorf("%s, %s: want an error of kind %q, got %v", tt.name, op, tt.want, err)
			}
		}
	}
	s.wantTree("", before...)
}

func TestAttack_approvedDirectoryItself(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "a")
	s.write("in/d/b", "b")
	before := s.tree("")
	for _, path := range []string{s.path("in"), s.path("in/"), s.path("in/."), s.path("in/d/.."), s.path("out")} {
		for op, err := range s.attempt(s.approved(), path) {
			if op == "create directory" && err == nil {
				continue // it exists, so nothing is done
			}
			wantKind(t, err, NotApproved)
		}
	}
	s.wantTree("", before...)
}

func TestAttack_encodedTextIsLiteral(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"%2e%2e%2fsecret%2fs.txt", "..%2fsecret", "%252e%252e", "..%c0%af", "%5c..%5c", "．．／secret", "‥"} {
		s.write("in/"+name, name)
		if _, err := s.copy("in/"+name, "out/"+name); err != nil {
			t.Errorf("want %q copied as the name that it is, got %v", name, err)
		}
		wantKind(t, s.approved().DeleteFile(t.Context(), s.path("in/"+name+"/s.txt")), NotFound)
		if text, err := os.ReadFile(s.path("out/" + name)); err != nil || string(text) != name {
			t.Errorf("want %q, got %q, %v", name, text, err)
		}
	}
	s.wantTree("secret", "s.txt: SECRET")
}

func TestAttack_linksThatLeadOut(t *testing.T) {
	tests := []struct {
		name, target, path string
	}{
		{"parent", "../secret", "in/evil/s.txt"},
		{"parent of a missing file", "../secret", "in/evil/no.txt"},
		{"missing parent", "../secret/no", "in/evil/no.txt"},
		{"parent far above", "../secret", "in/evil/x/y/z"},
		{"deep link", "../../../secret", "in/d/e/../../evil/s.txt"},
		{"absolute", "/etc", "in/evil/passwd"},
		{"absolute and missing", "/no/such", "in/evil/passwd"},
		{"out and in again", "../in", "in/evil/a"},
		{"by way of another link", "d/hop", "in/evil/s.txt"},
	}
	for _, tt := range tests {
		s := newSite(t)
		s.write("in/a", "a")
		s.write("in/d/b", "b")
		s.link("../../secret", "in/d/hop")
		s.link(tt.target, "in/evil")
		before := s.tree("")
		a := s.approved()
		for op, err := range s.attempt(a, s.path(tt.path)) {
			got, _ := errors.AsType[*Error](err)
			if got == nil || got.Kind != NotApproved {
				t.Errorf("%s, %s: want it not approved, got %v", tt.name, op, err)
				continue
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s, %s: want nothing told of the outside, got %v", tt.name, op, err)
			}
		}
		s.wantTree("", before...)
	}
}

func TestAttack_aLinkThatLeadsOutIsNoSource(t *testing.T) {
	for _, target := range []string{"../secret/s.txt", "../secret/no.txt", "../secret", "..", "/etc/passwd", "/no/such"} {
		for _, device := range devices {
			s := newSite(t)
			s.link(target, "in/evil")
			before := s.tree("")
			_, err := device.approved(s).Copy(t.Context(), CopyRequest{From: s.path("in/evil"), To: s.path("out/got")})
			wantKind(t, err, NotApproved)
			_, err = device.approved(s).Move(t.Context(), MoveRequest{From: s.path("in/evil"), To: s.path("out/got")})
			wantKind(t, err, NotApproved)
			s.wantTree("", before...)
		}
	}
}

func TestAttack_aLinkIsReplacedAndRemovedByName(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "a")
	s.link("../secret/s.txt", "in/evil")
	s.link("../secret/s.txt", "in/kept")
	s.link("../secret/s.txt", "in/gone")
	s.link("../secret", "in/dir")
	a := s.approved()
	if _, err := a.Copy(t.Context(), CopyRequest{From: s.path("in/a"), To: s.path("in/evil"), Overwrite: true}); err != nil {
		t.Error(err)
	}
	if result, err := s.copy("in/a", "in/kept"); err != nil || result.Kept != 1 {
		t.Errorf("want the link kept, got %+v, %v", result, err)
	}
	if err := a.DeleteFile(t.Context(), s.path("in/gone")); err != nil {
		t.Error(err)
	}
	wantKind(t, a.CreateDir(t.Context(), s.path("in/dir")), NotApproved)
	_, err := a.Copy(t.Context(), CopyRequest{From: s.path("in"), To: s.path("out/x")})
	wantKind(t, err, NotApproved)
	s.wantTree("in", "a: a", "dir -> ../secret", "evil: a", "kept -> ../secret/s.txt")
	s.wantTree("secret", "s.txt: SECRET")
}

func TestAttack_treesWithLinksThatLeadOut(t *testing.T) {
	for _, target := range []string{"../../../secret", "../../../no", "/etc/passwd", "../sub/../../../secret", "../sub/../sub"} {
		for _, device := range devices {
			s := newSite(t)
			s.write("in/d/sub/b", "b")
			s.link(target, "in/d/sub/evil")
			before := s.tree("")
			_, err := device.approved(s).Copy(t.Context(), CopyRequest{From: s.path("in/d"), To: s.path("out/d")})
			wantKind(t, err, NotApproved)
			_, err = device.approved(s).Move(t.Context(), MoveRequest{From: s.path("in/d"), To: s.path("out/d")})
			wantKind(t, err, NotApproved)
			s.wantTree("", before...)
		}
	}
}

func TestAttack_aLinkThatWouldLeadOutWhereItGoes(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "a")
	s.link("../a", "in/d/link")
	if _, err := s.copy("in/d/link", "out/e/link"); err != nil {
		t.Errorf("want a link copied that stays below, got %v", err)
	}
	_, err := s.copy("in/d/link", "out/link")
	wantKind(t, err, NotApproved)
	s.wantTree("out", "e/", "e/link -> ../a")
}

func TestAttack_linksInsideAreFollowed(t *testing.T) {
	s := newSite(t)
	s.write("in/real/a", "a")
	s.link("real", "in/alias")
	s.link("loop", "in/loop")
	if _, err := s.copy("in/alias/a", "in/alias/new/b"); err != nil {
		t.Error(err)
	}
	_, err := s.copy("in/loop/a", "out/a")
	wantKind(t, err, Failed)
	s.wantTree("in", "alias -> real", "loop -> loop", "real/", "real/a: a", "real/new/", "real/new/b: a")
}

func TestAttack_hardLinksKeepTheirContents(t *testing.T) {
	for _, device := range devices {
		s := newSite(t)
		s.write("in/a", "a")
		s.write("in/b", "b")
		for _, name := range []string{"in/copied", "in/moved", "in/gone"} {
			if err := os.Link(s.path("secret/s.txt"), s.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		before, err := os.Stat(s.path("secret/s.txt"))
		if err != nil {
			t.Fatal(err)
		}
		a := device.approved(s)
		if _, err := a.Copy(t.Context(), CopyRequest{From: s.path("in/a"), To: s.path("in/copied"), Overwrite: true, PreserveTimestamp: true}); err != nil {
			t.Error(err)
		}
		if _, err := a.Move(t.Context(), MoveRequest{From: s.path("in/b"), To: s.path("in/moved"), Overwrite: true}); err != nil {
			t.Error(err)
		}
		if err := a.DeleteFile(t.Context(), s.path("in/gone")); err != nil {
			t.Error(err)
		}
		s.wantTree("in", "a: a", "copied: a", "moved: b")
		s.wantTree("secret", "s.txt: SECRET")
		if after, err := os.Stat(s.path("secret/s.txt")); err != nil || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: want mode and time kept, got %v, %v", device.name, after, err)
		}
	}
}
