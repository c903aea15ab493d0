package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChanges_tellWhatTakesARestart(t *testing.T) {
	before := mustLoad(t, "Butler: {}")
	after := mustLoad(t, `Butler:
  logLevel: debug
  journal: {keepFor: 25h}
  udpServerConfig: {portTaskFailure: 9000, deduplication: {enable: false, ttlMinutes: 5}}
`)
	want := []string{"udpServerConfig.deduplication.enable", "journal.keepFor"} // of a section, all keys
	if diff := cmp.Diff(want, after.NeedsRestartSince(before)); diff != "" {
		t.Errorf("want those that are marked in the schema (-want +got):\n%s", diff)
	}
	want = []string{"logLevel", "udpServerConfig.portTaskFailure", want[0], "udpServerConfig.deduplication.ttlMinutes", want[1]}
	if diff := cmp.Diff(want, after.ChangedSince(before)); diff != "" {
		t.Errorf("want all that differ, in the order of the schema (-want +got):\n%s", diff)
	}
	if got := after.NeedsRestartSince(after); got == nil || len(got) > 0 {
		t.Errorf("want an empty list for the same configuration, got %#v", got)
	}
}
