package schedulefile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

// old is a file as the older scheduler writes it and people edit it.
const old = `# Schedules of the finance team
butlerSchedule:
  - name: Weekday mornings
    cronSchedule: 0,30 6-9 * * 1-5
    timezone: Europe/Oslo
    qlikSenseTaskId: 5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77
    startupState: started
    tags:
      - finance
      - 2026
    id: morning-1
    lastKnownState: started # set by hand
  # Once a year
  - id: 0042
    created: 2031-03-01T10:00:00.000Z
    name: "New year"
    cronSchedule: '0 0 0 1 0 *'
    timeZone: America/New_York
    qlikSenseTaskId: 0fe447a9-ba1f-44a9-ac23-68c3a1d88d8b
    startupState: stop
    owner: {name: Ann, phone: [1, 2]}
other: kept
`

func fileWith(t *testing.T, text string) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "schedule.yaml")
	write(t, path, text)
	return New(path), path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func load(t *testing.T, f *File) messages.ScheduleBook {
	t.Helper()
	book, err := f.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func save(t *testing.T, f *File, change messages.ScheduleChange, revision string) messages.ScheduleBook {
	t.Helper()
	book, saved, err := f.Save(t.Context(), change, revision)
	if err != nil || !saved {
		t.Fatalf("want the change saved, got %v, %v", saved, err)
	}
	return book
}

func ids(book messages.ScheduleBook) string {
	var out []string
	for _, s := range book.Schedules {
		out = append(out, s.ID)
	}
	return strings.Join(out, " ")
}

func TestLoad_readsAFileOfTheOldTool(t *testing.T) {
	f, path := fileWith(t, old)
	book := load(t, f)
	want := []messages.Schedule{
		{
			ID: "morning-1", Name: "Weekday mornings", Cron: "0,30 6-9 * * 1-5", Timezone: "Europe/Oslo",
			TaskID: "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77", StartupState: "started", Tags: []string{"finance", "2026"},
			LastKnownState: messages.ScheduleStarted,
		},
		{
			ID: "0042", Created: "2031-03-01T10:00:00.000Z", Name: "New year", Cron: "0 0 0 1 0 *", Timezone: "America/New_York",
			TaskID: "0fe447a9-ba1f-44a9-ac23-68c3a1d88d8b", StartupState: "stop",
		},
	}
	if diff := cmp.Diff(want, book.Schedules); diff != "" || len(book.Refused) != 0 {
		t.Errorf("refused %v, schedules (-want +got):\n%s", book.Refused, diff)
	}
	if contentOf(t, path) != old {
		t.Error("want the file as it was")
	}
}

func TestLoad_skipsUnusableEntries(t *testing.T) {
	f, _ := fileWith(t, `
butlerSchedule:
  - {id: a, name: first}
  - just a text
  - {name: no id}
  - {id: a, name: again}
  - {id: b, id: c}
  - {id: d, cronSchedule: [1, 2]}
  - {id: `+strings.Repeat("x", 300)+`}
  - null
  - {id: e, tags: solo}
  - {id: f, tags: [x, {y: z}, null, ""]}
`)
	book := load(t, f)
	if got := ids(book); got != "a e f" {
		t.Errorf("want the good entries, got %s", got)
	}
	if diff := cmp.Diff([]string{"solo"}, book.Schedules[1].Tags); diff != "" {
		t.Errorf("a tag alone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"x"}, book.Schedules[2].Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	for i, want := range []string{
		"entry 2 (line 4): it is not a mapping", "entry 3 (line 5): it has no id", `entry 4 (line 6): its ID "a" is that of entry 1`,
		"entry 5 (line 7): its properties cannot be read", "entry 6 (line 8): cronSchedule is not text", "entry 7 (line 9): its id is longer", "entry 8 (line 10): it is not a mapping",
	} {
		if i >= len(book.Refused) || !strings.HasPrefix(book.Refused[i], want) {
			t.Errorf("want a refusal that begins with %q, got %q", want, book.Refused)
		}
	}
}

func TestLoad_followsReferences(t *testing.T) {
	f, _ := fileWith(t, `
base: &base {timezone: Europe/Oslo, startupState: start}
butlerSchedule:
  - <<: *base
    id: a
  - &b {id: b, name: &name Nightly}
  - {id: c, name: *name}
`)
	book := load(t, f)
	if ids(book) != "a b c" || book.Schedules[0].Timezone != "Europe/Oslo" || book.Schedules[2].Name != "Nightly" {
		t.Errorf("want merged and referred properties, got %+v, %v", book.Schedules, book.Refused)
	}
}

func TestLoad_ofAFileWithoutSchedulesIsEmpty(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "butlerSchedule:\n", "butlerSchedule: null", "butlerSchedule: []", "{}", "null", "---\n", "other: 1\n", "\ufeffbutlerSchedule: []\n"} {
		f, _ := fileWith(t, text)
		book, err := f.Load(t.Context())
		if err != nil || len(book.Schedules) != 0 || len(book.Refused) != 0 || book.Revision == "" {
			t.Errorf("%q: want no schedules, got %+v, %v", text, book, err)
		}
	}
}

func TestLoad_refusesInvalidFiles(t *testing.T) {
	for text, want := range map[string]string{
		"butlerSchedule: [":       "did not find expected",
		"- a\n- b\n":              "it is not a mapping",
		"just a text":             "it is not a mapping",
		"butlerSchedule: {id: a}": "butlerSchedule is not a list",
		"butlerSchedule: []\n---\nbutlerSchedule: ": "more than one document",
		strings.Repeat("#", maxSize+1):              "longer than 8 MiB",
	} {
		f, path := fileWith(t, text)
		_, err := f.Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.40q: want an error with %q and the path, got %v", text, want, err)
		}
		if _, saved, err := f.Save(t.Context(), messages.ScheduleChange{Delete: "a"}, ""); saved || err == nil {
			t.Errorf("%.40q: want nothing written", text)
		}
		if contentOf(t, path) != text {
			t.Errorf("%.40q: want the file as it was", text)
		}
	}
	if _, err := New(filepath.Join(t.TempDir(), "none.yaml")).Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want a file that does not exist, got %v", err)
	}
	if _, err := New(t.TempDir()).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("want a directory refused, got %v", err)
	}
}

func TestSave_changesNothingElse(t *testing.T) {
	f, path := fileWith(t, old)
	book := save(t, f, messages.ScheduleChange{Switch: []string{"morning-1", "0042"}, To: messages.ScheduleStopped}, load(t, f).Revision)
	want := strings.Replace(old, "lastKnownState: started #", "lastKnownState: stopped #", 1)
	want = strings.Replace(want, "    owner: {name: Ann, phone: [1, 2]}\n", "    owner: {name: Ann, phone: [1, 2]}\n    lastKnownState: stopped\n", 1)
	if diff := cmp.Diff(want, contentOf(t, path)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if got := load(t, f); !cmp.Equal(got, book) {
		t.Errorf("want what was told to be in the file (-file +told):\n%s", cmp.Diff(got, book))
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("want the permissions kept, got %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("want no temporary file left, got %v", left)
	}
}

func TestSave_addsAndDeletes(t *testing.T) {
	added := messages.Schedule{
		ID: "0d2f6b4e-0000-4000-8000-000000000001", Created: "2031-03-01T10:00:00.000Z", Name: "yes: \"no\"\n# true", Cron: "0 0 2 * * *",
		Timezone: "Europe/Oslo", TaskID: "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77", StartupState: "stopped", Tags: []string{"1", "null"},
		LastKnownState: messages.ScheduleStopped,
	}
	for _, before := range []string{"", "# only this\n", "butlerSchedule:\n", "butlerSchedule: []\n", "{}", "null", "butlerSchedule: [{id: first}, 17]\n"} {
		f, path := fileWith(t, before)
		count := len(load(t, f).Schedules)
		book := save(t, f, messages.ScheduleChange{Add: added}, load(t, f).Revision)
		if diff := cmp.Diff([]messages.Schedule{added}, load(t, f).Schedules[count:]); diff != "" {
			t.Errorf("%q: added (-want +got):\n%s", before, diff)
		}
		if strings.HasPrefix(before, "#") && !strings.HasPrefix(contentOf(t, path), before) {
			t.Errorf("want the comment kept, got %s", contentOf(t, path))
		}
		if book = save(t, f, messages.ScheduleChange{Delete: added.ID}, book.Revision); len(book.Schedules) != count {
			t.Errorf("%q: want it deleted, got %v", before, book.Schedules)
		}
	}
}

func TestSave_keepsTheRestOfAFileWithoutSchedules(t *testing.T) {
	for before, want := range map[string]string{
		"# head\nother: kept\n":                         "# head\nother: kept\nbutlerSchedule:\n  - id: a\n",
		"# head\nbutlerSchedule: # none\nother: kept\n": "# head\nbutlerSchedule: # none\n  - id: a\nother: kept\n",
	} {
		f, path := fileWith(t, before)
		save(t, f, messages.ScheduleChange{Add: messages.Schedule{ID: "a"}}, load(t, f).Revision)
		if diff := cmp.Diff(want, contentOf(t, path)); diff != "" {
			t.Errorf("file (-want +got):\n%s", diff)
		}
	}
}

func TestSave_refusesToChangeAnotherSchedule(t *testing.T) {
	const shared = "butlerSchedule:\n  - &a {id: a, lastKnownState: started}\n  - {<<: *a, id: b}\n"
	f, path := fileWith(t, shared)
	_, saved, err := f.Save(t.Context(), messages.ScheduleChange{Switch: []string{"a"}, To: messages.ScheduleStopped}, load(t, f).Revision)
	if saved || err == nil || !strings.Contains(err.Error(), "write it more simply") || contentOf(t, path) != shared {
		t.Errorf("want nothing written, got %v, %v, %s", saved, err, contentOf(t, path))
	}
	book := save(t, f, messages.ScheduleChange{Switch: []string{"b"}, To: messages.ScheduleStopped}, load(t, f).Revision)
	if book.Schedules[0].LastKnownState != messages.ScheduleStarted || book.Schedules[1].LastKnownState != messages.ScheduleStopped {
		t.Errorf("want the one that refers to it changed alone, got %+v", book.Schedules)
	}
}

func TestSave_createsAFile(t *testing.T) {
	f := New(filepath.Join(t.TempDir(), "schedule.yaml"))
	book := save(t, f, messages.ScheduleChange{Add: messages.Schedule{ID: "a", Name: "n"}}, "")
	if want := "butlerSchedule:\n  - name: n\n    id: a\n"; contentOf(t, f.path) != want || ids(book) != "a" {
		t.Errorf("want %q, got %q", want, contentOf(t, f.path))
	}
}

func TestSave_doesNotOverwriteAChangedFile(t *testing.T) {
	f, path := fileWith(t, old)
	revision := load(t, f).Revision
	edited := strings.Replace(old, "morning-1", "renamed", 1)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, edited)
	// Not even when it has the same modification time.
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	book, saved, err := f.Save(t.Context(), messages.ScheduleChange{Delete: "0042"}, revision)
	if err != nil || saved || ids(book) != "renamed 0042" {
		t.Errorf("want the file read again, got %v, %v, %s", saved, err, ids(book))
	}
	if contentOf(t, path) != edited {
		t.Error("want the file as it was edited")
	}
	if book = save(t, f, messages.ScheduleChange{Delete: "0042"}, book.Revision); ids(book) != "renamed" {
		t.Errorf("want the change on top of the edit, got %s", ids(book))
	}
}

func TestSave_keepsASymbolicLink(t *testing.T) {
	f, path := fileWith(t, old)
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	save(t, New(link), messages.ScheduleChange{Delete: "0042"}, load(t, f).Revision)
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("want the link kept, got %v, %v", info.Mode(), err)
	}
	if got := ids(load(t, f)); got != "morning-1" {
		t.Errorf("want the target changed, got %s", got)
	}
}

func TestSave_createsAMissingDirectory(t *testing.T) {
	f := New(filepath.Join(t.TempDir(), "none", "schedule.yaml"))
	if _, saved, err := f.Save(t.Context(), messages.ScheduleChange{Add: messages.Schedule{ID: "a"}}, ""); !saved || err != nil {
		t.Fatalf("want the directory made, got %v, %v", saved, err)
	}
	if got := ids(load(t, f)); got != "a" {
		t.Errorf("want what was saved, got %q", got)
	}
}

// For any content of the file, a change leaves the other schedules unchanged, and a refused
// change leaves the file unchanged.
func FuzzSave(f *testing.F) {
	for _, seed := range []string{old, "", "butlerSchedule: [{id: a}, {id: a}]", "x: &x {id: a}\nbutlerSchedule: [*x, *x, {<<: *x, id: b}]", "- 1", "butlerSchedule:\n- id: |\n    a\n- ? {a: b}\n  : c\n", "%YAML 1.1\n---\n!!map {butlerSchedule: !!seq []}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "schedule.yaml")
		write(t, path, text)
		file := New(path)
		before, err := file.Load(context.Background())
		if err != nil {
			return
		}
		if _, saved, err := file.Save(context.Background(), messages.ScheduleChange{Add: messages.Schedule{ID: "added by the test"}}, before.Revision); err != nil || !saved {
			if got := contentOf(t, path); got != text {
				t.Fatalf("a change that was refused (%v) wrote %q", err, got)
			}
			return
		}
		after := load(t, file)
		if len(after.Schedules) != len(before.Schedules)+1 || len(after.Refused) != len(before.Refused) {
			t.Fatalf("want one more than %d and %d, got %+v", len(before.Schedules), len(before.Refused), after)
		}
		if diff := cmp.Diff(append([]messages.Schedule{}, before.Schedules...), after.Schedules[:len(before.Schedules)]); diff != "" {
			t.Fatalf("schedules (-before +after):\n%s", diff)
		}
	})
}
