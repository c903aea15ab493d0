package load_test

import (
	"net/netip"
	"os"
	"testing"

	"butler/bench/load"
)

func TestNewSender_leavesNothingOpenWhenItCannotSend(t *testing.T) {
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	before := open()
	for range 10 {
		if _, err := load.NewSender(netip.MustParseAddrPort("255.255.255.255:1"), 1); err == nil { // a broadcast needs a socket option
			t.Fatal("want an error")
		}
	}
	if now := open(); now > before+5 {
		t.Errorf("want %d open files as before, got %d", before, now)
	}
}
