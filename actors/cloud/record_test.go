package cloud

import (
	"testing"
	"time"

	"butler/internal/journal/journaltest"
	"butler/messages"
)

func TestMemory_readsEveryVersion(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 123_456_789, time.UTC)
	open := func(e messages.CloudEvent) []byte {
		raw, err := encodeOpen(e)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	journaltest.Record[messages.CloudEvent]{
		Name: "open", Version: version, Write: open, Read: decodeOpen, Want: messages.CloudEvent{
			AppID: "0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e", AppName: "Stöck", OwnerID: "own-1", Source: "qliksense/cloud", At: at,
			Reload: messages.CloudReload{
				TenantID: "ten-1", UserID: "usr-1", ReloadID: "66aa00", Source: "com.qlik/engine", EventType: "com.qlik.v1.app.reload.finished",
				EventTypeVersion: "1.0.0", EventTime: "2026-05-06T12:00:00Z", Status: "error", UsageDuration: "PT42S", PartialReload: true,
				PeakMemoryBytes: 1 << 40, SizeMemoryBytes: 2048, RowLimit: -1,
			},
		},
	}.Test(t)
	journaltest.Record[time.Time]{
		Name: "done", Version: version, Want: at, Write: encodeDone,
		Read: func(raw []byte) (time.Time, error) { return decodeDone(raw), nil },
	}.Test(t)
}
