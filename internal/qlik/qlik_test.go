package qlik_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/internal/qlik"
)

func TestTaskType_labels(t *testing.T) {
	tests := []struct {
		code  qlik.TaskType
		label string
		valid bool
	}{
		{0, "reload", true},
		{1, "external_program", true},
		{2, "user_sync", true},
		{3, "distribute", true},
		{4, "preload", true},
		{5, "unknown", false},
		{-1, "unknown", false},
		{1 << 40, "unknown", false},
	}
	for _, test := range tests {
		if got := test.code.String(); got != test.label || test.code.Valid() != test.valid {
			t.Errorf("type %d: %q, valid %v; want %q, %v", int(test.code), got, test.code.Valid(), test.label, test.valid)
		}
	}
	for i, taskType := range qlik.TaskTypes() {
		if int(taskType) != i {
			t.Errorf("type %d stands at place %d", taskType, i)
		}
	}
}

func TestExecutionStatus_namesAndPhases(t *testing.T) {
	tests := []struct {
		code  qlik.ExecutionStatus
		name  string
		phase qlik.Phase
	}{
		{0, "NeverStarted", qlik.PhaseIgnored},
		{1, "Triggered", qlik.PhaseRunning},
		{2, "Started", qlik.PhaseRunning},
		{3, "Queued", qlik.PhaseRunning},
		{4, "AbortInitiated", qlik.PhaseRunning},
		{5, "Aborting", qlik.PhaseRunning},
		{6, "Aborted", qlik.PhaseFailed},
		{7, "FinishedSuccess", qlik.PhaseSucceeded},
		{8, "FinishedFail", qlik.PhaseFailed},
		{9, "Skipped", qlik.PhaseIgnored},
		{10, "Retry", qlik.PhaseRunning},
		{11, "Error", qlik.PhaseFailed},
		{12, "Reset", qlik.PhaseIgnored},
		{13, "DistributionQueue", qlik.PhaseRunning},
		{14, "DistributionRunning", qlik.PhaseRunning},
		{15, "Unknown(15)", qlik.PhaseIgnored},
		{qlik.StatusUnknown, "Unknown(-1)", qlik.PhaseIgnored},
	}
	for _, test := range tests {
		if got := test.code.String(); got != test.name {
			t.Errorf("status %d is called %q, want %q", int(test.code), got, test.name)
		}
		if got := test.code.Phase(); got != test.phase {
			t.Errorf("%s means %d, want %d", test.name, got, test.phase)
		}
		if got, want := test.code.Valid(), test.code >= 0 && test.code < 15; got != want {
			t.Errorf("%s is valid: %v, want %v", test.name, got, want)
		}
		if got, ok := qlik.StatusNamed(test.name); ok != test.code.Valid() || ok && got != test.code {
			t.Errorf("%s is read as %d, %v", test.name, got, ok)
		}
		if got, want := test.code.Runs(), test.phase == qlik.PhaseRunning && test.name != "Retry"; got != want {
			t.Errorf("%s runs: %v, want %v", test.name, got, want)
		}
	}
}

func TestIsGUID(t *testing.T) {
	const good = "f1e2d3c4-b5a6-7890-1234-567890abcdef"
	for _, s := range []string{good, strings.ToUpper(good), qlik.ZeroGUID} {
		if !qlik.IsGUID(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{
		"", "-", good[:35], good + "0", "{" + good + "}", strings.ReplaceAll(good, "-", ""), strings.Replace(good, "-", "_", 1),
		"g" + good[1:], "f1e2d3c4-b5a6-7890-1234-567890abcde'", "f1e2d3c4-b5a6-7890-1234-567890abcdé", strings.Repeat("-", 36), strings.Repeat("a", 36),
	} {
		if qlik.IsGUID(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestIsGUID_acceptsEveryGUIDAndNothingWithAChangedByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`).Draw(t, "id")
		if !qlik.IsGUID(id) {
			t.Fatalf("%q is refused", id)
		}
		changed := []byte(id)
		changed[rapid.IntRange(0, len(id)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("gG/:@`'\" \x00\xff")).Draw(t, "byte")
		if qlik.IsGUID(string(changed)) {
			t.Fatalf("%q is accepted", changed)
		}
	})
}

func TestParseTime(t *testing.T) {
	at, ok := qlik.ParseTime("2026-05-06T12:20:00.123Z")
	if want := time.Date(2026, 5, 6, 12, 20, 0, 123e6, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("ParseTime = %v, %v; want %v", at, ok, want)
	}
	for s, never := range map[string]bool{
		"": false, "yesterday": false, "2026-05-06 12:20:00": false, qlik.NeverDate: true, "1753-01-01T00:00:00Z": true,
		"1752-12-31T23:00:00.000Z": true, "0001-01-01T00:00:00Z": true, // the same in another zone, and what .NET has for it
	} {
		if at, ok := qlik.ParseTime(s); ok || qlik.IsNever(s) != never {
			t.Errorf("%q: want no time, and that it means never: %v; got %v, %v", s, never, at, qlik.IsNever(s))
		}
	}
	if qlik.IsNever("2026-05-06T12:20:00.123Z") {
		t.Error("a time that is one means never")
	}
}
