// Package samples owns sample alerts: one of every kind, as filled in with a healthy
// cluster and with one that does not answer. Tests, previews of templates and test
// alerts show them. The values are always the same, and obviously made up.
package samples

import (
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// Identifiers and times of the sample alerts.
const (
	TaskID      = "22b106a8-e7ed-4466-b700-014f060bef16"
	AppID       = "8f1d1ecf-97a6-4eb5-8f47-f9156300b854"
	ExecutionID = "4c3b2a19-0f1e-4a4b-8888-111122223333"
	resultID    = "6e0f1a2b-3c4d-4e5f-9999-444455556666"
	ownerID     = "0a1b2c3d-4e5f-4a6b-8c7d-777788889999"
)

// EventTime returns when the sample events were received, a fixed time.
func EventTime() time.Time { return time.Date(2026, 5, 6, 12, 23, 45, 123_000_000, time.UTC) }

// outcome is what differs between the kinds of sample alerts.
type outcome struct {
	family   messages.Family
	taskType qlik.TaskType
	status   qlik.ExecutionStatus
	level    string
	message  string
	taskName string
}

var outcomes = map[messages.AlertKind]outcome{
	messages.ReloadTaskFailed:             {messages.FamilyFailed, qlik.TaskReload, qlik.StatusFinishedFail, "WARN", "Max retries reached", "Reload of Sales"},
	messages.ReloadTaskAborted:            {messages.FamilyAborted, qlik.TaskReload, qlik.StatusAborted, "INFO", "Execution was aborted by a user", "Reload of Sales"},
	messages.ReloadTaskSucceeded:          {messages.FamilySucceeded, qlik.TaskReload, qlik.StatusFinishedSuccess, "INFO", "Reload complete", "Reload of Sales"},
	messages.ExternalProgramTaskFailed:    {messages.FamilyFailed, qlik.TaskExternalProgram, qlik.StatusFinishedFail, "ERROR", "The program ended with code 3", "Run export"},
	messages.ExternalProgramTaskSucceeded: {messages.FamilySucceeded, qlik.TaskExternalProgram, qlik.StatusFinishedSuccess, "INFO", "The program ended well", "Run export"},
	messages.UserSyncTaskFailed:           {messages.FamilyFailed, qlik.TaskUserSync, qlik.StatusFinishedFail, "ERROR", "The directory did not answer", "Sync of AD"},
	messages.UserSyncTaskSucceeded:        {messages.FamilySucceeded, qlik.TaskUserSync, qlik.StatusFinishedSuccess, "INFO", "Users are up to date", "Sync of AD"},
	messages.DistributeTaskFailed:         {messages.FamilyDistribute, qlik.TaskDistribute, qlik.StatusFinishedFail, "ERROR", "Distribution ended", "Publish Sales"},
	messages.DistributeTaskSucceeded:      {messages.FamilyDistribute, qlik.TaskDistribute, qlik.StatusFinishedSuccess, "INFO", "Distribution ended", "Publish Sales"},
	messages.PreloadTaskFailed:            {messages.FamilyFailed, qlik.TaskPreload, qlik.StatusFinishedFail, "ERROR", "Preload did not finish", "Warm Sales"},
	messages.PreloadTaskSucceeded:         {messages.FamilySucceeded, qlik.TaskPreload, qlik.StatusFinishedSuccess, "INFO", "Preload finished", "Warm Sales"},
}

// messageTypes are the identifiers of the datagrams for each kind.
var messageTypes = map[messages.AlertKind]string{
	messages.ReloadTaskFailed:             "/scheduler-reload-failed/",
	messages.ReloadTaskAborted:            "/scheduler-reload-aborted/",
	messages.ReloadTaskSucceeded:          "/scheduler-reloadtask-success/",
	messages.ExternalProgramTaskFailed:    "/scheduler-task-failed/",
	messages.ExternalProgramTaskSucceeded: "/scheduler-task-success/",
	messages.UserSyncTaskFailed:           "/scheduler-task-failed/",
	messages.UserSyncTaskSucceeded:        "/scheduler-task-success/",
	messages.DistributeTaskFailed:         "/scheduler-distribute/",
	messages.DistributeTaskSucceeded:      "/scheduler-distribute/",
	messages.PreloadTaskFailed:            "/scheduler-task-failed/",
	messages.PreloadTaskSucceeded:         "/scheduler-task-success/",
}

// Complete returns an alert of kind with everything known.
func Complete(kind messages.AlertKind) messages.Alert {
	if a, ok := monitored(kind); ok {
		return a
	}
	a := Degraded(kind)
	o := outcomes[kind]
	a.Degraded = nil
	a.Task = messages.Task{
		Known: true, ID: TaskID, Name: o.taskName, Type: o.taskType,
		Tags: []string{"nightly", "Finance team"},
		CustomProperties: []messages.Property{
			{Name: "Department", Value: "Finance"},
			{Name: "Butler_SuccessReloadTask_InfluxDB", Value: "Yes"},
		},
		ManuallyTriggered: true, MaxRetries: 2, SessionTimeout: 1440,
		ModifiedBy: `CORP\anna`, ModifiedDate: "2026-05-01T08:00:00.000Z", NextExecution: "2026-05-07T12:20:00.000Z",
		LastStatus: o.status, LastResultID: resultID,
		Metadata: `{"id":"` + TaskID + `","name":"` + o.taskName + `","enabled":true,"schemaPath":"Task"}`,
	}
	a.Execution = messages.Execution{
		Known: true, ResultID: resultID, Node: "Central", Status: o.status,
		Start: "2026-05-06T12:20:00.000Z", Stop: "2026-05-06T12:23:45.000Z", Duration: 225 * time.Second,
		Details: details(o),
	}
	if hasApp(o.taskType) {
		a.Task.AppID, a.Task.AppName = AppID, "Sales"
		a.App, a.Owner = app(), owner()
	}
	if o.taskType == qlik.TaskReload {
		a.Execution.ScriptLogSize, a.Execution.ScriptLogAvailable = 4711, true
		a.ScriptLog = ScriptLog(60)
	}
	return a
}

// Degraded returns an alert of kind with only the datagram known.
func Degraded(kind messages.AlertKind) messages.Alert {
	if a, ok := monitored(kind); ok {
		return degrade(a)
	}
	o, ok := outcomes[kind]
	if !ok {
		panic("BUG: no sample for alert kind " + string(kind))
	}
	e := messages.TaskEvent{
		Family: o.family, MessageType: messageTypes[kind], HostName: "sense-01", TaskName: o.taskName,
		User: `CORP\anna`, TaskID: TaskID, LogTimestamp: "2026-05-06 14:23:45,123", LogLevel: o.level,
		ExecutionID: ExecutionID, LogMessage: o.message, Source: "10.11.12.13", At: EventTime(),
	}
	if o.taskType == qlik.TaskReload {
		e.AppID, e.AppName = AppID, "Sales"
	}
	key := messages.ExecutionKey(ExecutionID)
	return messages.Alert{
		ID: messages.NewAlertID(key, kind), Kind: kind, Key: key, Event: e,
		Task:      messages.Task{ID: e.TaskID, Name: e.TaskName, Type: qlik.TaskTypeUnknown, LastStatus: qlik.StatusUnknown},
		Execution: messages.Execution{Status: qlik.StatusUnknown},
		Degraded:  []string{"task: the Qlik repository did not answer in time", "execution result: the Qlik repository did not answer in time"},
		DecidedAt: EventTime().Add(5 * time.Second),
	}
}

// ScriptLog returns a script log of rows lines, all of them in both Head and Tail.
func ScriptLog(rows int) messages.ScriptLog {
	log := messages.ScriptLog{Available: rows > 0, Rows: rows}
	for i := range rows {
		line := "2026-05-06 14:20:" + twoDigits(i%60) + "      " + "LOAD sales, line " + twoDigits(i+1)
		log.Head = append(log.Head, line)
		log.Characters += len(line) + len("\r\n")
	}
	log.Tail = append(log.Tail, log.Head...)
	return log
}

func twoDigits(n int) string { return string([]byte{'0' + byte(n/10%10), '0' + byte(n%10)}) }

func hasApp(t qlik.TaskType) bool {
	return t == qlik.TaskReload || t == qlik.TaskDistribute || t == qlik.TaskPreload
}

func details(o outcome) []messages.ExecutionDetail {
	last := "Changing task state from Started to " + o.status.String()
	return []messages.ExecutionDetail{
		{Created: "2026-05-06T12:20:00.000Z", Message: "Changing task state from Triggered to Started", Type: "2"},
		{Created: "2026-05-06T12:23:45.000Z", Message: last, Type: "3"},
	}
}

func app() messages.App {
	return messages.App{
		Known: true, ID: AppID, Name: "Sales", Description: "Sales of all regions", FileSize: 1 << 20,
		LastReloadTime: "2026-05-05T12:23:45.000Z", ModifiedDate: "2026-05-05T12:23:45.000Z", ModifiedBy: `CORP\bo`,
		PublishTime: "2026-01-01T00:00:00.000Z", Published: true,
		StreamID: "5d6e7f80-1111-4222-8333-444455556666", StreamName: "Finance",
		Tags: []string{"prod", "Core app"}, CustomProperties: []messages.Property{{Name: "Tier", Value: "1"}},
		OwnerID:  ownerID,
		Metadata: `{"id":"` + AppID + `","name":"Sales","availabilityStatus":0,"schemaPath":"App"}`,
	}
}

func owner() messages.Owner {
	return messages.Owner{
		Known: true, ID: ownerID, Directory: "CORP", UserID: "boek", Name: "Bo Ek",
		Emails: []string{"bo@example.com", "bo.ek@example.com"},
	}
}
