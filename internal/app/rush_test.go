package app

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRush_lastsForAMomentAfterItsNewestSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rush
		if r.on() {
			t.Error("want none before the first sign")
		}
		r.seen()
		time.Sleep(rushFor - time.Millisecond)
		if !r.on() {
			t.Error("want one after a sign")
		}
		time.Sleep(time.Millisecond)
		if r.on() {
			t.Error("want it over")
		}
	})
}
