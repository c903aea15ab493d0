package operations

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The operations server has no description of its own: its routes are in the handbook.
func TestDocs_everyPageOfTheOperationsServerIsInTheHandbook(t *testing.T) {
	source, err := os.ReadFile("operations.go")
	if err != nil {
		t.Fatal(err)
	}
	handbook, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	routes := regexp.MustCompile(`r\.(GET|POST)\("(/[^"]+)"`).FindAllStringSubmatch(string(source), -1)
	for _, m := range routes {
		if !strings.Contains(string(handbook), m[2]) {
			t.Errorf("docs/operations.md: want %s %s", m[1], m[2])
		}
	}
	if len(routes) < 10 {
		t.Errorf("want the routes of the operations server, got %d", len(routes))
	}
}
