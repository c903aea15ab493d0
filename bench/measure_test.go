package bench

import "testing"

func TestCallsOf_tellsWhatTheRepositoryIsAskedFor(t *testing.T) {
	metadata, results := callsOf(map[string]int{
		"GET task": 1, "GET task/full": 2, "GET app/full": 4, "GET user/{id}": 8,
		"GET reloadtask/{id}": 16, "GET executionresult/full": 32,
		"GET reloadtask/{id}/scriptlog": 64, "GET download/reloadtask/{id}/{id}": 128, "GET about": 256,
	})
	if metadata != 15 || results != 48 {
		t.Errorf("want 15 calls for metadata and 48 for results, got %d and %d", metadata, results)
	}
}
