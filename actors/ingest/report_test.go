package ingest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/quarantine"
	"butler/internal/udp"
	"butler/messages"
)

func TestQuarantined_showsEveryByteSafely(t *testing.T) {
	d := from(node, "/x/;tab\t nul\x00 esc\x1b[31m half\xff bidi\u202e quote\" back\\ åäö 🤪")
	got := quarantined(&refusal{datagram: d, reason: udp.ReasonUnknownType, detail: "why"})
	want := messages.QuarantinedDatagram{
		Reason: "unknown_type", Detail: "why", Source: "10.0.0.1:50000", At: epoch, Size: d.Size,
		Payload: `/x/;tab\t nul\x00 esc\x1b[31m half\xff bidi\u202e quote\" back\\ åäö 🤪`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestQuarantined_isBounded(t *testing.T) {
	d := from(node, strings.Repeat("x", 60000))
	got := quarantined(&refusal{datagram: d, reason: udp.ReasonOversize})
	if len(got.Payload) != quarantine.MaxRefused || !got.Cut || got.Size != 60000 {
		t.Errorf("%d characters of %d bytes, cut %v", len(got.Payload), got.Size, got.Cut)
	}
}
