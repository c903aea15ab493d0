package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	tests := []struct {
		cause  error
		kind   Kind
		remedy string
	}{
		{fs.ErrPermission, Failed, "right"},
		{syscall.ENOSPC, Failed, "room"},
		{syscall.ENAMETOOLONG, Invalid, "shorten"},
		{context.DeadlineExceeded, Failed, "time"},
		{syscall.EIO, Failed, "cause"},
		{refuse(Exists, "/out/a", "exists", "set overwrite"), Exists, "overwrite"},
	}
	for _, tt := range tests {
		err := explain("copy", "/in/a", fmt.Errorf("write: %w", tt.cause))
		got, ok := errors.AsType[*Error](err)
		if !ok || got.Kind != tt.kind || got.Op != "copy" || !strings.Contains(got.Remedy, tt.remedy) {
			t.Errorf("%v: want kind %q and how to fix it (%s), got %v", tt.cause, tt.kind, tt.remedy, err)
		}
		if !errors.Is(err, tt.cause) {
			t.Errorf("want %v kept as the cause of %v", tt.cause, err)
		}
	}
	if err := explain("copy", "/in/a", nil); err != nil {
		t.Errorf("want no error for none, got %v", err)
	}
}

func TestError_isOneLineWhateverWasSent(t *testing.T) {
	err := explain("delete", "", invalid("/in/a\n\x1b[31m"+strings.Repeat("x", 10_000), "is wrong", "fix it"))
	if text := err.Error(); len(text) > 500 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("want one short line, got %q", text)
	}
}
