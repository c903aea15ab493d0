package messages

import (
	"testing"
	"time"
)

func TestTaskEvent_loggedAtReadsTheFormsOfLogAppenders(t *testing.T) {
	zone := time.FixedZone("two hours east", 2*60*60)
	at := time.Date(2026, 5, 6, 14, 23, 45, 123e6, time.UTC)
	tests := []struct {
		text string
		want time.Time
	}{
		{"2026-05-06 16:23:45,123", at},
		{"2026-05-06 16:23:45.123", at},
		{"2026-05-06T16:23:45.123", at},
		{"2026-05-06 16:23:45", at.Truncate(time.Second)},
		{"2026-05-06T14:23:45.123Z", at},
		{"2026-05-06T10:23:45,123-04:00", at},
		{"2026-05-06 14:23:45.123Z", at},
		{"2026-05-06", time.Time{}},
		{"2026-02-30 16:23:45,123", time.Time{}},
		{"2026-05-06 16:23:45,123 and more", time.Time{}},
		{"-", time.Time{}},
		{"", time.Time{}},
	}
	for _, tt := range tests {
		got, ok := TaskEvent{LogTimestamp: tt.text}.LoggedAt(zone)
		if !got.Equal(tt.want) || ok == tt.want.IsZero() {
			t.Errorf("%q: want %v, got %v, %v", tt.text, tt.want, got, ok)
		}
	}
}
