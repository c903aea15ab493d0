package wire_test

import (
	"testing"
	"time"

	"butler/internal/wire"
)

// record has a field of every type.
type record struct {
	name  string
	count int
	share float64
	open  bool
	at    time.Time
	tags  []string
}

func (r *record) lay(w *wire.Wire) {
	wire.Texts(w, &r.name)
	wire.Number(w, &r.count)
	wire.Fraction(w, &r.share)
	wire.Flags(w, &r.open)
	wire.Moment(w, &r.at)
	wire.Items(w, &r.tags, wire.Text)
}

func written() []byte {
	in := record{"daily", -3, 0.5, true, time.Unix(1, 2).UTC(), []string{"a", ""}}
	w := wire.Writer(nil)
	in.lay(&w)
	return w.Bytes()
}

func TestWire_decodesWhatItEncoded(t *testing.T) {
	var got record
	w := wire.Reader(written())
	got.lay(&w)
	if err := w.Finish(); err != nil {
		t.Fatalf("read: %v", err)
	}
	if got.name != "daily" || got.count != -3 || got.share != 0.5 || !got.open || !got.at.Equal(time.Unix(1, 2)) || len(got.tags) != 2 || got.tags[0] != "a" {
		t.Errorf("read %+v", got)
	}
}

func TestWire_refusesTruncatedOrLongerInput(t *testing.T) {
	whole := written()
	for n := range whole {
		var got record
		w := wire.Reader(whole[:n])
		got.lay(&w)
		if w.Finish() == nil {
			t.Errorf("the first %d of %d bytes were read as a record", n, len(whole))
		}
	}
	var got record
	w := wire.Reader(append(whole, 0))
	got.lay(&w)
	if w.Finish() == nil {
		t.Error("a byte behind the record was not noticed")
	}
}

func FuzzWire(f *testing.F) {
	f.Add(written())
	f.Fuzz(func(_ *testing.T, raw []byte) {
		var got record
		w := wire.Reader(raw)
		got.lay(&w)
		_ = w.Finish()
	})
}
