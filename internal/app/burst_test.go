package app

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBurst_lastsForAMomentAfterItsNewestSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b burst
		if b.ongoing() {
			t.Error("want none before the first sign")
		}
		b.seen()
		time.Sleep(burstFor - time.Millisecond)
		if !b.ongoing() {
			t.Error("want one after a sign")
		}
		time.Sleep(time.Millisecond)
		if b.ongoing() {
			t.Error("want it over")
		}
	})
}
