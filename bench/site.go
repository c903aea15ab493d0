package bench

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"butler/bench/target"
	"butler/internal/sim"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
)

// site is the simulated repository and the sinks of one run. The receipts of the sinks
// are entered in the current ledger.
type site struct {
	*sim.Sim
	ledger atomic.Pointer[Ledger]
	// names are the destinations of the scenario, byTask those of them whose
	// messages name no execution.
	names, byTask []string
}

// tasksPerTask is how many tasks the site needs for each task of a type that events are
// about: the rarest type is one in twenty.
const tasksPerTask = 21

// newSite starts a site for a scenario, with certificates in a directory.
func newSite(s Scenario, byTask []string, directory string) (*site, error) {
	out := &site{names: s.told(), byTask: byTask}
	var err error
	out.Sim, err = sim.New(sim.Options{
		Seed: 1, CertDir: directory,
		World: world.Options{Tasks: max(200, s.Known, s.Tasks*tasksPerTask)},
		QRS:   qrssim.Options{Latency: s.QRS.Latency, Jitter: s.QRS.Jitter, History: 1},
		HTTP:  sink.HTTPOptions{History: 1},
		SMTP:  sink.SMTPOptions{History: 1}, Influx: sink.InfluxOptions{History: 1}, MQTT: sink.MQTTOptions{History: 1},
	})
	if err != nil {
		return nil, err
	}
	out.listen()
	if err := out.Start(); err != nil {
		return nil, err
	}
	for n, f := range s.QRS.Faults {
		out.QRS.Faults().Set(f.rule(n))
	}
	for n, f := range s.Sinks {
		out.HTTP.Faults().Set(f.rule(n))
	}
	if s.Deaf {
		err = out.HTTP.Refuse(true)
	}
	return out, err
}

// listen enters every receipt in the ledger. Only an accepted message is a receipt.
func (s *site) listen() {
	s.HTTP.History().Tell(func(r sink.HTTPRequest) {
		if r.Delivered() {
			s.received(s.destination(r.Path), r.At, append(queryText(r.Query), r.Body...))
		}
	})
	s.SMTP.Messages().Tell(func(m sink.Mail) {
		s.received("email", m.At, []byte(m.Subject+"\n"+m.Text+"\n"+m.HTML))
	})
	s.MQTT.Publications().Tell(func(p sink.Publication) { s.received(s.destination(p.Topic), p.At, p.Payload) })
	s.Influx.Writes().Tell(func(w sink.Write) { s.received("influxdb", w.At, pointTexts(w.Points)...) })
}

func (s *site) received(destination string, at time.Time, texts ...[]byte) {
	l := s.ledger.Load()
	switch {
	case l == nil:
	case slices.Contains(s.byTask, destination):
		l.ReceivedTask(destination, at, texts...)
	default:
		l.Received(destination, at, texts...)
	}
}

// destination returns the longest destination name that the path begins with, or the path.
func (s *site) destination(path string) string {
	path = strings.Trim(path, "/")
	best := ""
	for _, name := range s.names {
		if len(name) > len(best) && (path == name || strings.HasPrefix(path, name+"/")) {
			best = name
		}
	}
	return cmp.Or(best, path)
}

// queryText returns the values of a query, one a line.
func queryText(query url.Values) []byte {
	var out []byte
	for _, values := range query {
		out = append(append(out, strings.Join(values, "\n")...), '\n')
	}
	return out
}

// pointTexts returns the tags and fields of points that may be the ID of an execution.
func pointTexts(points []sink.Point) [][]byte {
	const usual = 4 // the execution, the task, its app, and one more
	room := make([]byte, 0, usual*guidLength*len(points))
	out := make([][]byte, 0, usual*len(points))
	add := func(text string) {
		if len(text) == guidLength {
			room = append(room, text...)
			out = append(out, room[len(room)-guidLength:])
		}
	}
	for _, p := range points {
		for _, value := range p.Tags {
			add(value)
		}
		for _, value := range p.Fields {
			if text, ok := value.(string); ok {
				add(text)
			}
		}
	}
	return out
}

// describe returns the site as the template of a configuration file sees it. fixed are the
// first ports of the target; 0 means any free one.
func (s *site) describe(directory string, sc Scenario, fixed []int) (target.Site, error) {
	ports, err := target.FreePorts(3)
	if err != nil {
		return target.Site{}, err
	}
	for i, port := range fixed {
		ports[i] = cmp.Or(port, ports[i])
	}
	files := s.Certificates()
	out := target.Site{
		Dir: directory, UDPPort: ports[0], OperationsPort: ports[1], RESTPort: ports[2], HTTP: s.HTTP.URL(),
		ClientCert: files.Client, ClientKey: files.ClientKey, RootCert: files.Root,
	}
	for _, part := range []struct {
		of   string
		into *target.Address
	}{{s.QRS.Addr(), &out.QRS}, {s.SMTP.Addr(), &out.SMTP}, {s.Influx.Addr(), &out.Influx}, {s.MQTT.Addr(), &out.MQTT}} {
		if *part.into, err = target.ParseAddress(part.of); err != nil {
			return out, fmt.Errorf("address of the site: %w", err)
		}
	}
	return out.WithDestinations(slices.Concat(sc.Destinations, sc.Unmeasured)), nil
}
