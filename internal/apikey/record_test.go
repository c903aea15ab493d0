package apikey

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal/journaltest"
)

func TestRing_readsEveryVersion(t *testing.T) {
	ring, _, text := issue(t, Ring{}, source(1), Request{Name: "sales", Scopes: []Scope{Read}})
	ring, ended, _ := issue(t, ring, source(2), Request{Name: "finance", Scopes: []Scope{Read}, Expires: noon.Add(time.Hour)})
	ring, _, err := ring.Revoke(ended.ID, noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	read := func(raw []byte) (Ring, error) {
		got, err := Decode(raw)
		if _, refused := got.Verify(text, noon); err == nil && refused != nil {
			t.Errorf("want the key of then taken, got %v", refused)
		}
		return got, err
	}
	write := func(r Ring) []byte {
		raw, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	journaltest.Record[Ring]{Name: "ring", Version: version, Want: ring, Write: write, Read: read}.
		Test(t, cmp.Comparer(func(a, b Ring) bool { return cmp.Equal(a.Keys(), b.Keys()) }))
}
