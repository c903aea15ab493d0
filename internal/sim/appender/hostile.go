package appender

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// MaxDatagram is the largest UDP payload over IPv4.
const MaxDatagram = 65507

// attack makes one hostile datagram out of a valid event.
type attack struct {
	name string
	// accepted reports that a correct receiver accepts the event, cleaned.
	accepted bool
	make     func(*rand.Rand, Format, Event) []byte
}

// attacks lists what may arrive on an open UDP port.
var attacks = [...]attack{
	{"binary", false, func(r *rand.Rand, _ Format, _ Event) []byte { return noise(r, 1+r.IntN(1400)) }},
	{"oversize", false, func(r *rand.Rand, _ Format, _ Event) []byte { return noise(r, MaxDatagram) }},
	{"empty", false, func(*rand.Rand, Format, Event) []byte { return nil }},
	{"only separators", false, func(r *rand.Rand, _ Format, _ Event) []byte {
		return bytes.Repeat([]byte{';'}, 1+r.IntN(5000))
	}},
	{"unknown type", false, func(_ *rand.Rand, f Format, e Event) []byte {
		e.Type.Identifier = "/scheduler-task-exploded/"
		return f.Append(nil, e)
	}},
	{"too few fields", false, func(r *rand.Rand, f Format, e Event) []byte {
		parts := bytes.Split(f.Append(nil, e), []byte{';'})
		return bytes.Join(parts[:1+r.IntN(len(parts)-1)], []byte{';'})
	}},
	{"separator in a name", false, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskName = "Sales; and; more"
		return f.Append(nil, e)
	}},
	{"bad task ID", false, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskID = "' or 1 eq 1 or id eq '"
		return f.Append(nil, e)
	}},
	{"no task ID", false, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskID = ""
		return Format{Unset: UnsetEmpty, DoubleSlash: f.DoubleSlash}.Append(nil, e)
	}},
	{"control characters", true, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskName = "a\x00b\r\nFAKE LOG LINE\x1b[31m\t" + e.TaskName
		e.Message = "\x01\x02" + e.Type.Message + "\x7f"
		return f.Append(nil, e)
	}},
	{"endless name", true, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskName = strings.Repeat("🤪", 5000)
		return f.Append(nil, e)
	}},
	{"invalid UTF-8", true, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskName = "caf\xe9 \xff\xfe \xf0\x9f\x92"
		return f.Append(nil, e)
	}},
	{"markup", true, func(_ *rand.Rand, f Format, e Event) []byte {
		e.TaskName = `"><img src=x onerror=alert(1)>{{constructor}}${env:PATH}<!channel>`
		return f.Append(nil, e)
	}},
	{"path in the timestamp", true, func(_ *rand.Rand, f Format, e Event) []byte {
		stamp := []byte(e.At.Format(logDate))
		return bytes.Replace(f.Append(nil, e), stamp, []byte("../../../../etc/x"), 1)
	}},
}

// Hostile returns the names of the hostile datagrams.
func Hostile() []string {
	out := make([]string, 0, len(attacks))
	for _, a := range attacks {
		out = append(out, a.name)
	}
	return out
}

// HostileDatagram makes the hostile datagram with that name out of a valid event.
func HostileDatagram(name string, seed uint64, f Format, e Event) (payload []byte, err error) {
	for _, a := range attacks {
		if a.name == name {
			return a.make(rand.New(rand.NewPCG(seed, 0)), f, e), nil
		}
	}
	return nil, fmt.Errorf("there is no hostile datagram %q", name)
}

func noise(r *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// pacer spreads sends evenly over time; a late sender catches up in a burst.
type pacer struct {
	start time.Time
	rate  float64
}

// due returns when the n-th send should happen; the zero time means now.
func (p pacer) due(n int) time.Time {
	if p.rate <= 0 {
		return time.Time{}
	}
	return p.start.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
}
