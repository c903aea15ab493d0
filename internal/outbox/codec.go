package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"butler/internal/journal"
	"butler/internal/text"
	"butler/internal/wire"
	"butler/messages"
)

// The buckets of the outbox.
const (
	// bucketAlert holds every alert that a notice still needs, by alert ID.
	bucketAlert journal.Bucket = "alert"
	// bucketNoticeKeys holds the keys of all notices that an alert was recorded with, by
	// alert ID. It is apart from the alert because it is small enough to stay in memory.
	// An alert with one notice has no entry: the notice says that it is the sole one.
	bucketNoticeKeys journal.Bucket = "told"
	// bucketAttachment holds the full script log of an alert, compressed, by alert ID.
	bucketAttachment journal.Bucket = "attachment"
	// bucketNotice holds the notices that wait for delivery, by noticeKey.
	bucketNotice journal.Bucket = "notice"
	// bucketParked holds the parked notices, by notice ID.
	bucketParked journal.Bucket = "parked"
	// bucketWindow holds the suppression windows, by windowKey.
	bucketWindow journal.Bucket = "window"
)

// The first byte of every value is its version. A release that changes a record has to
// use the next version and to read all older ones; testdata has an entry of each version.
const (
	// versionJSON is followed by the JSON of a record, or by a compressed script log.
	versionJSON = 1
	// versionBinary is followed by the fields of a layout.
	versionBinary = 2
	// versionSections is an alert without the empty sections.
	versionSections = 3
)

// noticeRecord is a notice that waits for delivery. Its ID and instance are in the key.
// It repeats the values of its alert that are needed to settle and list notices.
type noticeRecord struct {
	Alert      messages.AlertID      `json:"alert"`
	Kind       messages.AlertKind    `json:"kind"`
	Key        messages.ExecutionKey `json:"key"`
	TaskName   string                `json:"taskName,omitempty"`
	Recipient  string                `json:"recipient,omitempty"`
	SuppressBy string                `json:"suppressBy,omitempty"`
	QueuedAt   time.Time             `json:"queuedAt"`
	Attempts   int                   `json:"attempts,omitempty"`
	Panics     int                   `json:"panics,omitempty"`
	Attachment bool                  `json:"attachment,omitempty"`
	Exempt     bool                  `json:"exempt,omitempty"`
	Expires    time.Time             `json:"expires,omitzero"`
	// Sole means that the alert was recorded with this notice only.
	Sole bool `json:"sole,omitempty"`
}

// maxTaskName is the maximum length of the task name in a notice record, in bytes.
const maxTaskName = 120

// parkedRecord is a parked notice.
type parkedRecord struct {
	Notice      noticeRecord `json:"notice"`
	Instance    string       `json:"instance"`
	Integration string       `json:"integration"`
	Cause       ParkCause    `json:"cause"`
	Reason      string       `json:"reason"`
	ParkedAt    time.Time    `json:"parkedAt"`
	// Raw is the original entry, if it could not be decoded.
	Raw []byte `json:"raw,omitempty"`
}

// windowRecord is a suppression window.
type windowRecord struct {
	OpenedBy   messages.NoticeID `json:"openedBy,omitempty"`
	Until      time.Time         `json:"until"`
	Suppressed int               `json:"suppressed,omitempty"`
}

// scratch is a reusable buffer into which records are encoded one after the other. The
// slices that encode returns are valid until free.
type scratch struct {
	buffer bytes.Buffer
	json   *json.Encoder
	// wire and notice are reused by every encoding.
	wire   wire.Wire
	notice noticeRecord
}

var scratches = sync.Pool{New: func() any {
	s := &scratch{}
	s.json = json.NewEncoder(&s.buffer)
	s.json.SetEscapeHTML(false) // the output is never part of an HTML page
	return s
}}

func newScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) free() {
	s.buffer.Reset()
	scratches.Put(s)
}

// encode returns the durable form of a record.
func (s *scratch) encode(record any) []byte {
	start := s.buffer.Len()
	if l, version := layoutOf(record); l != nil {
		s.wire = wire.Writer(append(s.buffer.AvailableBuffer(), version))
		l.lay(&s.wire)
		s.buffer.Write(s.wire.Bytes())
		return s.buffer.Bytes()[start:]
	}
	s.buffer.WriteByte(versionJSON)
	if err := s.json.Encode(record); err != nil {
		panic(fmt.Sprintf("BUG: outbox record %T cannot be encoded: %v", record, err))
	}
	return bytes.TrimSuffix(s.buffer.Bytes()[start:], []byte("\n"))
}

// encode returns the durable form of a record in newly allocated memory.
func encode(record any) []byte {
	s := newScratch()
	defer s.free()
	return bytes.Clone(s.encode(record))
}

// decode decodes the output of encode, of this release or an earlier one. Every error is
// journal.ErrCorrupt.
func decode(raw []byte, into any) error {
	if len(raw) == 0 {
		return fmt.Errorf("%w: empty entry", journal.ErrCorrupt)
	}
	l := layoutOfVersion(into, raw[0])
	switch {
	case l != nil:
		w := wire.Reader(raw[1:])
		l.lay(&w)
		if err := w.Finish(); err != nil {
			return fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
		}
		return nil
	case raw[0] == versionJSON:
		if err := json.Unmarshal(raw[1:], into); err != nil {
			return fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
		}
		return nil
	default:
		return fmt.Errorf("%w: entry has version %d, which this release does not read", journal.ErrCorrupt, raw[0])
	}
}

// noticeKey returns the key of a notice. It contains the instance, so that the notices of
// an instance can be found without reading values.
func noticeKey(id messages.NoticeID, instance string) string { return string(id) + "@" + instance }

func splitNoticeKey(key string) (messages.NoticeID, string) {
	id, instance, _ := strings.Cut(key, "@")
	return messages.NoticeID(id), instance
}

// windowKey returns the key of a window. It is unambiguous, because the name of an
// instance comes from the configuration and has no zero byte.
func windowKey(instance, key string) string { return instance + "\x00" + key }

// The maximum sizes of a stored script log, in bytes before and after compression. The
// beginning is cut off, because the error of a failed reload is at the end.
const (
	maxAttachment = 4 << 20
	maxCompressed = 640 << 10
)

// compress returns the durable form of a script log. It cuts text that cannot be
// compressed well even further, so that a decision always fits into a journal record.
func compress(text string) []byte {
	for keep := min(len(text), maxAttachment); ; keep /= 2 {
		if out := gzipped(lastBytes(text, keep)); len(out) <= maxCompressed {
			return out
		}
	}
}

// lastBytes returns the last keep bytes of text, without splitting a character, after a
// line with the number of bytes that were cut off. It returns shorter text unchanged.
func lastBytes(text string, keep int) string {
	cut := len(text) - keep
	if cut <= 0 {
		return text
	}
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut++
	}
	return fmt.Sprintf(cutBegins+"%d"+cutEnds+"%s", cut, text[cut:])
}

// The texts before and after the number in that line.
const cutBegins, cutEnds = "[the first ", " bytes of this log are left out]\n"

// CutLog reports whether an attachment is the end of a script log whose beginning was cut
// off, and returns that end without the line about the cut.
func CutLog(text string) (end string, cut bool) {
	begun, ok := strings.CutPrefix(text, cutBegins)
	bytes, end, found := strings.Cut(begun, cutEnds)
	if _, err := strconv.ParseUint(bytes, 10, 63); !ok || !found || err != nil {
		return "", false
	}
	return end, true
}

// compressors are pooled, because each uses almost a megabyte of memory.
var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func gzipped(text string) []byte {
	var out bytes.Buffer
	out.WriteByte(versionJSON)
	w := compressors.Get().(*gzip.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	_, _ = io.WriteString(w, text) // a bytes.Buffer never fails
	_ = w.Close()
	w.Reset(nil) // so that the pool does not keep out in memory
	return out.Bytes()
}

func decompress(raw []byte) (string, error) {
	if len(raw) == 0 || raw[0] != versionJSON {
		return "", fmt.Errorf("%w: attachment of an unknown version", journal.ErrCorrupt)
	}
	r, err := gzip.NewReader(bytes.NewReader(raw[1:]))
	if err != nil {
		return "", fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
	}
	// A little more than maxAttachment, for the line about the cut.
	text, err := io.ReadAll(io.LimitReader(r, maxAttachment+1024))
	if err != nil {
		return "", fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
	}
	return string(text), nil
}

// appendOps appends the changes of a decision: the alert, one record per notice, the list
// of notices if there are several, and the compressed attachment if a notice needs it.
// For a decision without notices it appends nothing. The values are valid until s.free.
func (d Decision) appendOps(ops []journal.Op, s *scratch) []journal.Op {
	if len(d.Notices) == 0 {
		return ops
	}
	id := string(d.Alert.ID)
	ops = append(ops, journal.Op{Bucket: bucketAlert, Key: id, Value: s.encode(d.Alert)})
	first, attached := len(ops), false
	for _, n := range d.Notices {
		s.notice = d.record(n)
		attached = attached || s.notice.Attachment
		ops = append(ops, journal.Op{Bucket: bucketNotice, Key: noticeKey(n.ID, n.Instance), Value: s.encode(&s.notice)})
	}
	if notices := ops[first:]; len(notices) > 1 {
		keys := make([]string, len(notices))
		for i, op := range notices {
			keys[i] = op.Key
		}
		ops = append(ops, journal.Op{Bucket: bucketNoticeKeys, Key: id, Value: s.encode(keys)})
	}
	if attached {
		ops = append(ops, journal.Op{Bucket: bucketAttachment, Key: id, Value: compress(d.Attachment)})
	}
	return ops
}

func (d Decision) record(n messages.NoticeHead) noticeRecord {
	return noticeRecord{
		Alert: d.Alert.ID, Kind: d.Alert.Kind, Key: d.Alert.Key, TaskName: text.FirstBytes(d.Alert.Event.TaskName, maxTaskName),
		Recipient: n.Recipient, SuppressBy: n.SuppressBy, QueuedAt: n.QueuedAt,
		Attachment: n.Attached && d.Attachment != "", Exempt: n.Exempt, Sole: len(d.Notices) == 1, Expires: n.Expires,
	}
}

func (r *noticeRecord) head(id messages.NoticeID, instance string) messages.NoticeHead {
	return messages.NoticeHead{
		ID: id, Instance: instance, Recipient: r.Recipient, SuppressBy: r.SuppressBy,
		Attached: r.Attachment, Exempt: r.Exempt, QueuedAt: r.QueuedAt, Expires: r.Expires,
	}
}
