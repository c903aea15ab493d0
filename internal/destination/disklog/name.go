package disklog

import (
	"path"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

const (
	// eventTime is the form of the scheduler's time, without its milliseconds.
	eventTime = "2006-01-02 15:04:05"
	// maxID is how much of an ID that is no GUID becomes part of a file name.
	maxID = 64
)

// fileName returns where the log of an event is stored, below the root:
//
//	2024-10-10/2024-10-10_15-35-25_appId=8f1d1ecf-…_taskId=22b106a8-….log
//
// The time is the scheduler's local one, from the datagram. A text that is no
// time is not used; the time of reception in zone stands instead.
//
// A reload in Qlik Cloud has the time of its event, in UTC, and its ID:
//
//	2031-05-02/2031-05-02T08-15-30_appId=0f9a2d0c-…_reloadId=66aa00.log
func fileName(a *messages.Alert, zone *time.Location) string {
	if a.Kind == messages.CloudReloadFailed {
		return cloudName(a)
	}
	e := a.Event
	at := eventAt(e, zone)
	file := at.Format("2006-01-02_15-04-05") + "_appId=" + safeID(e.AppID) + "_taskId=" + safeID(e.TaskID) + ".log"
	return path.Join(at.Format("2006-01-02"), file)
}

func cloudName(a *messages.Alert) string {
	at, err := time.Parse(time.RFC3339Nano, a.Cloud.EventTime)
	if err != nil {
		at = a.DecidedAt
	}
	at = at.UTC()
	file := at.Format("2006-01-02T15-04-05") + "_appId=" + safeID(a.App.ID) + "_reloadId=" + safeID(a.Cloud.ReloadID) + ".log"
	return path.Join(at.Format("2006-01-02"), file)
}

func eventAt(e messages.TaskEvent, zone *time.Location) time.Time {
	if len(e.LogTimestamp) >= len(eventTime) {
		if at, err := time.Parse(eventTime, e.LogTimestamp[:len(eventTime)]); err == nil {
			return at
		}
	}
	return e.At.In(zone)
}

// safeID returns an ID as part of a file name: letters, digits and hyphens.
func safeID(id string) string {
	if qlik.IsGUID(id) {
		return id
	}
	id = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '_'
	}, id)
	if id == "" {
		return "none"
	}
	return id[:min(len(id), maxID)]
}
