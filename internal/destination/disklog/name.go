package disklog

import (
	"path"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

const (
	// eventTime is the layout of the scheduler's time without the milliseconds.
	eventTime = "2006-01-02 15:04:05"
	// maxID is the maximum length of an ID in a file name, if it is not a GUID.
	maxID = 64
)

// fileName returns the path of the log of an event, relative to the archive's directory:
//
//	2024-10-10/2024-10-10_15-35-25_appId=8f1d1ecf-…_taskId=22b106a8-….log
//
// The time is the local time of the scheduler, from the datagram, or the time of
// reception in zone if that is not valid.
//
// The name for a reload in Qlik Cloud has the time of its event in UTC and the reload ID:
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

// ownName returns a path for the log of an event if another log is at its fileName: two
// failures of a task in one second, or an event that somebody forged. The ID of the
// execution is part of it, as the ID of a reload in Qlik Cloud always is.
func ownName(a *messages.Alert, file string) string {
	if a.Kind == messages.CloudReloadFailed {
		return file
	}
	return strings.TrimSuffix(file, ".log") + "_executionId=" + safeID(a.Event.ExecutionID) + ".log"
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

// safeID returns an ID as part of a file name: at most maxID ASCII letters, digits,
// hyphens and underscores, or the GUID as it is.
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
