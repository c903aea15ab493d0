package sink

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Stored returns what a query of a database would return after the kept writes.
// Points of equal measurement, tags and time are one point with the fields of all of
// them, the latest of each. The points are in the order of their first write.
func (s *Influx) Stored(database string) []Point {
	var out []Point
	places := make(map[string]int)
	for _, w := range s.writes.All() {
		if w.Database != database {
			continue
		}
		for _, p := range w.Points {
			if p.Time.IsZero() {
				p.Time = w.At
			}
			place := w.Policy + "\x00" + p.identity()
			at, known := places[place]
			if !known {
				places[place] = len(out)
				p.Fields = maps.Clone(p.Fields)
				out = append(out, p)
				continue
			}
			maps.Copy(out[at].Fields, p.Fields)
		}
	}
	return out
}

// identity returns the key that is equal for points that overwrite each other.
func (p Point) identity() string {
	var key strings.Builder
	key.WriteString(p.Measurement)
	for _, name := range slices.Sorted(maps.Keys(p.Tags)) {
		key.WriteString("\x00" + name + "\x00" + p.Tags[name])
	}
	return key.String() + "\x00" + p.Time.UTC().Format(time.RFC3339Nano)
}
