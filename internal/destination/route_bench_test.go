package destination_test

import (
	"fmt"
	"testing"

	"butler/internal/destination"
	"butler/messages"
)

// BenchmarkRoute is the choice of who is notified, with more and more routes that do not match.
func BenchmarkRoute(b *testing.B) {
	for _, count := range []int{0, 1, 50} {
		b.Run(fmt.Sprint(count, " routes"), func(b *testing.B) {
			var routes []destination.Route
			for n := range count {
				m := destination.Match{Events: []string{"failed"}, TaskTags: []string{fmt.Sprint("team ", n)}, AppTags: []string{"gold"}}
				routes = append(routes, destination.Route{Name: fmt.Sprint("r", n), Match: m, Kinds: []messages.AlertKind{failed}})
			}
			built := []destination.Built{{Instance: destination.Instance{Name: "slack", Kinds: []messages.AlertKind{failed}}}}
			table, err := destination.NewTable(built, routes)
			if err != nil {
				b.Fatal(err)
			}
			a := daily()
			b.ReportAllocs()
			for b.Loop() {
				if notices, _ := table.Route(&a, true, now); len(notices) != 1 {
					b.Fatal("not notified")
				}
			}
		})
	}
}
