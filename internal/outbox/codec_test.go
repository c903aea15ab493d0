package outbox

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/journal/journaltest"
	"butler/internal/qlik"
	"butler/internal/wire"
	"butler/messages"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 123456789, time.UTC)

// fullAlert has a value in every field.
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

// TestCodec_readsEveryVersion reads what earlier releases wrote.
func TestCodec_readsEveryVersion(t *testing.T) {
	journaltest.Record[messages.Alert]{
		Name: "alert", Version: versionSections, Want: fullAlert(), Write: func(a messages.Alert) []byte { return encode(&a) }, Read: read[messages.Alert],
	}.Test(t)
	journaltest.Record[[]string]{
		Name: "told", Version: versionJSON, Want: []string{"n1@email/reload_task_failed", "n2@slack/reload_task_failed"}, Write: write[[]string], Read: read[[]string],
	}.Test(t)
	journaltest.Record[noticeRecord]{
		Name: "notice", Version: versionBinary, Want: fullNotice(), Write: func(n noticeRecord) []byte { return encode(&n) }, Read: read[noticeRecord],
	}.Test(t)
	journaltest.Record[parkedRecord]{
		Name: "parked", Version: versionJSON, Want: parkedRecord{
			Notice: fullNotice(), Instance: "email/reload_task_failed", Integration: "email", Cause: Rejected,
			Reason: "550 no such user", ParkedAt: noon.Add(time.Hour), Raw: []byte{0, 1, 2},
		}, Write: write[parkedRecord], Read: read[parkedRecord],
	}.Test(t)
	journaltest.Record[windowRecord]{
		Name: "window", Version: versionJSON, Want: windowRecord{OpenedBy: "n1", Until: noon.Add(5 * time.Minute), Suppressed: 3},
		Write: write[windowRecord], Read: read[windowRecord],
	}.Test(t)
	journaltest.Record[string]{Name: "attachment", Version: versionJSON, Want: "line 1\nline 2", Write: compress, Read: decompress}.Test(t)
	journaltest.Record[messages.Seen]{
		Name: "seen", Version: seenVersion, Want: messages.Seen{Families: 0b101, Kinds: 0x0203, Until: noon.Add(time.Hour), Seq: 1 << 40},
		Write: EncodeSeen, Read: DecodeSeen,
	}.Test(t)
	journaltest.Record[Trial]{Name: "trial", Version: trialVersion, Want: Trial{Crashes: 3, Underway: true}, Write: EncodeTrial, Read: DecodeTrial}.Test(t)
}

func write[T any](record T) []byte { return encode(record) }

// TestLayout_hasEveryField sets every field of each record, so that it fails for a new
// field that is missing in the layout.
func TestLayout_hasEveryField(t *testing.T) {
	for _, record := range []any{new(messages.Alert), new(noticeRecord)} {
		t.Run(fmt.Sprintf("%T", record), func(t *testing.T) {
			n := 0
			fill(reflect.ValueOf(record).Elem(), &n)
			got := reflect.New(reflect.TypeOf(record).Elem()).Interface()
			if err := decode(encode(record), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record, got); diff != "" {
				t.Errorf("a field is not laid out (-want +got):\n%s", diff)
			}
		})
	}
}

// fill gives every field a different value.
func fill(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(noon.Add(time.Duration(*n) * time.Second)))
		return
	case v.CanInt():
		v.SetInt(int64(*n))
		return
	case v.CanUint():
		v.SetUint(uint64(*n))
		return
	case v.CanFloat():
		v.SetFloat(float64(*n) + 0.5)
		return
	}
	switch v.Kind() { //nolint:exhaustive // a field of any other kind fails the test by being zero
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	}
}

func TestLayout_readsEverySectionOfVersion2(t *testing.T) {
	var want, got messages.Alert
	n := 0
	fill(reflect.ValueOf(&want).Elem(), &n)
	w := wire.Writer([]byte{versionBinary})
	wholeAlert{&want}.lay(&w)
	if err := decode(w.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

// TestLayout_keepsEachSingleField encodes alerts with one field each, so that it fails for
// a section that is not empty but counts as empty.
func TestLayout_keepsEachSingleField(t *testing.T) {
	var alone func(place func(*messages.Alert) reflect.Value, name string)
	alone = func(place func(*messages.Alert) reflect.Value, name string) {
		var want, got messages.Alert
		v := place(&want)
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				alone(func(a *messages.Alert) reflect.Value { return place(a).Field(i) }, name+"."+v.Type().Field(i).Name)
			}
			return
		}
		n := 0
		fill(v, &n)
		if err := decode(encode(&want), &got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is lost (-want +got):\n%s", name, diff)
		}
	}
	alone(func(a *messages.Alert) reflect.Value { return reflect.ValueOf(a).Elem() }, "alert")
}

func TestLayout_keepsTheZoneOfATime(t *testing.T) {
	want := noticeRecord{QueuedAt: time.Date(2026, 5, 6, 14, 0, 0, 1, time.FixedZone("", 2*60*60))}
	var got noticeRecord
	if err := decode(encode(&want), &got); err != nil {
		t.Fatal(err)
	}
	if got.QueuedAt.Format(time.RFC3339Nano) != want.QueuedAt.Format(time.RFC3339Nano) {
		t.Errorf("%s became %s", want.QueuedAt, got.QueuedAt)
	}
}

func read[T any](raw []byte) (T, error) {
	var record T
	err := decode(raw, &record)
	return record, err
}

func TestDecode_refusesUnknownVersions(t *testing.T) {
	for name, raw := range map[string][]byte{
		"empty":           nil,
		"a later version": append([]byte{versionBinary + 1}, "{}"...),
		"of an alert":     encode(new(fullAlert())),
		"torn":            encode(new(fullNotice()))[:20],
		"another shape":   append([]byte{versionJSON}, "[1]"...),
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
	if kept, cut := CutLog(got); !cut || kept == "" || !strings.HasSuffix(long, kept) {
		t.Errorf("want it known as the end of the log, got cut %t and %d of its bytes", cut, len(kept))
	}
}

func TestCompress_cutsIncompressibleTextFurther(t *testing.T) {
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

func TestNotice_recordIsSmall(t *testing.T) {
	record := fullNotice()
	record.TaskName = strings.Repeat("x", maxTaskName)
	record.Recipient = strings.Repeat("r", 60) + "@example.com"
	record.Key, record.SuppressBy = messages.ExecutionKey(strings.Repeat("k", 36)), strings.Repeat("t", 36)+"|"+record.Recipient
	// The ledger keeps values of up to 512 bytes in memory, so settling does not read from
	// disk. Only for longer IDs or addresses, which are rare, it does.
	if n := len(encode(&record)); n > 512 {
		t.Errorf("a notice takes %d bytes, want at most 512", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(new(fullNotice())))
	f.Add(encode(new(fullAlert())))
	f.Add(encode(parkedRecord{Notice: fullNotice(), Raw: []byte{1}}))
	f.Add(compress("text"))
	f.Add([]byte{versionJSON})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, record := range []any{new(noticeRecord), new(messages.Alert)} {
			if err := decode(raw, record); err != nil && !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("decode answers %v, want journal.ErrCorrupt", err)
			}
		}
		if _, err := decompress(raw); err != nil && !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("decompress answers %v, want journal.ErrCorrupt", err)
		}
		_ = readParked(raw).listed("id")
	})
}
