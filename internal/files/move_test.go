package files

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// devices are the two ways of a move: by a rename, or by a copy.
var devices = []struct {
	name     string
	approved func(site) *Approved
}{
	{"one device", site.approved},
	{"two devices", site.apart},
}

// apart is approved with every directory on a separate device.
func (s site) apart() *Approved {
	a := s.approved()
	a.rename = func(from, to *operand, how existing) error {
		if from.dir != to.dir {
			return errOtherDevice
		}
		return rename(from, to, how)
	}
	return a
}

func TestMove(t *testing.T) {
	for _, device := range devices {
		s := newSite(t)
		a := device.approved(s)
		s.write("in/a", "a")
		s.write("in/d/b", "b")
		s.write("in/d/sub/c", "c")
		s.link("sub/c", "in/d/link")
		s.write("in/e#1", "e")
		changed := time.Unix(1_600_000_000, 0)
		if err := os.Chtimes(s.path("in/a"), changed, changed); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{"a": "new/deep/a", "d": "d", "e%231": "e"} {
			result, err := a.Move(t.Context(), MoveRequest{From: s.path("in/" + from), To: s.path("out//" + to)})
			if err != nil || result.To != s.path("out/"+to) {
				t.Errorf("%s: want %s moved to %s, got %+v, %v", device.name, from, to, result, err)
			}
		}
		s.wantTree("in")
		s.wantTree("out", "d/", "d/b: b", "d/link -> sub/c", "d/sub/", "d/sub/c: c", "e: e", "new/", "new/deep/", "new/deep/a: a")
		if info, err := os.Stat(s.path("out/new/deep/a")); err != nil || !info.ModTime().Equal(changed) {
			t.Errorf("%s: want the time kept, got %v, %v", device.name, info, err)
		}
	}
}

func TestMove_existingDestination(t *testing.T) {
	tests := []struct {
		name, from, to string
		want           []string
	}{
		{"file for file", "in/a", "out/file", []string{"d/", "d/old: old", "file: a"}},
		{"file for directory", "in/a", "out/d", []string{"d: a", "file: old"}},
		{"directory for file", "in/dir", "out/file", []string{"d/", "d/old: old", "file/", "file/b: b"}},
		{"directory for directory", "in/dir", "out/d", []string{"d/", "d/b: b", "file: old"}},
	}
	for _, device := range devices {
		for _, tt := range tests {
			s := newSite(t)
			a := device.approved(s)
			s.write("in/a", "a")
			s.write("in/dir/b", "b")
			s.write("out/file", "old")
			s.write("out/d/old", "old")
			before := append(s.tree("in"), s.tree("out")...)
			request := MoveRequest{From: s.path(tt.from), To: s.path(tt.to)}
			_, err := a.Move(t.Context(), request)
			wantKind(t, err, Exists)
			if after := append(s.tree("in"), s.tree("out")...); strings.Join(after, "\n") != strings.Join(before, "\n") {
				t.Errorf("%s, %s: want nothing changed, got %q", device.name, tt.name, after)
			}
			request.Overwrite = true
			if _, err := a.Move(t.Context(), request); err != nil {
				t.Errorf("%s, %s: %v", device.name, tt.name, err)
			}
			s.wantTree("out", tt.want...)
			if _, err := os.Lstat(s.path(tt.from)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s, %s: want the source gone, got %v", device.name, tt.name, err)
			}
		}
	}
}

func TestMove_whatCannotBeMoved(t *testing.T) {
	tests := []struct {
		name, from, to string
		want           Kind
	}{
		{"missing source", "in/no", "out/x", NotFound},
		{"onto itself", "in/a", "in/a", Failed},
		{"directory into itself", "in/d", "in/d/e/f", Failed},
		{"directory into itself by a link", "in/d", "in/alias/e", Failed},
		{"onto the directory that it is in", "in/d/b", "in/d", Failed},
		{"onto a directory far above it", "in/d/sub/c", "in/d", Failed},
		{"below a file", "in/a", "out/file/x", Failed},
		{"approved directory", "in", "out/x", NotApproved},
		{"onto approved directory", "in/a", "out", NotApproved},
		{"outside", "secret/s.txt", "out/x", NotApproved},
		{"to the outside", "in/a", "secret/s.txt", NotApproved},
	}
	for _, device := range devices {
		for _, tt := range tests {
			s := newSite(t)
			s.write("in/a", "a")
			s.write("in/d/b", "b")
			s.write("in/d/sub/c", "c")
			s.link("d", "in/alias")
			s.write("out/file", "file")
			before := s.tree("")
			_, err := device.approved(s).Move(t.Context(), MoveRequest{From: s.path(tt.from), To: s.path(tt.to), Overwrite: true})
			got, _ := errors.AsType[*Error](err)
			if got == nil || got.Kind != tt.want {
				t.Errorf("%s, %s: want an error of kind %q, got %v", device.name, tt.name, tt.want, err)
			}
			s.wantTree("", before...)
		}
	}
}

func TestMove_betweenDevicesCancelledChangesNothing(t *testing.T) {
	for _, to := range []string{"out/new", "out/d"} {
		s := newSite(t)
		s.write("in/d/a", strings.Repeat("a", 2*bufferSize))
		s.write("in/d/b", "b")
		s.write("out/d/old", "old")
		before := s.tree("")
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.apart().Move(ctx, MoveRequest{From: s.path("in/d"), To: s.path(to), Overwrite: true, Progress: func(p Progress) {
			if p.Files == 1 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("want the end of the context, got %v", err)
		}
		s.wantTree("", before...)
	}
}

func TestMove_betweenDevicesKeepsASourceThatChanges(t *testing.T) {
	changes := map[string]func(site){
		"a file more":  func(s site) { s.write("in/d/late", "late") },
		"other length": func(s site) { s.write("in/d/a", "longer") },
		"other contents": func(s site) {
			s.write("in/d/a", "A")
			os.Chtimes(s.path("in/d/a"), time.Time{}, time.Unix(1_600_000_000, 0))
		},
		"one file less": func(s site) { os.Remove(s.path("in/d/a")) },
	}
	for name, change := range changes {
		s := newSite(t)
		s.write("in/d/a", "a")
		s.write("in/d/b", "b")
		_, err := s.apart().Move(t.Context(), MoveRequest{From: s.path("in/d"), To: s.path("out/d"), Progress: func(p Progress) {
			if p.Files == 2 {
				change(s)
			}
		}})
		wantKind(t, err, Failed)
		if s.wantTree("out"); len(s.tree("in/d")) == 0 {
			t.Errorf("%s: want the source there still", name)
		}
	}
}

func TestMove_betweenDevicesKeepsWhatAppearsMeanwhile(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "new")
	_, err := s.apart().Move(t.Context(), MoveRequest{From: s.path("in/a"), To: s.path("out/a"), Progress: func(Progress) { s.write("out/a", "meanwhile") }})
	wantKind(t, err, Exists)
	s.wantTree("in", "a: new")
	s.wantTree("out", "a: meanwhile")
}

func TestMove_overADirectoryKeepsWhatAppearsMeanwhile(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "new")
	s.write("out/d/old", "old")
	_, err := s.apart().Move(t.Context(), MoveRequest{From: s.path("in/a"), To: s.path("out/d"), Overwrite: true, Progress: func(Progress) { s.write("out/d", "meanwhile") }})
	wantKind(t, err, Failed)
	s.wantTree("in", "a: new")
	got := s.tree("out")
	if len(got) != 3 || got[2] != "d: meanwhile" || !strings.HasSuffix(got[1], "/old: old") {
		t.Fatalf("want both the new file and the old directory, got %q", got)
	}
	if aside := strings.TrimSuffix(got[0], "/"); !strings.Contains(err.Error(), s.path("out/"+aside)) {
		t.Errorf("want to be told of %s, got %v", aside, err)
	}
}

func TestRename_replacesNothingUnlessTold(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "new")
	s.write("in/b", "old")
	a := s.approved()
	e, err := a.open(a.move, s.path("in/a"), s.path("in/b"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if err := e.to.makeParents(); err != nil {
		t.Fatal(err)
	}
	if err := rename(e.from, e.to, keep); !errors.Is(err, os.ErrExist) {
		t.Errorf("want the file kept, got %v", err)
	}
	s.wantTree("in", "a: new", "b: old")
	if err := rename(e.from, e.to, replace); err != nil {
		t.Errorf("want the file replaced, got %v", err)
	}
	s.wantTree("in", "b: new")
}
