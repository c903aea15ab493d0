package files

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics_countOperationsByHowTheyEnd(t *testing.T) {
	s, reg, ctx := newSite(t), prometheus.NewRegistry(), t.Context()
	s.write("in/a", "12345")
	s.write("in/b", "b")
	options := s.options()
	options.Metrics = NewMetrics(reg)
	a := New(options)
	for _, to := range []string{"out/a", "out/d/a"} {
		if _, err := a.Copy(ctx, CopyRequest{From: s.path("in/a"), To: s.path(to)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.Copy(ctx, CopyRequest{From: s.path("secret/s.txt"), To: s.path("out/s")})
	wantKind(t, err, NotApproved)
	_, err = a.Move(ctx, MoveRequest{From: s.path("in/b"), To: s.path("out/a")})
	wantKind(t, err, Exists)
	if _, err := a.Move(ctx, MoveRequest{From: s.path("in/b"), To: s.path("out/b")}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, a.DeleteFile(ctx, s.path("in/b")), NotFound)
	wantKind(t, a.CreateDir(ctx, "in"), Invalid)
	wantKind(t, a.CreateDir(ctx, s.path("in/a/x")), Failed)
	if err := a.CreateDirQVD(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	counted := map[string]string{
		"copy done": "2", "copy not_approved": "1", "move exists": "1", "move done": "1", "delete not_found": "1",
		"create_dir invalid": "1", "create_dir failed": "1", "create_dir_qvd done": "1",
	}
	want := `
# HELP butler_file_operation_bytes_total Bytes written by successful copies and moves. A move within a disk only renames and writes nothing.
# TYPE butler_file_operation_bytes_total counter
butler_file_operation_bytes_total{operation="copy"} 10
butler_file_operation_bytes_total{operation="move"} 0
# HELP butler_file_operations_total File operations requested over the REST API, by result.
# TYPE butler_file_operations_total counter
`
	for _, op := range []string{"copy", "create_dir", "create_dir_qvd", "delete", "move"} {
		for _, result := range []string{"done", "exists", "failed", "invalid", "not_approved", "not_found"} {
			count := counted[op+" "+result]
			if count == "" {
				count = "0"
			}
			want += `butler_file_operations_total{operation="` + op + `",result="` + result + `"} ` + count + "\n"
		}
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "butler_file_operations_total", "butler_file_operation_bytes_total"); err != nil {
		t.Error(err)
	}
	timed := map[string]uint64{"copy": 3, "create_dir": 2, "create_dir_qvd": 1, "delete": 1, "move": 2}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			op := m.GetLabel()[0].GetValue()
			if h := m.GetHistogram(); h != nil && h.GetSampleCount() != timed[op] {
				t.Errorf("want %d times of %s, got %d", timed[op], op, h.GetSampleCount())
			}
		}
	}
}
