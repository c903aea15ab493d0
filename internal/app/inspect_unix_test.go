//go:build unix

package app_test

import (
	"strings"
	"testing"

	"butler/internal/app"
)

// On Windows it is what it says.
func TestInspection_saysWhatAnApprovedDirectoryIs(t *testing.T) {
	for written, want := range map[string]string{
		`C:\data`:       `is a path of Windows: here it is relative, and stands for "%s/C:/data", which does not exist`,
		`d:/data`:       `is a path of Windows: here it is relative, and stands for "%s/d:/data", which does not exist`,
		`\\nas\data`:    `is a path of Windows: here it is relative, and stands for "%s/nas/data", which does not exist`,
		`data\in`:       `"%s/data/in" is approved and does not exist`,
		`cd:/data`:      `"%s/cd:/data" is approved and does not exist`,
		`..\`:           "",
		`/`:             `"/" approves every file there`,
		`//nas/data`:    `"//nas/data" is a UNC path, which only Windows knows, so it approves nothing`,
		`/tmp\..\none-`: `"/none-" is approved and does not exist`,
	} {
		cfg, err := inspect(t, "Butler:\n  restServerConfig: {enable: true}\n  restServerEndpointsEnable: {fileDelete: true}\n"+
			"  fileDeleteApprovedDirectories: ['"+written+"']\n", app.Inspection{}, true)
		must(t, err)
		var got []string
		for _, w := range cfg.Warnings() {
			got = append(got, w.Reason)
		}
		want = strings.ReplaceAll(want, "%s", cfg.BaseDir())
		if said := strings.Join(got, "; "); !strings.Contains(said, want) || want == "" && said != "" {
			t.Errorf("%s: want %q, got %q", written, want, said)
		}
	}
}
