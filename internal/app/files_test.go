package app_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/demo"
)

// Attacks on file operations, as they come over HTTP: nothing outside of the
// approved directories is read, written or revealed. internal/files has them
// one by one; here they meet what decodes and reports them.

const attackConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {fileCopy: true, fileMove: true, fileDelete: true, createDir: true, createDirQVD: true}
  fileCopyApprovedDirectories: [{fromDirectory: yard/in, toDirectory: yard/out}]
  fileMoveApprovedDirectories: [{fromDirectory: yard/in, toDirectory: yard/out}]
  fileDeleteApprovedDirectories: [yard/out]
  configDirectories: {qvdPath: yard/qvd}
`

const (
	insideText  = "PUBLIC"
	outsideText = "S3CR3T"
)

// attacked is a site with approved directories beside one that is not.
func attacked(t *testing.T) *site {
	t.Helper()
	s := siteOf(t)
	for _, directory := range []string{"yard/in/sub", "yard/out/sub", "yard/qvd", "secret"} {
		must(t, os.MkdirAll(filepath.Join(s.dir, directory), 0o755))
	}
	for _, file := range []string{"yard/in/a.txt", "yard/in/sub/a.txt", "yard/out/sub/a.txt"} {
		must(t, os.WriteFile(filepath.Join(s.dir, file), []byte(insideText), 0o644))
	}
	for _, file := range []string{"secret/there.txt", "secret/a.txt"} { // the second has the name of one inside
		must(t, os.WriteFile(filepath.Join(s.dir, file), []byte(outsideText), 0o644))
	}
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: attackConfig})
	return s
}

// tree lists a directory with the contents of its files.
func (s *site) tree(directory string) []string {
	s.t.Helper()
	var out []string
	must(s.t, filepath.WalkDir(filepath.Join(s.dir, directory), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return nil //nolint:nilerr // swapped meanwhile, or a link that is not followed
		}
		line := strings.TrimPrefix(path, s.dir)
		if d.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			line += ": " + string(text)
		}
		out = append(out, line)
		return nil
	}))
	return out
}

// fileCall makes a call about files with members that hold any text.
func (s *site) fileCall(method, path string, members map[string]any) (int, string) {
	s.t.Helper()
	body, err := json.Marshal(members)
	must(s.t, err)
	return s.call(method, path, string(body))
}

func TestREST_filesLetNothingOut(t *testing.T) {
	s := attacked(t)
	must(t, os.Symlink(filepath.Join(s.dir, "secret"), filepath.Join(s.dir, "yard/in/link")))
	must(t, os.Symlink("../../secret", filepath.Join(s.dir, "yard/out/link")))
	must(t, os.Symlink("../../secret", filepath.Join(s.dir, "yard/qvd/link")))
	before := s.tree("secret")
	root := func(path string) string { return filepath.Join(s.dir, "yard") + "/" + path }
	for name, row := range map[string]struct{ from, to, below string }{
		"parents":                  {root("in/../../secret/%s"), root("out/../../secret/%s"), "../../secret/%s"},
		"parents, far":             {root("in/" + strings.Repeat("../", 40) + "etc/%s"), root("out/" + strings.Repeat("../", 40) + "tmp/x%s"), strings.Repeat("../", 40) + "etc/%s"},
		"parents with backslashes": {root(`in\..\..\secret\%s`), root(`out\..\..\secret\%s`), `..\..\secret\%s`},
		"encoded parents":          {root("in/%%2e%%2e/%%2e%%2e/secret/%s"), root("out/../%%2e%%2e/%s"), "%%2e%%2e/../../secret/%s"},
		"encoded twice":            {root("in/..%%252f..%%252fsecret/%s"), root("../..%%252fsecret/%s"), "../..%%252f..%%252fsecret/%s"},
		"absolute":                 {filepath.Join(s.dir, "secret") + "/%s", filepath.Join(s.dir, "secret") + "/%s", "/../../secret/%s"},
		"the beginning of a name":  {root("in-secret/%s"), root("out-secret/%s"), "../qvd-secret/%s"},
		"UNC":                      {`\\server\share\%s`, `//server/share/%s`, `..\..\..\..\server\share\%s`},
		"device":                   {`\\?\C:\secret\%s`, `\\.\pipe\%s`, `..\..\\?\C:\%s`},
		"drive":                    {`C:\secret\%s`, `C:secret\%s`, `../../C:\secret\%s`},
		"NUL":                      {root("in/a.txt\x00/../../../secret/%s"), root("out/x\x00%s"), "x\x00/../../../secret/%s"},
		"relative":                 {"secret/%s", "../secret/%s", "../../secret/%s"},
		"link":                     {root("in/link/%s"), root("out/link/%s"), "link/%s"},
		"stream":                   {root("in/../../secret/%s::$DATA"), root("out/../../secret/%s:stream"), "../../secret/%s:stream"},
	} {
		t.Run(name, func(t *testing.T) {
			inside := root("in/a.txt")
			told := map[string][]string{}
			for _, file := range []string{"there.txt", "gone.txt"} { // one exists outside, one does not
				from, to, below := fmt.Sprintf(row.from, file), fmt.Sprintf(row.to, file), fmt.Sprintf(row.below, file)
				for i, c := range []struct {
					method, path string
					members      map[string]any
				}{
					{"PUT", "/v4/filecopy", map[string]any{"fromFile": from, "toFile": root("out/stolen.txt"), "overwrite": true}},
					{"PUT", "/v4/filecopy", map[string]any{"fromFile": inside, "toFile": to, "overwrite": "true"}},
					{"POST", "/v4/filemove", map[string]any{"fromFile": from, "toFile": root("out/stolen.txt"), "overwrite": true}},
					{"PUT", "/v4/filemove", map[string]any{"fromFile": inside, "toFile": to, "overwrite": true}},
					{"DELETE", "/v4/filedelete", map[string]any{"deleteFile": to}},
					{"POST", "/v4/createdir", map[string]any{"directory": to + "/made"}},
					{"POST", "/v4/createdirqvd", map[string]any{"directory": below + "/made"}},
				} {
					status, text := s.fileCall(c.method, c.path, c.members)
					if status < 400 || status >= 500 || strings.Contains(text, outsideText) {
						t.Errorf("%s %v: want it refused, got %d with %s", c.path, c.members, status, text)
					}
					told[file] = append(told[file], fmt.Sprint(i, " ", status, " ", strings.ReplaceAll(text, file, "FILE")))
				}
			}
			if diff := cmp.Diff(told["there.txt"], told["gone.txt"]); diff != "" {
				t.Errorf("the answers tell what exists outside (-there +missing):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(before, s.tree("secret")); diff != "" {
		t.Errorf("outside (-before +after):\n%s", diff)
	}
	s.wantInside()
}

// wantInside checks that nothing in the approved directories comes from outside.
func (s *site) wantInside() {
	s.t.Helper()
	for _, line := range s.tree("yard") {
		if strings.Contains(line, outsideText) {
			s.t.Errorf("want nothing from the outside, got %s", line)
		}
	}
}

func TestREST_filesKnowNoPathInTheAddress(t *testing.T) {
	s := attacked(t)
	for _, target := range []string{
		"/v4/../secret/there.txt", "/v4/%2e%2e/secret/there.txt", "/documentation/../../secret/there.txt", "/documentation/..%2f..%2fsecret%2fthere.txt",
		`/documentation/..%5c..%5csecret%5cthere.txt`, "/documentation/%00", "//secret/there.txt",
	} {
		if status, text := s.call("GET", target, ""); status != http.StatusNotFound && status != http.StatusBadRequest || strings.Contains(text, outsideText) {
			t.Errorf("%s: want nothing there, got %d with %.100s", target, status, text)
		}
	}
}

// swapRounds bounds how often a directory is replaced by a link while calls use it.
const swapRounds = 150

func TestREST_filesAreNotFooledByLinksThatAppear(t *testing.T) {
	s := attacked(t)
	evil := filepath.Join(s.dir, "yard/evil")
	must(t, os.Symlink(filepath.Join(s.dir, "secret"), evil))
	before := s.tree("secret")
	for _, swapped := range []string{"yard/in/sub", "yard/out/sub"} {
		var swapper sync.WaitGroup
		done := make(chan struct{})
		at, parked := filepath.Join(s.dir, swapped), filepath.Join(s.dir, "yard/parked")
		swapper.Go(func() {
			defer close(done)
			for range swapRounds {
				_ = os.Rename(at, parked)
				_ = os.Rename(evil, at)
				_ = os.Rename(at, evil)
				_ = os.Rename(parked, at)
			}
		})
		s.useWhile(done)
		swapper.Wait()
	}
	if diff := cmp.Diff(before, s.tree("secret")); diff != "" {
		t.Errorf("outside (-before +after):\n%s", diff)
	}
	s.wantInside()
}

// useWhile makes calls on and through what is swapped until done.
func (s *site) useWhile(done <-chan struct{}) {
	path := func(p string) string { return filepath.Join(s.dir, "yard", p) }
	for round := 0; ; round++ {
		select {
		case <-done:
			return
		default:
		}
		for _, c := range []struct {
			method, path string
			members      map[string]any
		}{
			{"PUT", "/v4/filecopy", map[string]any{"fromFile": path("in/sub/a.txt"), "toFile": path(fmt.Sprint("out/", round)), "overwrite": true}},
			{"PUT", "/v4/filecopy", map[string]any{"fromFile": path("in/sub"), "toFile": path(fmt.Sprint("out/tree", round))}},
			{"PUT", "/v4/filecopy", map[string]any{"fromFile": path("in/a.txt"), "toFile": path("out/sub/a.txt"), "overwrite": true}},
			{"DELETE", "/v4/filedelete", map[string]any{"deleteFile": path("out/sub/a.txt")}},
			{"POST", "/v4/createdir", map[string]any{"directory": path(fmt.Sprint("out/sub/", round, "/made"))}},
		} {
			if _, text := s.fileCall(c.method, c.path, c.members); strings.Contains(text, outsideText) {
				s.t.Errorf("%s tells of the outside: %s", c.path, text)
			}
		}
	}
}

func TestREST_aCopyTellsTheSumOfWhatIsOnTheDisk(t *testing.T) {
	s := attacked(t)
	status, text := s.fileCall("PUT", "/v4/filecopy", map[string]any{
		"fromFile": filepath.Join(s.dir, "yard/in/a.txt"), "toFile": filepath.Join(s.dir, "yard/out/b.txt"),
	})
	if want := sumOf(insideText); status != 201 || !strings.Contains(text, `"sha256":"`+want+`"`) {
		t.Errorf("want the sum %s, got %d with %s", want, status, text)
	}
	status, text = s.fileCall("PUT", "/v4/filecopy", map[string]any{
		"fromFile": filepath.Join(s.dir, "yard/in/a.txt"), "toFile": filepath.Join(s.dir, "yard/out/b.txt"),
	})
	if status != 201 || strings.Contains(text, "sha256") {
		t.Errorf("want no sum of a file that is kept, got %d with %s", status, text)
	}
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
