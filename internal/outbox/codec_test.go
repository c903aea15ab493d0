package outbox

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/qlik"
	"butler/messages"
)

var update = flag.Bool("update", false, "write the fixtures of the present version")

var noon = time.Date(2026, 5, 6, 12, 0, 0, 123456789, time.UTC)

// fullAlert has something in every field.
func fullAlert() messages.Alert {
	return messages.Alert{
		ID: "0123456789abcdef0123456789abcdef", Kind: messages.ReloadTaskFailed, Key: "exec-1",
		Event: messages.TaskEvent{
			Family: messages.FamilyFailed, MessageType: "/scheduler-reload-failed/", HostName: "qliknode1",
			TaskName: "Reload of «Säles»", AppName: "Sales", User: `LAB\anna`, TaskID: "task-1", AppID: "app-1",
			LogTimestamp: "2026-05-06 14:00:00,123", LogLevel: "ERROR", ExecutionID: "exec-1",
			LogMessage: "boom <&>", Source: "10.0.0.7", At: noon, Sanitised: true,
		},
		Task: messages.Task{
			Known: true, ID: "task-1", Name: "Reload of Sales", Type: qlik.TaskReload, Tags: []string{"nightly"},
			CustomProperties: []messages.Property{{Name: "owner", Value: "finance"}}, MaxRetries: 2,
			LastStatus: qlik.ExecutionStatus(8),
		},
		App:   messages.App{Known: true, ID: "app-1", Name: "Sales", FileSize: 123, Tags: []string{"t"}},
		Owner: messages.Owner{Known: true, ID: "u1", Directory: "LAB", UserID: "anna", Emails: []string{"anna@example.com"}},
		Execution: messages.Execution{
			Known: true, ResultID: "r1", Node: "n1", Status: qlik.ExecutionStatus(8), Duration: 90 * time.Second,
			Details: []messages.ExecutionDetail{{Created: "2026", Message: "m", Type: "1"}},
		},
		ScriptLog: messages.ScriptLog{Available: true, Rows: 2, Characters: 20, Head: []string{"a", "b"}, Tail: []string{"b"}},
		Degraded:  []string{"the app owner could not be looked up"},
		DecidedAt: noon.Add(time.Second), Test: true,
	}
}

func fullNotice() noticeRecord {
	return noticeRecord{
		Alert: "0123456789abcdef0123456789abcdef", Kind: messages.ReloadTaskFailed, Key: "exec-1", TaskName: "Reload of Sales",
		Recipient: "anna@example.com", SuppressBy: "task-1|anna@example.com", QueuedAt: noon, Attempts: 5, Panics: 1, Attachment: true, Exempt: true,
	}
}

// TestCodec_readsEveryVersion reads the entries in testdata that earlier
// releases wrote. The directory of a version is never written again.
func TestCodec_readsEveryVersion(t *testing.T) {
	told := []string{"n1@email/reload_task_failed", "n2@slack/reload_task_failed"}
	parked := parkedRecord{
		Notice: fullNotice(), Instance: "email/reload_task_failed", Integration: "email", Cause: Rejected,
		Reason: "550 no such user", ParkedAt: noon.Add(time.Hour), Raw: []byte{0, 1, 2},
	}
	window := windowRecord{OpenedBy: "n1", Until: noon.Add(5 * time.Minute), Suppressed: 3}
	rows := []struct {
		name string
		want any
		read func([]byte) (any, error)
	}{
		{"alert", fullAlert(), read[messages.Alert]},
		{"told", told, read[[]string]},
		{"notice", fullNotice(), read[noticeRecord]},
		{"parked", parked, read[parkedRecord]},
		{"window", window, read[windowRecord]},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if *update {
				write(t, row.name, encode(row.want))
			}
			for _, file := range fixtures(t, row.name) {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				got, err := row.read(raw)
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("%s differs (-want +got):\n%s", file, diff)
				}
			}
		})
	}
	t.Run("attachment", func(t *testing.T) {
		const want = "line 1\nline 2"
		if *update {
			write(t, "attachment", compress(want))
		}
		for _, file := range fixtures(t, "attachment") {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decompress(raw); err != nil || got != want {
				t.Errorf("%s holds %q (%v), want %q", file, got, err, want)
			}
		}
	})
}

func read[T any](raw []byte) (any, error) {
	var record T
	err := decode(raw, &record)
	return record, err
}

func fixtures(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "v*", name))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixture of %s: %v", name, err)
	}
	return files
}

func write(t *testing.T, name string, raw []byte) {
	t.Helper()
	dir := filepath.Join("testdata", "v1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDecode_refusesWhatItDoesNotKnow(t *testing.T) {
	for name, raw := range map[string][]byte{
		"empty":           nil,
		"a later version": append([]byte{version + 1}, "{}"...),
		"torn":            encode(fullNotice())[:20],
		"another shape":   append([]byte{version}, "[1]"...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := decode(raw, &noticeRecord{}); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("decode answers %v, want journal.ErrCorrupt", err)
			}
		})
	}
}

func TestCompress_keepsTheEndOfALongLog(t *testing.T) {
	end := "the reason is at the end ✓"
	long := strings.Repeat("å", maxAttachment/2) + end
	raw := compress(long)
	if len(raw) > maxCompressed {
		t.Errorf("compressed log has %d bytes, want at most %d", len(raw), maxCompressed)
	}
	got, err := decompress(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(got, end) || !strings.HasPrefix(got, "[the first ") {
		t.Errorf("cut log begins with %q and ends with %q", got[:60], got[len(got)-40:])
	}
}

func TestCompress_bitesIntoTextThatDoesNotShrink(t *testing.T) {
	noise := make([]byte, 1<<20)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state>>24)%94 + 33
	}
	if raw := compress(string(noise)); len(raw) > maxCompressed {
		t.Errorf("compressed noise has %d bytes, want at most %d", len(raw), maxCompressed)
	}
}

func TestNotice_staysInline(t *testing.T) {
	record := fullNotice()
	record.TaskName = strings.Repeat("x", maxTaskName)
	// The ledger keeps values of up to 512 bytes in memory: settling reads no disk.
	if n := len(encode(record)); n > 512 {
		t.Errorf("a notice takes %d bytes, want at most 512", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(fullNotice()))
	f.Add(encode(parkedRecord{Notice: fullNotice(), Raw: []byte{1}}))
	f.Add(compress("text"))
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var n noticeRecord
		if err := decode(raw, &n); err != nil && !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("decode answers %v, want journal.ErrCorrupt", err)
		}
		if _, err := decompress(raw); err != nil && !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("decompress answers %v, want journal.ErrCorrupt", err)
		}
		_ = readParked(raw).listed("id")
	})
}
