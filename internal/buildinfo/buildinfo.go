// Package buildinfo owns what the binary knows of its own making, read from the
// build information that the Go linker embeds. It must never read the clock or
// the environment.
package buildinfo

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Info describes a build.
type Info struct {
	// Version is the module version, or "dev".
	Version string `json:"version"`
	// Revision is the VCS commit, shortened to 12 characters, "unknown" without one.
	Revision string `json:"revision"`
	// Time is the commit time in RFC 3339, "" without one.
	Time string `json:"time"`
	// GoVersion is the toolchain.
	GoVersion string `json:"goVersion"`
	// Platform is GOOS/GOARCH.
	Platform string `json:"platform"`
}

// Read returns the description of the running binary.
func Read() Info {
	out := Info{Version: "dev", Revision: "unknown", GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	if v := build.Main.Version; v != "" && v != "(devel)" {
		out.Version = strings.TrimPrefix(v, "v")
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			out.Revision = s.Value[:min(12, len(s.Value))]
		case "vcs.time":
			out.Time = s.Value
		}
	}
	return out
}

// Describe returns the description for people, on several lines.
func (i Info) Describe() string {
	return fmt.Sprintf("butler %s\n  revision   %s\n  committed  %s\n  compiler   %s\n  platform   %s\n",
		i.Version, i.Revision, cmp.Or(i.Time, "unknown"), i.GoVersion, i.Platform)
}
