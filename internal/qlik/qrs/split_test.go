package qrs

import (
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"butler/internal/qlik/qliktest"
	"butler/messages"
)

// The QRS answers a whole batch with 500 when it stumbles over one object of it.
func TestTasks_oneBadObjectDoesNotTakeItsNeighboursWithIt(t *testing.T) {
	var ids []string
	for i := range batchSize {
		ids = append(ids, fmt.Sprintf("11111111-aaaa-4bbb-8ccc-%012d", i))
	}
	every := func(n int) (bad []string) {
		for i := 0; i < len(ids); i += n {
			bad = append(bad, ids[i])
		}
		return bad
	}
	const alone = batchSize + 6 // and the logarithm of that
	tests := []struct {
		name  string
		or    int32 // what is known of filters that are joined
		bad   []string
		found int
		calls int // at most
	}{
		{"the first", orWorks, ids[:1], 49, 13},
		{"the last", orWorks, ids[49:], 49, 13},
		{"two beside each other", orWorks, ids[:2], 48, 14},
		{"two far from each other", orWorks, []string{ids[3], ids[40]}, 48, 22},
		{"every seventh", orWorks, every(7), 0, 7},
		{"every third of one half", orWorks, every(3)[:8], 42, alone},
		{"every second of one half", orWorks, every(2)[:12], 38, alone},
		{"all", orWorks, ids, 0, 7},
		{"before anything is known", orUnknown, ids[7:8], 49, 51},
		{"all before anything is known", orUnknown, ids, 0, 7},
		{"the first of a server that is asked one by one", orRefused, ids[:1], 49, 50},
		{"all of such a server", orRefused, ids, 0, 7},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			docs := map[string]string{}
			for _, id := range ids {
				docs[id] = task(id)
			}
			c, server := plain(t, func(r qliktest.Request) qliktest.Response {
				if slices.ContainsFunc(test.bad, func(id string) bool { return strings.Contains(r.Filter, id) }) {
					return qliktest.Response{Status: http.StatusInternalServerError}
				}
				return qliktest.ByID(docs)(r)
			})
			c.orFilter.Store(test.or)
			got, err := c.Tasks(t.Context(), ids...)
			if kindOf(t, err) != messages.FailureUnavailable {
				t.Errorf("error = %v, want it unavailable", err)
			}
			if len(got) != test.found {
				t.Errorf("%d tasks, want %d", len(got), test.found)
			}
			if calls := len(server.Requests()); calls > test.calls {
				t.Errorf("%d calls, want %d at most", calls, test.calls)
			}
		})
	}
}

func TestTasks_whatFailedForAMomentIsThere(t *testing.T) {
	for _, test := range []struct {
		name  string
		or    int32
		fails []int
		calls int
	}{
		{"the batch", orUnknown, []int{1}, 4},
		{"a part of it, too", orWorks, []int{1, 3}, 5},
	} {
		call := 0
		c, server := plain(t, func(r qliktest.Request) qliktest.Response {
			if call++; slices.Contains(test.fails, call) {
				return qliktest.Response{Status: http.StatusInternalServerError}
			}
			return qliktest.ByID(three)(r)
		})
		c.orFilter.Store(test.or)
		got, err := c.Tasks(t.Context(), idA, idB, idC)
		if err != nil || len(got) != 3 {
			t.Errorf("%s: %d tasks, %v, want three", test.name, len(got), err)
		}
		if calls := len(server.Requests()); calls != test.calls {
			t.Errorf("%s: %d calls, want %d", test.name, calls, test.calls)
		}
	}
}

func TestTasks_aBatchIsNotSplitFurtherWhenNobodyIsLetIn(t *testing.T) {
	status := http.StatusInternalServerError
	c, server := plain(t, func(qliktest.Request) qliktest.Response {
		answer := qliktest.Response{Status: status}
		status = http.StatusForbidden
		return answer
	})
	if got, err := c.Tasks(t.Context(), idA, idB, idC); err == nil || len(got) != 0 {
		t.Errorf("Tasks: %d tasks, %v, want an error", len(got), err)
	}
	if calls := len(server.Requests()); calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
}

func TestTasks_whatWasFoundBeforeNobodyIsLetInIsKept(t *testing.T) {
	call := 0
	c, server := plain(t, func(r qliktest.Request) qliktest.Response {
		switch call++; call {
		case 1:
			return qliktest.Response{Status: http.StatusInternalServerError}
		case 2:
			return qliktest.ByID(three)(r)
		}
		return qliktest.Response{Status: http.StatusForbidden}
	})
	c.orFilter.Store(orWorks)
	if got, err := c.Tasks(t.Context(), idA, idB, idC); kindOf(t, err) != messages.FailureRejected || len(got) != 1 {
		t.Errorf("Tasks: %d tasks, %v, want the first one and an error", len(got), err)
	}
	if calls := len(server.Requests()); calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}

func TestTasks_aBatchIsNeverSplitIntoMoreCallsThanItsObjectsAndTheirLogarithm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, batchSize).Draw(rt, "n")
		docs, ids, bad := map[string]string{}, []string{}, map[string]bool{}
		for i := range n {
			id := fmt.Sprintf("11111111-aaaa-4bbb-8ccc-%012d", i)
			ids, docs[id] = append(ids, id), task(id)
			bad[id] = rapid.IntRange(0, 3).Draw(rt, "bad") == 0
		}
		server := qliktest.NewServer(t, nil, func(r qliktest.Request) qliktest.Response {
			for id := range bad {
				if bad[id] && strings.Contains(r.Filter, id) {
					return qliktest.Response{Status: http.StatusInternalServerError}
				}
			}
			return qliktest.ByID(docs)(r)
		})
		c := newClient(t, options(server.URL))
		c.orFilter.Store(orWorks)
		got, err := c.Tasks(t.Context(), ids...)
		for _, found := range taskIDs(got) {
			if bad[found] {
				rt.Errorf("%s was found", found)
			}
		}
		good := 0
		for _, id := range ids {
			if !bad[id] {
				good++
			}
		}
		if (err == nil) != (good == n) || err == nil && len(got) != n || len(got) != good && len(got) > 0 {
			rt.Errorf("%d of %d good ones found, %v", len(got), good, err)
		}
		if calls, most := len(server.Requests()), n+bits.Len(uint(n-1)); calls > most {
			rt.Errorf("%d calls for %d objects, want %d at most", calls, n, most)
		}
	})
}
