package files

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCopy_file(t *testing.T) {
	s := newSite(t)
	s.write("in/a.qvd", "contents")
	result, err := s.copy(`in//./x\..\a.qvd`, "out/new/deep/b.qvd")
	if err != nil {
		t.Fatal(err)
	}
	want := Result{From: s.path("in/a.qvd"), To: s.path("out/new/deep/b.qvd"), Files: 1, Bytes: 8, SHA256: "d1b2a59fbea7e20077af9f91b27e95e865061b270be03ff539ab3b73587882e8"}
	if result != want {
		t.Errorf("want %+v, got %+v", want, result)
	}
	s.wantTree("in", "a.qvd: contents")
	s.wantTree("out", "new/", "new/deep/", "new/deep/b.qvd: contents")
}

func TestCopy_existingFileIsKeptUnlessOverwritten(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "new")
	s.write("out/a", "old")
	result, err := s.copy("in/a", "out/a")
	if err != nil || result.Kept != 1 || result.Files != 0 {
		t.Errorf("want one file kept and no error, got %+v, %v", result, err)
	}
	s.wantTree("out", "a: old")
	result, err = s.approved().Copy(t.Context(), CopyRequest{From: s.path("in/a"), To: s.path("out/a"), Overwrite: true})
	if err != nil || result.Files != 1 {
		t.Errorf("want the file replaced, got %+v, %v", result, err)
	}
	s.wantTree("out", "a: new")
}

func TestCopy_directoryIsMerged(t *testing.T) {
	s := newSite(t)
	s.write("in/d/a", "new a")
	s.write("in/d/sub/b", "new b")
	s.mkdir("in/d/empty")
	s.link("sub/b", "in/d/link")
	s.write("out/d/a", "old a")
	s.write("out/d/sub/c", "old c")
	result, err := s.copy("in/d", "out/d")
	if err != nil || result.Files != 1 || result.Kept != 1 || result.Bytes != 5 {
		t.Errorf("want one file copied and one kept, got %+v, %v", result, err)
	}
	s.wantTree("out/d", "a: old a", "empty/", "link -> sub/b", "sub/", "sub/b: new b", "sub/c: old c")
	if _, err := s.approved().Copy(t.Context(), CopyRequest{From: s.path("in/d"), To: s.path("out/d"), Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	s.wantTree("out/d", "a: new a", "empty/", "link -> sub/b", "sub/", "sub/b: new b", "sub/c: old c")
}

func TestCopy_keepsPermissionsAndOnRequestTimes(t *testing.T) {
	s := newSite(t)
	s.write("in/d/a", "a")
	accessed, changed := time.Unix(1_700_000_000, 0), time.Unix(1_600_000_000, 5000)
	for _, rel := range []string{"in/d/a", "in/d"} {
		if err := errors.Join(os.Chtimes(s.path(rel), accessed, changed), os.Chmod(s.path(rel), 0o550|os.ModeSetuid)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // otherwise only root can clean up
		for _, rel := range []string{"in/d", "out/kept", "out/fresh"} {
			_ = os.Chmod(s.path(rel), 0o700)
		}
	})
	for _, r := range []CopyRequest{{To: s.path("out/kept"), PreserveTimestamp: true}, {To: s.path("out/fresh")}} {
		r.From = s.path("in/d")
		if _, err := s.approved().Copy(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"", "/a"} {
			info, err := os.Stat(r.To + name)
			if err != nil {
				t.Fatal(err)
			}
			if host() == posix && info.Mode()&(os.ModePerm|os.ModeSetuid) != 0o550 {
				t.Errorf("%s: want mode 0550 without set-user-ID, got %v", r.To+name, info.Mode())
			}
			if kept := info.ModTime().Equal(changed); kept != r.PreserveTimestamp {
				t.Errorf("%s: want times kept %v, got %v", r.To+name, r.PreserveTimestamp, info.ModTime())
			}
		}
	}
	root, err := os.OpenRoot(s.path("out/kept"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	info, err := root.Stat("a")
	if err != nil {
		t.Fatal(err)
	}
	if got := accessTime(root, "a", info); !got.Equal(accessed) {
		t.Errorf("want the access time %v, got %v", accessed, got)
	}
}

func TestCopy_whatCannotBeCopied(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "a")
	s.write("in/d/b", "b")
	s.mkdir("out/a")
	s.write("out/d", "file")
	if err := os.Link(s.path("in/a"), s.path("out/hard")); err != nil {
		t.Fatal(err)
	}
	s.link("d", "in/alias")
	before := append(s.tree("in"), s.tree("out")...)
	tests := []struct {
		name, from, to string
		want           Kind
	}{
		{"missing source", "in/no", "out/x", NotFound},
		{"missing directory of the source", "in/no/no", "out/x", NotFound},
		{"file for a directory of the source", "in/a/no", "out/x", NotFound},
		{"file onto directory", "in/a", "out/a", Failed},
		{"directory onto file", "in/d", "out/d", Failed},
		{"file below a file", "in/a", "out/d/x", Failed},
		{"onto itself", "in/a", "in/a", Failed},
		{"onto itself by another spelling", "in/a", "in/d/../a", Failed},
		{"onto itself by a hard link", "in/a", "out/hard", Failed},
		{"directory into itself", "in/d", "in/d/e", Failed},
		{"directory deep into itself", "in/d", "in/d/e/f/g", Failed},
		{"directory into itself by a link", "in/d", "in/alias/e", Failed},
		{"approved directory", "in", "out/x", NotApproved},
		{"onto approved directory", "in/d", "out", NotApproved},
		{"above the approved directory", "in/..", "out/x", NotApproved},
	}
	for _, tt := range tests {
		for _, overwrite := range []bool{false, true} {
			_, err := s.approved().Copy(t.Context(), CopyRequest{From: s.path(tt.from), To: s.path(tt.to), Overwrite: overwrite})
			got, _ := errors.AsType[*Error](err)
			if got == nil || got.Kind != tt.want {
				t.Errorf("%s: want an error of kind %q, got %v", tt.name, tt.want, err)
			}
		}
	}
	if after := append(s.tree("in"), s.tree("out")...); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("want nothing changed\nwant %q\ngot  %q", before, after)
	}
}

func TestCopy_findsNamesWithANumberSign(t *testing.T) {
	s := newSite(t)
	s.write("in/a#1", "sign")
	result, err := s.copy("in/a%231", "out/a%231")
	if err != nil || result.From != s.path("in/a#1") || result.To != s.path("out/a%231") {
		t.Errorf("want the source found and the destination literal, got %+v, %v", result, err)
	}
	s.write("in/a%231", "literal")
	if _, err := s.copy("in/a%231", "out/b"); err != nil {
		t.Fatal(err)
	}
	s.wantTree("out", "a%231: sign", "b: literal")
}

func TestCopy_tellsProgress(t *testing.T) {
	s := newSite(t)
	s.write("in/d/a", strings.Repeat("a", 3*bufferSize))
	s.write("in/d/b", "b")
	var told []Progress
	_, err := s.approved().Copy(t.Context(), CopyRequest{From: s.path("in/d"), To: s.path("out/d"), Progress: func(p Progress) { told = append(told, p) }})
	if err != nil || len(told) < 5 {
		t.Fatalf("want progress with every buffer and file, got %v, %v", told, err)
	}
	total := int64(3*bufferSize + 1)
	if got, want := told[len(told)-1], (Progress{2, 2, total, total}); got != want {
		t.Errorf("want %+v in the end, got %+v", want, got)
	}
}

func TestCopy_cancelledLeavesNoHalfFile(t *testing.T) {
	for _, overwrite := range []bool{false, true} {
		s := newSite(t)
		s.write("in/a", strings.Repeat("a", 4*bufferSize))
		s.write("out/kept", "k")
		if overwrite {
			s.write("out/a", "old")
		}
		before := s.tree("out")
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.approved().Copy(ctx, CopyRequest{From: s.path("in/a"), To: s.path("out/a"), Overwrite: overwrite, Progress: func(p Progress) {
			if p.Bytes >= 2*bufferSize {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("want the end of the context, got %v", err)
		}
		s.wantTree("out", before...)
	}
}

func TestCopy_verifiesWhatItWrote(t *testing.T) {
	s := newSite(t)
	s.write("in/a", strings.Repeat("a", 2*bufferSize))
	s.write("out/a", "old")
	damage := func(p Progress) {
		if p.Bytes < 2*bufferSize {
			return
		}
		for _, line := range s.tree("out") {
			name, _, _ := strings.Cut(line, ":")
			if !strings.HasSuffix(name, ".tmp") {
				continue
			}
			file, err := os.OpenFile(s.path("out/"+name), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteAt([]byte("!"), 7); err != nil {
				t.Fatal(err)
			}
			file.Close()
		}
	}
	_, err := s.approved().Copy(t.Context(), CopyRequest{From: s.path("in/a"), To: s.path("out/a"), Overwrite: true, Progress: damage})
	wantKind(t, err, Failed)
	if !strings.Contains(err.Error(), "does not hold what was written") {
		t.Errorf("want the damage noticed, got %v", err)
	}
	s.wantTree("out", "a: old")
}

func TestCopy_saysWhichFileOfATreeIsWrong(t *testing.T) {
	s := newSite(t)
	s.write("in/d/a", "a")
	s.mkdir("out/d/a")
	_, err := s.copy("in/d", "out/d")
	wantKind(t, err, Failed)
	if !strings.Contains(err.Error(), s.path("out/d/a")) {
		t.Errorf("want the path of the directory that is in the way, got %v", err)
	}
}

func TestCopy_tooDeepATreeIsRefused(t *testing.T) {
	s := newSite(t)
	s.mkdir("in/d" + strings.Repeat("/d", maxDepth+1))
	_, err := s.copy("in/d", "out/d")
	wantKind(t, err, Failed)
	s.wantTree("out")
}

func TestCopy_keepsWhatAppearsMeanwhile(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "new")
	result, err := s.approved().Copy(t.Context(), CopyRequest{From: s.path("in/a"), To: s.path("out/a"), Progress: func(Progress) { s.write("out/a", "meanwhile") }})
	if err != nil || result.Kept != 1 {
		t.Errorf("want the other file kept, got %+v, %v", result, err)
	}
	s.wantTree("out", "a: meanwhile")
}
