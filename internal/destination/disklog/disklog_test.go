package disklog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

func sampleConfig(directory string) string {
	const text = "{scriptLog: {storeOnDisk: {clientManaged: {reloadTaskFailure: {enable: true, logDirectory: %[1]q}}}}, " +
		"routes: [{name: night, scriptLog: [{logDirectory: %[1]q}]}]}"
	return fmt.Sprintf(text, directory)
}

func TestDiskLog_conformsToDestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     sampleConfig,
		Mistakes:   sampleConfig(""),
		MistakenPaths: []string{
			"scriptLog.storeOnDisk.clientManaged.reloadTaskFailure.logDirectory", "routes[0].scriptLog[0].logDirectory",
		},
		Peer: func(t *testing.T) *destinationtest.Peer {
			t.Helper()
			directory := filepath.Join(t.TempDir(), "not", "there", "yet")
			return &destinationtest.Peer{Address: directory, Received: changesOf(t, directory)}
		},
	})
}

// changesOf returns a function that takes away every file below a directory, and
// returns all that it has taken: path, empty line, content.
func changesOf(t *testing.T, directory string) func() []string {
	t.Helper()
	seen := map[string]string{}
	var history []string
	return func() []string {
		for file, text := range filesBelow(t, directory) {
			if err := os.Remove(filepath.Join(directory, file)); err != nil {
				t.Error(err)
			}
			if seen[file] != text {
				seen[file] = text
				history = append(history, file+"\n\n"+text)
			}
		}
		return history
	}
}

func filesBelow(t *testing.T, directory string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		relative, _ := filepath.Rel(directory, path)
		out[filepath.ToSlash(relative)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func noticeWith(attachment string) messages.Notice {
	n := destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "disklog/reload_task_failed", "")
	n.Attachment = attachment
	return n
}

// open builds the archive below directory and returns it with its log.
func open(t *testing.T, directory string) (destination.Destination, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	deps := destinationtest.Deps(t)
	deps.Log = zap.New(core)
	built, err := Definition().Build(destinationtest.Decoder(sampleConfig(directory), schema), deps)
	if err != nil {
		t.Fatal(err)
	}
	return built[0].Destination, logs
}

const sampleFile = "2026-05-06/2026-05-06_14-23-45_appId=8f1d1ecf-97a6-4eb5-8f47-f9156300b854_taskId=22b106a8-e7ed-4466-b700-014f060bef16.log"

func TestFileName_isMadeFromTheEventInAStrictForm(t *testing.T) {
	zone := time.FixedZone("CEST", 2*60*60)
	rows := map[string]struct{ timestamp, appID, taskID, want string }{
		"scheduler's time": {
			"2024-10-10 15:35:25,881", destinationtest.AppID, destinationtest.TaskID,
			"2024-10-10/2024-10-10_15-35-25_appId=8f1d1ecf-97a6-4eb5-8f47-f9156300b854_taskId=22b106a8-e7ed-4466-b700-014f060bef16.log",
		},
		"time without milliseconds": {"2024-10-10 15:35:25", "a", "b", "2024-10-10/2024-10-10_15-35-25_appId=a_taskId=b.log"},
		"path instead of a time":    {"../../../../x", "a", "b", "2026-05-06/2026-05-06_14-23-45_appId=a_taskId=b.log"},
		"date that does not exist":  {"2024-13-40 15:35:25", "a", "b", "2026-05-06/2026-05-06_14-23-45_appId=a_taskId=b.log"},
		"empty time":                {"", "a", "b", "2026-05-06/2026-05-06_14-23-45_appId=a_taskId=b.log"},
		"path instead of an ID":     {"", "../../etc/passwd", `C:\x`, "2026-05-06/2026-05-06_14-23-45_appId=______etc_passwd_taskId=C__x.log"},
		"no ID":                     {"", "", "", "2026-05-06/2026-05-06_14-23-45_appId=none_taskId=none.log"},
		"long ID":                   {"", strings.Repeat("a", 500), "b", "2026-05-06/2026-05-06_14-23-45_appId=" + strings.Repeat("a", 64) + "_taskId=b.log"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			e := messages.TaskEvent{LogTimestamp: row.timestamp, AppID: row.appID, TaskID: row.taskID, At: destinationtest.EventTime()}
			if got := fileName(&messages.Alert{Event: e}, zone); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestFileName_isSafeForAnyEvent(t *testing.T) {
	form := regexp.MustCompile(`^\d{4}-\d{2}-\d{2}/\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}_appId=[0-9A-Za-z_-]{1,64}_taskId=[0-9A-Za-z_-]{1,64}\.log$`)
	rapid.Check(t, func(t *rapid.T) {
		e := messages.TaskEvent{
			LogTimestamp: rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}.{0,9}`)).Draw(t, "timestamp"),
			AppID:        rapid.String().Draw(t, "appID"), TaskID: rapid.String().Draw(t, "taskID"), At: destinationtest.EventTime(),
		}
		if got := fileName(&messages.Alert{Event: e}, time.UTC); !form.MatchString(got) {
			t.Errorf("got %q", got)
		}
	})
}

func TestFileName_ofACloudReloadHasItsTimeInAStrictForm(t *testing.T) {
	for name, row := range map[string]struct{ at, app, reload, want string }{
		"as it comes": {"2031-05-02T08:15:30.25Z", destinationtest.AppID, "66aa00", "2031-05-02/2031-05-02T08-15-30_appId=" + destinationtest.AppID + "_reloadId=66aa00.log"},
		"hostile":     {"../../x", "../..", "a/../b", "2026-05-06/2026-05-06T12-23-46_appId=______reloadId=a____b.log"},
	} {
		a := messages.Alert{Kind: messages.CloudReloadFailed, DecidedAt: destinationtest.EventTime().Add(time.Second), App: messages.App{ID: row.app}}
		a.Cloud.EventTime, a.Cloud.ReloadID = row.at, row.reload
		if got := fileName(&a, time.UTC); got != row.want {
			t.Errorf("%s: want %s, got %s", name, row.want, got)
		}
	}
}

func TestUses_cloudReloadsRequireAnEnabledTenant(t *testing.T) {
	const both = "{scriptLog: {storeOnDisk: {qsCloud: {appReloadFailure: {enable: true, logDirectory: logs}}}}, qlikSenseCloud: {enable: %v}}"
	for on, want := range map[bool]int{true: 1, false: 0} {
		built, err := Definition().Build(destinationtest.Decoder(fmt.Sprintf(both, on), schema), destinationtest.Deps(t))
		if err != nil || len(built) != want {
			t.Errorf("%v: %d archives, %v", on, len(built), err)
		}
	}
}

func TestDeliver_writesTheWholeLogWithLineFeeds(t *testing.T) {
	directory := t.TempDir()
	d, _ := open(t, directory)
	receipt, err := d.Deliver(t.Context(), noticeWith("row1\r\nrow2\nröw3"))
	if err != nil || !strings.Contains(receipt.Detail, sampleFile) {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	files := filesBelow(t, directory)
	if len(files) != 1 || files[sampleFile] != "row1\nrow2\nröw3" {
		t.Errorf("got %q", files)
	}
}

func TestDeliver_twiceLeavesOneFile(t *testing.T) {
	directory := t.TempDir()
	d, _ := open(t, directory)
	for _, text := range []string{"one\ntwo", "one\ntwo", "one\ntwo\nthree"} {
		if _, err := d.Deliver(t.Context(), noticeWith(text)); err != nil {
			t.Fatal(err)
		}
	}
	if files := filesBelow(t, directory); len(files) != 1 || files[sampleFile] != "one\ntwo\nthree" {
		t.Errorf("got %q", files)
	}
}

// Anybody who may send events can name the task and the second of an earlier one.
func TestDeliver_leavesTheLogOfAnotherExecutionAsItIs(t *testing.T) {
	directory := t.TempDir()
	d, _ := open(t, directory)
	want := map[string]string{sampleFile: "the first one, which is longer"}
	for _, execution := range []string{"", "b1", "../b2", "b1"} {
		n := noticeWith("the log of " + execution)
		if n.Alert.Event.ExecutionID = execution; execution == "" {
			n = noticeWith(want[sampleFile])
		} else {
			want[strings.TrimSuffix(sampleFile, ".log")+"_executionId="+safeID(execution)+".log"] = n.Attachment
		}
		if _, err := d.Deliver(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, filesBelow(t, directory)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDeliver_ofTheEndOfALogDoesNotReplaceAMoreCompleteFile(t *testing.T) {
	const cut = "[the first 4 bytes of this log are left out]\n"
	own := strings.TrimSuffix(sampleFile, ".log") + "_executionId=" + noticeWith("").Alert.Event.ExecutionID + ".log"
	rows := map[string]struct {
		there, text string
		want        string // in the file that was there
		beside      string // in a file of its own
	}{
		"the whole log":        {"one\r\ntwo\r\nthree", cut + "\ntwo\r\nthree", "one\ntwo\nthree", ""},
		"more of its end":      {"[the first 2 bytes of this log are left out]\ne\ntwo", cut + "two", "[the first 2 bytes of this log are left out]\ne\ntwo", ""},
		"less of its end":      {"[the first 6 bytes of this log are left out]\no", cut + "two", "[the first 6 bytes of this log are left out]\no", cut + "two"},
		"another log":          {"a longer one, of another reload", cut + "two", "a longer one, of another reload", cut + "two"},
		"a log that is whole":  {"one\ntwo", "two", "one\ntwo", "two"},
		"a line that is close": {"one\n[the first bytes of this log are left out]\ntwo", "[the first bytes of this log are left out]\ntwo", "one\n[the first bytes of this log are left out]\ntwo", "[the first bytes of this log are left out]\ntwo"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			d, _ := open(t, directory)
			for _, text := range []string{row.there, row.text} {
				if got, err := d.Deliver(t.Context(), noticeWith(text)); err != nil || got.Status != "stored" {
					t.Fatal(got, err)
				}
			}
			want := map[string]string{sampleFile: row.want}
			if row.beside != "" {
				want[own] = row.beside
			}
			if diff := cmp.Diff(want, filesBelow(t, directory)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeliver_reportsAShortOrMissingLog(t *testing.T) {
	rows := map[string]struct {
		rows, files, warnings int
	}{
		"no log":   {0, 0, 1},
		"9 lines":  {9, 1, 1},
		"10 lines": {10, 1, 0},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			d, logs := open(t, directory)
			if _, err := d.Deliver(t.Context(), noticeWith(strings.TrimSuffix(strings.Repeat("line\n", row.rows), "\n"))); err != nil {
				t.Fatal(err)
			}
			if got := len(filesBelow(t, directory)); got != row.files {
				t.Errorf("%d files, want %d", got, row.files)
			}
			if got := logs.FilterLevelExact(zap.WarnLevel).Len(); got != row.warnings {
				t.Errorf("%d warnings, want %d", got, row.warnings)
			}
			if entries, _ := os.ReadDir(directory); len(entries) != row.files {
				t.Errorf("%d directories, want %d", len(entries), row.files)
			}
		})
	}
}

func TestDeliver_doesNotFollowALinkOutOfTheArchive(t *testing.T) {
	directory, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(directory, "2026-05-06")); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, directory)
	if _, err := d.Deliver(t.Context(), noticeWith("text")); err == nil {
		t.Error("want an error")
	}
	if files := filesBelow(t, outside); len(files) > 0 {
		t.Errorf("written outside: %q", files)
	}
}

func TestDeliver_leavesNothingBehindWhenItFails(t *testing.T) {
	directory := t.TempDir()
	// A directory at the path of the file makes the rename fail.
	if err := os.MkdirAll(filepath.Join(directory, sampleFile, "full"), 0o750); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, directory)
	if _, err := d.Deliver(t.Context(), noticeWith("text")); err == nil {
		t.Error("want an error")
	}
	if files := filesBelow(t, directory); len(files) > 0 {
		t.Errorf("left behind: %q", files)
	}
}

func TestDeliver_endsWithItsContext(t *testing.T) {
	directory := t.TempDir()
	d, _ := open(t, directory)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Deliver(ctx, noticeWith("text"))
	if kind, _ := destination.KindOf(err); !errors.Is(err, context.Canceled) || kind != destination.Transient {
		t.Errorf("got %v", err)
	}
	if files := filesBelow(t, directory); len(files) > 0 {
		t.Errorf("left behind: %q", files)
	}
}

func TestErrors_distinguishAFullDiskFromAWrongDirectory(t *testing.T) {
	for cause, want := range map[error]destination.ErrorKind{
		syscall.ENOSPC: destination.Transient, syscall.EDQUOT: destination.Transient, syscall.EIO: destination.Transient,
		syscall.EACCES: destination.MisconfiguredKind, syscall.ENOTDIR: destination.MisconfiguredKind, syscall.EROFS: destination.MisconfiguredKind,
	} {
		err := fmt.Errorf("store: %w", &fs.PathError{Op: "write", Path: "x", Err: cause})
		if got, _ := destination.KindOf(classify(err)); got != want {
			t.Errorf("%v: kind %d, want %d", cause, got, want)
		}
	}
	read := &os.LinkError{Op: "rename", Old: "x.part", New: "x", Err: syscall.EACCES}
	if got, _ := destination.KindOf(classify(read)); got != destination.Transient {
		t.Errorf("%v: kind %d, want %d", read, got, destination.Transient)
	}
}

func TestDirectory_thatIsAFileIsAMisconfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, file)
	_, err := d.Deliver(t.Context(), noticeWith("text"))
	if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind {
		t.Errorf("got %v", err)
	}
}

func TestRelativeDirectory_isBelowTheConfiguration(t *testing.T) {
	deps := destinationtest.Deps(t)
	built, err := Definition().Build(destinationtest.Decoder(sampleConfig("logs"), schema), deps)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := built[0].Destination.Deliver(t.Context(), noticeWith("text")); err != nil {
		t.Fatal(err)
	}
	if files := filesBelow(t, filepath.Join(deps.BaseDir, "logs")); len(files) != 1 {
		t.Errorf("got %q", files)
	}
}

func TestDeliverBatch_storesTheOthersWhenOneFails(t *testing.T) {
	directory := t.TempDir()
	d, _ := open(t, directory)
	var notices []messages.Notice
	for i, text := range []string{"first", "second", "", "third"} {
		n := noticeWith(text)
		n.ID += messages.NoticeID(fmt.Sprint(i))
		n.Alert.Event.AppID = fmt.Sprintf("%d0000000-0000-0000-0000-000000000000", i)
		notices = append(notices, n)
	}
	file := func(i int) string {
		return strings.ReplaceAll(sampleFile, "8f1d1ecf-97a6-4eb5-8f47-f9156300b854", notices[i].Alert.Event.AppID)
	}
	if err := os.MkdirAll(filepath.Join(directory, file(1), "in the way"), 0o750); err != nil {
		t.Fatal(err)
	}
	errs := d.(destination.BatchDeliverer).DeliverBatch(t.Context(), notices)
	for i, err := range errs {
		if (err != nil) != (i == 1) {
			t.Errorf("log %d: %v", i, err)
		}
	}
	if files := filesBelow(t, directory); len(files) != 2 || files[file(0)] != "first" || files[file(3)] != "third" {
		t.Errorf("got %q", files)
	}
}
