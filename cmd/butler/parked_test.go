package main

import (
	"bytes"
	"strings"
	"testing"

	"butler/api/operations"
	"butler/internal/trail"
)

func TestParkedList_namesTheExecution(t *testing.T) {
	var out bytes.Buffer
	found := []operations.ParkedNotice{{ID: "n1", ExecutionID: "7f0b1f3e", TaskName: "Daily sales", Destination: "email/a", Attempts: 3, Reason: "550"}}
	if err := printParked(&out, found, false); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "execution 7f0b1f3e, 3 attempts: 550") {
		t.Errorf("want the execution in the list, got\n%s", text)
	}
}

func TestExplain_listsTheExecutionsOfATaskTheNewestFirst(t *testing.T) {
	var out bytes.Buffer
	err := printStory(&out, trail.Story{
		ExecutionID: "task", State: trail.Unknown, Hints: []string{trail.HintOfTask + "; and so on", "2 refused datagrams"},
		OfTask: []trail.Brief{{ExecutionID: "first", State: trail.Silent, Summary: "nobody"}, {ExecutionID: "second", State: trail.Delivered, Summary: "1 told"}},
	}, false)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err != nil || len(lines) != 4 || !strings.Contains(lines[1], "second") || !strings.Contains(lines[1], "delivered") ||
		!strings.Contains(lines[2], "first") || lines[3] != "- 2 refused datagrams" {
		t.Errorf("want both executions with their outcomes and what was refused, got %v\n%s", err, out.String())
	}
}
