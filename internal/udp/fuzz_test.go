package udp

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples are datagrams with what must come of them, one a
// line; a line that begins with # is a comment.
func samples(t testing.TB) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "samples.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, []byte(line))
		}
	}
	return out
}

func TestParse_readsTheDocumentedSamples(t *testing.T) {
	for _, line := range samples(t) {
		want, payload, _ := bytes.Cut(line, []byte(" "))
		event, rejection := Parse(payload, ParseOptions{})
		got := event.Family.String()
		if rejection != nil {
			got = rejection.Reason.String()
		}
		if got != string(want) {
			t.Errorf("%s: got %s, want %s (%v)", payload, got, want, rejection)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range samples(f) {
		_, payload, _ := bytes.Cut(line, []byte(" "))
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) { checkParse(t, payload) })
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(EncodeEntry(datagram("10.1.2.3:4000", "payload")))
	f.Add(EncodeEntry(datagram("[fe80::1%eth0]:4000", "payload")))
	f.Add([]byte{entryVersion, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0})
	f.Fuzz(func(t *testing.T, entry []byte) {
		decoded, err := DecodeEntry(entry)
		if err != nil {
			return
		}
		if again := EncodeEntry(decoded); !bytes.Equal(again, entry) {
			t.Fatalf("%x reads back as %x", entry, again)
		}
	})
}
