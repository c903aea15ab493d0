package outbox

import (
	"bytes"
	"fmt"

	"butler/internal/journal"
	"butler/messages"
)

// Read reads a waiting notice with its alert and attachment into into, which must be
// zero. journal.ErrCorrupt means that it can never be read. After an error the content
// of into is undefined.
func (o *Outbox) Read(instance string, id messages.NoticeID, into *messages.Notice) error {
	record, err := o.notice(instance, id)
	if err != nil {
		return fmt.Errorf("read notice %s: %w", id, err)
	}
	into.NoticeHead = record.head(id, instance)
	if record.Sole && !record.Attachment {
		err = o.soleAlert(record.Alert, &into.Alert)
	} else {
		err = o.sharedAlert(record, into)
	}
	if err != nil {
		return fmt.Errorf("read notice %s: %w", id, err)
	}
	return nil
}

// soleAlert reads an alert that has one notice. It decodes it into into; the cache keeps
// the encoded form for another attempt, because nothing else needs the decoded one.
func (o *Outbox) soleAlert(id messages.AlertID, into *messages.Alert) error {
	o.mu.Lock()
	e, ok := o.cache.get(id)
	o.mu.Unlock()
	if ok && e.alert != nil {
		*into = *e.alert
		return nil
	}
	if !ok {
		raw, err := o.rawAlert(id)
		if err != nil {
			return err
		}
		e = &entry{id: id, raw: bytes.Clone(raw)} // raw is part of a whole journal record, which the cache must not keep in memory
		o.mu.Lock()
		o.cache.put(e)
		o.mu.Unlock()
	}
	return decodeAlert(id, e.raw, into)
}

// sharedAlert reads an alert that has several notices or an attachment.
func (o *Outbox) sharedAlert(record noticeRecord, into *messages.Notice) error {
	e, err := o.alert(record.Alert, record.Attachment)
	if err != nil {
		return err
	}
	into.Alert = *e.alert
	if record.Attachment {
		into.Attachment = e.attachment
	}
	return nil
}

// notice reads the record of a waiting notice.
func (o *Outbox) notice(instance string, id messages.NoticeID) (noticeRecord, error) {
	var record noticeRecord
	raw, ok, err := o.ledger.Get(bucketNotice, noticeKey(id, instance))
	if err != nil {
		return record, err
	}
	if !ok {
		return record, fmt.Errorf("%w: notice is not there", journal.ErrCorrupt)
	}
	return record, decode(raw, &record)
}

// alert returns an alert from the cache or the ledger. The entry must not be changed.
func (o *Outbox) alert(id messages.AlertID, attachment bool) (*entry, error) {
	o.mu.Lock()
	cached, ok := o.cache.get(id)
	o.mu.Unlock()
	if ok && cached.alert != nil && (cached.attached || !attachment) {
		return cached, nil
	}
	e, err := o.read(id, cached)
	if err != nil {
		return nil, err
	}
	if attachment && !e.attached {
		if e.attachment, err = o.readAttachment(id); err != nil {
			return nil, err
		}
		e.attached = true
	}
	o.mu.Lock()
	o.cache.put(e)
	o.mu.Unlock()
	return e, nil
}

// read returns an entry with the decoded alert. cached is the cached entry, nil if there
// is none.
func (o *Outbox) read(id messages.AlertID, cached *entry) (*entry, error) {
	e := &entry{id: id, alert: new(messages.Alert)}
	switch {
	case cached == nil:
	case cached.alert != nil:
		e.alert = cached.alert
		return e, nil
	default:
		e.attachment, e.attached = cached.attachment, cached.attached
		return e, decodeAlert(id, cached.raw, e.alert)
	}
	raw, err := o.rawAlert(id)
	if err != nil {
		return nil, err
	}
	return e, decodeAlert(id, raw, e.alert)
}

// rawAlert reads the encoded form of an alert.
func (o *Outbox) rawAlert(id messages.AlertID) ([]byte, error) {
	raw, ok, err := o.ledger.Get(bucketAlert, string(id))
	if err == nil && !ok {
		err = fmt.Errorf("%w: alert %s is not there", journal.ErrCorrupt, id)
	}
	return raw, err
}

func decodeAlert(id messages.AlertID, raw []byte, into *messages.Alert) error {
	if err := decode(raw, into); err != nil {
		return fmt.Errorf("alert %s: %w", id, err)
	}
	return nil
}

func (o *Outbox) readAttachment(id messages.AlertID) (string, error) {
	raw, ok, err := o.ledger.Get(bucketAttachment, string(id))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("%w: attachment of alert %s is not there", journal.ErrCorrupt, id)
	}
	return decompress(raw)
}
