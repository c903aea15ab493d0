package jetstream

import (
	"testing"
	"time"

	"butler/internal/journal"
)

func TestOutage_isWaitedForAsLongAsThereIsPatience(t *testing.T) {
	const step = patience / 4
	rows := []struct {
		name  string
		reads map[int][2]journal.Seq // by step: the first and the last record read
		asks  []int                  // the steps in which record 10 is requested
		want  bool                   // the result of the last request
	}{
		{"at first", nil, []int{0}, true},
		{"within the time", nil, []int{0, 1, 2, 3}, true},
		{"after it", nil, []int{0, 1, 2, 3, 4}, false},
		{"after it, for what follows", nil, []int{0, 1, 2, 3, 4, 4}, false},
		{"what is before it can be read", map[int][2]journal.Seq{2: {1, 9}}, []int{0, 1, 2, 3, 4}, false},
		{"what is behind it can be read", map[int][2]journal.Seq{2: {11, 12}}, []int{0, 1, 2, 3, 4}, false},
		{"it can be read again", map[int][2]journal.Seq{2: {9, 11}}, []int{0, 1, 2, 3, 4}, true},
		{"long after the last time", nil, []int{0, 1, 9}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var o outage
			began, got := time.Unix(1e9, 0), false
			for _, at := range row.asks {
				if read, ok := row.reads[at]; ok {
					o.read(read[0], read[1])
				}
				got = o.goesOn(began.Add(time.Duration(at)*step), 10)
			}
			if got != row.want {
				t.Errorf("to be waited for is %t, want %t", got, row.want)
			}
		})
	}
}
