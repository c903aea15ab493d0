package files

import "testing"

func TestCreateDir_whereNothingCanBeCreatedEnds(t *testing.T) {
	a := New(Options{QVD: "/proc"})
	wantKind(t, a.CreateDir(t.Context(), "/proc/butler/new"), Failed)
	wantKind(t, a.CreateDirQVD(t.Context(), "1/butler/new"), Failed)
}
