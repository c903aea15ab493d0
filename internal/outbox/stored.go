package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"butler/messages"
)

// Stored is an alert that still has notices.
type Stored struct {
	Alert messages.Alert
	// Parked reports that at least one notice of it is parked and none waits.
	Parked bool
}

// Alerts returns the alerts that still have notices, of the executions for which want
// returns true: first those with a waiting notice, then the parked ones, each in the order
// of decision. Alerts that cannot be read are omitted and reported in the error, together
// with which the others are returned.
func (o *Outbox) Alerts(want func(messages.ExecutionKey) bool) ([]Stored, error) {
	parked := map[messages.AlertID]bool{}
	note := func(n noticeRecord, isParked bool) {
		if n.Alert != "" && want(n.Key) {
			parked[n.Alert] = isParked // waiting notices come last and take precedence
		}
	}
	err := o.ledger.Range(bucketParked, func(_ string, value []byte) bool {
		note(readParked(value).Notice, true)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list parked notices: %w", err)
	}
	err = o.ledger.Range(bucketNotice, func(_ string, value []byte) bool {
		var n noticeRecord
		if decode(value, &n) == nil { // the delivery reports damaged ones
			note(n, false)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	var out []Stored
	var left error
	for id, isParked := range parked {
		e, err := o.alert(id, false)
		if err != nil {
			left = errors.Join(left, err)
			continue
		}
		out = append(out, Stored{Alert: *e.alert, Parked: isParked})
	}
	slices.SortFunc(out, func(a, b Stored) int {
		switch {
		case a.Parked == b.Parked:
			return cmp.Or(a.Alert.DecidedAt.Compare(b.Alert.DecidedAt), cmp.Compare(a.Alert.ID, b.Alert.ID))
		case b.Parked:
			return -1
		default:
			return 1
		}
	})
	return out, left
}

// OpenNotice is a notice that waits for delivery, for butler explain.
type OpenNotice struct {
	ID                  messages.NoticeID
	Kind                messages.AlertKind
	Key                 messages.ExecutionKey
	Instance, Recipient string
	QueuedAt            time.Time
	// Attempts counts the attempts. The last few may not have been recorded.
	Attempts int
}

// OpenFilter selects waiting notices. The zero value selects all.
type OpenFilter struct {
	// Notices are those wanted, nil for any. The others are not read from disk.
	Notices map[messages.NoticeID]bool
	// Of reports whether the notices of an execution are wanted, nil for any.
	Of func(messages.ExecutionKey) bool
}

// OpenNotices lists the waiting notices that f selects, in the order of queueing. Notices
// that cannot be read are omitted.
func (o *Outbox) OpenNotices(f OpenFilter) ([]OpenNotice, error) {
	var out []OpenNotice
	wanted := func(key string) bool {
		id, _ := splitNoticeKey(key)
		return f.Notices == nil || f.Notices[id]
	}
	err := o.ledger.Select(bucketNotice, wanted, func(key string, value []byte) bool {
		var n noticeRecord
		if decode(value, &n) == nil && (f.Of == nil || f.Of(n.Key)) {
			id, instance := splitNoticeKey(key)
			out = append(out, OpenNotice{
				ID: id, Kind: n.Kind, Key: n.Key, Instance: instance, Recipient: n.Recipient, QueuedAt: n.QueuedAt, Attempts: n.Attempts,
			})
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	slices.SortFunc(out, func(a, b OpenNotice) int {
		return cmp.Or(a.QueuedAt.Compare(b.QueuedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}
