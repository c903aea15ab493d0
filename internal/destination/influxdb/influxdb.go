// Package influxdb owns the storage of task events and monitor readings in InfluxDB:
// the measurements, the line protocol, and the differences between the three major
// versions of the server.
//
// It guarantees the measurements, tags and field types of existing databases, and a
// timestamp that depends only on the event or reading: writing a point twice leaves one
// point, and two executions leave two points, even of one task at the same time. Points
// are written in batches. If a server refuses a batch, the batch is halved until the
// refused points are alone, so that the others are stored.
//
// It must never write an integer field, and never buffer points between deliveries:
// the delivery actor queues and retries.
package influxdb

import (
	"context"
	_ "embed"
	"errors"
	"strings"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/messages"
)

const name = "influxdb"

// batchSize is in notices and maxInFlight in batches. Several small batches are used
// because a batch occupies its slot until its outcome is on disk. With two batches of 500
// and two saturated cores, deliveries fell behind decisions (make bench
// BENCH=influxdb-points, three alternating runs each: 18,600 to 19,800 points/s with two
// of 500, 19,900 to 20,100 with four of 250).
const (
	batchSize   = 250
	maxInFlight = 4
)

//go:embed schema.yaml
var schema []byte

// Definition describes the destination.
func Definition() destination.Definition {
	return destination.Define(name, destination.Spec[Config, Measurement]{
		Section: "influxDb", Route: "influxDb", RouteKinds: messages.TaskKinds(), Schema: schema,
		Read: readSwitches, Enabled: func(c Config) bool { return c.Enable }, Uses: uses, Check: check, Expand: byMeasurement, Instance: instance, New: build,
		Address: func(Measurement) []string { return nil }, // all entries store in the same database
	})
}

func instance(c Config, u destination.Use[Measurement]) destination.Instance {
	m := u.Settings
	i := destination.Instance{Store: true, Timeout: c.timeout(), Batch: batchSize, MaxInFlight: maxInFlight}
	if _, ok := readingOf(c, u); ok {
		return i
	}
	i.Needs = rulesOf(u.Kinds)[0].needs(m)
	if m.filtered() {
		i.Needs.Task = true
		i.Select = m.ByCustomProperty.choose
		i.Properties = []destination.Property{{
			Path: u.Path + ".byCustomProperty.customPropertyName",
			Name: m.ByCustomProperty.CustomPropertyName, Value: m.ByCustomProperty.EnabledValue,
		}}
	}
	return i
}

// needs returns the data from which the points of a measurement are made.
func (r rule) needs(m Measurement) destination.Needs {
	needs := destination.Needs{
		// The app of a distribute or preload task is in the task's metadata.
		Task:      m.Tag.Dynamic.UseTaskTags || r.app && !r.scriptLog,
		Execution: r.execution, FinalState: r.final,
	}
	if r.scriptLog {
		needs.App = m.Tag.Dynamic.UseAppTags
		needs.ScriptHead, needs.ScriptTail = m.HeadScriptLogLines, m.TailScriptLogLines
	}
	return needs
}

// choose selects the events of tasks that have the custom property value.
func (by ByCustomProperty) choose(a *messages.Alert) destination.Selection {
	switch {
	case !a.Task.Known:
		return destination.Nobody("the custom properties of the task could not be looked up, and only tasks with %s = %s are stored", by.CustomPropertyName, by.EnabledValue)
	case !a.Task.HasProperty(by.CustomPropertyName, by.EnabledValue):
		return destination.Nobody("the task does not have the custom property %s = %s", by.CustomPropertyName, by.EnabledValue)
	}
	return destination.Everyone()
}

func build(c Config, u destination.Use[Measurement], d destination.Deps) (destination.Destination, error) {
	w, err := newWriter(c, d)
	if err != nil {
		return nil, err
	}
	if r, ok := readingOf(c, u); ok {
		return &store{measurement: r.measurement, writer: w, lines: func(dst []byte, room *point, a *messages.Alert) []byte {
			return r.appendLines(dst, room, c.Tag.Static, a)
		}}, nil
	}
	own := recorder{rule: rulesOf(u.Kinds)[0], global: c.Tag, own: u.Settings, zone: d.Location}
	return &store{measurement: own.rule.measurement, writer: w, lines: own.appendLine}, nil
}

// writer writes lines to one server. Its errors are classified and redacted.
type writer interface {
	write(ctx context.Context, lines []byte) error
	// ask makes a request without a body, with the credentials. target is a path with
	// its query, relative to the address of the server.
	ask(ctx context.Context, method, target string) (httpc.Answer, error)
	// target returns the path and query of the endpoint for writes.
	target() string
}

// store is the destination of one measurement.
type store struct {
	measurement string
	// lines appends the lines of an alert, possibly none. It overwrites room, so that
	// one point's memory serves a whole batch.
	lines  func(dst []byte, room *point, a *messages.Alert) []byte
	writer writer
}

// Deliver implements destination.Destination.
func (s *store) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	if err := s.DeliverBatch(ctx, []messages.Notice{n})[0]; err != nil {
		return destination.Receipt{}, err
	}
	return destination.Receipt{Status: "204", Detail: "stored in " + s.measurement}, nil
}

// Preview implements destination.Previewer. It returns the lines that would be written.
func (s *store) Preview(n messages.Notice) (string, error) {
	return strings.TrimSuffix(string(s.lines(nil, &point{}, &n.Alert)), "\n"), nil
}

var _ destination.Previewer = (*store)(nil)

// DeliverBatch implements destination.BatchDeliverer.
func (s *store) DeliverBatch(ctx context.Context, notices []messages.Notice) []error {
	body := batch{lines: make([]byte, 0, len(notices)*typicalLine), starts: make([]int, 1, len(notices)+1)}
	var room point
	for i := range notices {
		body.lines = s.lines(body.lines, &room, &notices[i].Alert)
		body.starts = append(body.starts, len(body.lines))
	}
	errs := make([]error, len(notices))
	s.writeAll(ctx, body, errs)
	return errs
}

// typicalLine is the typical length of the line of a point without a script log, in bytes.
const typicalLine = 2 << 10

// batch is the concatenated lines of several notices.
type batch struct {
	lines []byte
	// starts are the offsets in lines at which each notice begins, and the end of the last.
	starts []int
}

// part returns the batch of the notices with the indexes from <= i < to. It shares lines.
func (b batch) part(from, to int) batch { return batch{lines: b.lines, starts: b.starts[from : to+1]} }

func (b batch) body() []byte { return b.lines[b.starts[0]:b.starts[len(b.starts)-1]] }

// writeAll writes a batch and sets the error of each of its notices; errs has one element
// per notice. A batch that is refused permanently is halved and written again until the
// refused notices are alone, so that they do not lose the others. Points that are
// thereby written twice remain one point.
func (s *store) writeAll(ctx context.Context, b batch, errs []error) {
	body := b.body()
	if len(body) == 0 {
		return
	}
	err := s.writer.write(ctx, body)
	kind, _ := destination.KindOf(err)
	if err == nil || kind != destination.PermanentKind || len(errs) == 1 {
		for i := range errs {
			errs[i] = err
		}
		return
	}
	half := len(errs) / 2
	s.writeAll(ctx, b.part(0, half), errs[:half])
	s.writeAll(ctx, b.part(half, len(errs)), errs[half:])
}

// newWriter returns the writer for the configured version of the server.
func newWriter(c Config, d destination.Deps) (writer, error) {
	client, err := d.HTTP(destination.HTTPOptions{Timeout: c.timeout()})
	if err != nil {
		return nil, err
	}
	switch c.Version {
	case 1:
		return newV1(c, client, d.Log), nil
	case 2:
		return newV2(client, c.address(), c.V2Config.Org, c.V2Config.Bucket, c.V2Config.Token), nil
	case 3:
		return newV2(client, c.address(), "", c.V3Config.Database, c.V3Config.Token), nil
	}
	return nil, errors.New("BUG: the version was not validated")
}
