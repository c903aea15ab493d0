package httpc

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestReadEnds_ofAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\r\n\n")), 0, 300, -1).Draw(t, "text")
		limit := rapid.Int64Range(2, 64).Draw(t, "limit")
		raw, err := ReadEnds(iotest.OneByteReader(strings.NewReader(text)), limit)
		got := string(raw)
		if int64(len(text)) <= limit && got != text {
			t.Fatalf("want a short text as it is, got %q", got)
		}
		head, rest, gap := strings.Cut(got, "[")
		left, tail, _ := strings.Cut(rest, " bytes of this log are left out]")
		tail = strings.TrimPrefix(strings.TrimPrefix(tail, "\r"), "\n")
		dropped, _ := strconv.Atoi(left)
		if err != nil || !strings.HasPrefix(text, head) || gap && (!strings.HasSuffix(text, tail) || len(head)+dropped+len(tail) != len(text)) {
			t.Fatalf("want both ends and how much is between them, got %q, %v", got, err)
		}
	})
	if _, err := ReadEnds(io.MultiReader(strings.NewReader(strings.Repeat("x", 100)), iotest.ErrReader(io.ErrUnexpectedEOF)), 10); err == nil {
		t.Error("want an error for a text that breaks off")
	}
}
