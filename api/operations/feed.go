package operations

import (
	"time"

	"github.com/valyala/fasthttp"

	"butler/internal/text"
)

// Feed is what arrives from the nodes of Qlik Sense.
type Feed struct {
	// Since is when the service has started.
	Since time.Time `json:"since"`
	// Waiting counts the accepted events that are not handled yet.
	Waiting int `json:"waiting"`
	// Nodes are those that have sent an event since then, the newest event first.
	Nodes []Node `json:"nodes"`
}

// Node is a node of Qlik Sense.
type Node struct {
	// Name is the host name in its events.
	Name      string    `json:"node"`
	LastEvent time.Time `json:"lastEvent"`
}

// Words says in a sentence when the last event came.
func (f Feed) Words(now time.Time) string {
	last := "No event since the start of the service, " + ago(now.Sub(f.Since))
	if len(f.Nodes) > 0 {
		last = "Last event: " + ago(now.Sub(f.Nodes[0].LastEvent)) + ", from " + f.Nodes[0].Name
	}
	return last + ". " + text.Count(f.Waiting, "event waits", "events wait") + " to be handled."
}

// ago says how long ago something was, in its largest unit.
func ago(since time.Duration) string {
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}} {
		if since >= unit.long {
			return text.Count(int(since/unit.long), unit.name, unit.name) + " ago"
		}
	}
	return text.Count(int(max(since, 0)/time.Second), "s", "s") + " ago"
}

func (s *operations) showFeed(ctx *fasthttp.RequestCtx) {
	feed, err := s.opts.Feed()
	s.respond(ctx, feed, err)
}
