package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"time"
)

// dumpPath is where a dump connects: a session of its own, not that of the app.
const dumpPath = "/app/engineData"

// DumpSummary tells what a dump holds and what it had to leave out.
type DumpSummary struct {
	// Bytes is the length of the document.
	Bytes int64
	// Omitted lists the sections that could not be had and that a document may
	// lack: "lineage" or nothing.
	Omitted []string
}

// Dump writes everything that describes an app, except its data, as one JSON
// object to w, one object of the app after the other. Only the answers of a few
// calls are in memory at any time.
//
// Nothing is written before the app is open. After an error the output is incomplete, so
// a caller that has to send a status first should write to a file. A file also keeps a
// slow reader from holding the session open.
func (c *Client) Dump(ctx context.Context, appID string, w io.Writer) (summary DumpSummary, err error) {
	defer c.observe(opDump, time.Now(), &err)
	if err := c.checkAppID(appID); err != nil {
		return DumpSummary{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.DumpTimeout)
	defer cancel()
	err = c.converse(ctx, c.sessions, dumpPath, func(s *session) error {
		handle, err := s.openDoc(ctx, appID, true)
		if err != nil {
			return err
		}
		d := &dump{session: s, doc: handle, out: &document{to: bufio.NewWriter(w), limit: c.options.MaxDump}}
		err = d.write(ctx, appID)
		summary = DumpSummary{Bytes: d.out.written, Omitted: d.omitted}
		return err
	})
	return summary, err
}

// dump is a dump on its way.
type dump struct {
	session *session
	doc     int
	out     *document
	omitted []string
}

func (d *dump) write(ctx context.Context, appID string) error {
	d.out.text("{")
	id, _ := json.Marshal(appID) // a string: it cannot fail
	d.out.member("appId", id)
	for _, part := range []func(context.Context) error{d.single, d.lineage, d.lists} {
		if err := part(ctx); err != nil {
			return err
		}
		if err := d.unwritten(); err != nil {
			return err
		}
	}
	d.out.text("}\n")
	d.out.flush()
	return d.unwritten()
}

// unwritten explains why the document cannot be written any further.
func (d *dump) unwritten() error {
	if d.out.err == nil {
		return nil
	}
	return d.session.invalid("write dump", d.out.err)
}

// single writes what an app has one of.
func (d *dump) single(ctx context.Context) error {
	for _, one := range []struct{ key, method, member string }{
		{"properties", "GetAppProperties", "qProp"},
		{"loadScript", "GetScript", "qScript"},
	} {
		result, err := d.session.call(ctx, d.doc, one.method)
		if err != nil {
			return err
		}
		value, err := d.session.member(one.method, result, one.member)
		if err != nil {
			return err
		}
		d.out.member(one.key, value)
	}
	return nil
}

// lineage writes the whole result, and nothing when the engine does not tell. A
// session that is gone is no such case.
func (d *dump) lineage(ctx context.Context) error {
	const key, method = "lineage", "GetLineage"
	result, err := d.session.call(ctx, d.doc, method)
	if err == nil {
		_, err = d.session.member(method, result, "qLineage")
	}
	switch {
	case err == nil:
		d.out.member(key, result)
	case d.session.broken:
		return err
	default:
		d.omitted = append(d.omitted, key)
	}
	return nil
}

func (d *dump) lists(ctx context.Context) error {
	for _, section := range sections() {
		if err := d.list(ctx, section); err != nil {
			return err
		}
	}
	return nil
}

// list writes the items of one section, in the order of the engine.
func (d *dump) list(ctx context.Context, section section) error {
	items, err := section.items(ctx, d)
	if err != nil {
		return err
	}
	d.out.key(section.key)
	d.out.text("[")
	write := d.out.elements()
	for len(items) > 0 && d.out.err == nil {
		batch := items[:min(len(items), pipelined)]
		items = items[len(batch):]
		if err := section.write(ctx, d, batch, write); err != nil {
			return err
		}
	}
	d.out.text("]")
	return nil
}

// document writes JSON piece by piece, up to a limit, and remembers the first error.
type document struct {
	to      *bufio.Writer
	limit   int64
	written int64
	members int
	err     error
}

func (o *document) text(text string) { o.raw([]byte(text)) }

func (o *document) raw(text []byte) {
	if o.err != nil {
		return
	}
	o.written += int64(len(text))
	if o.written > o.limit {
		o.err = errTooMuch
		return
	}
	_, o.err = o.to.Write(text)
}

// key begins the next member of the object.
func (o *document) key(key string) {
	if o.members++; o.members > 1 {
		o.text(",")
	}
	o.text(`"` + key + `":`)
}

func (o *document) member(key string, value json.RawMessage) {
	o.key(key)
	o.raw(value)
}

// elements returns a function that writes the next element of a list.
func (o *document) elements() func(json.RawMessage) {
	count := 0
	return func(value json.RawMessage) {
		if count++; count > 1 {
			o.text(",")
		}
		o.raw(value)
	}
}

func (o *document) flush() {
	if o.err == nil {
		o.err = o.to.Flush()
	}
}
