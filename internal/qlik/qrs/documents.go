package qrs

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// The documents of the QRS, as far as anybody relies on them, and their
// translation into the values of package messages.

type entityDoc struct {
	ID   text `json:"id"`
	Name text `json:"name"`
}

func (d entityDoc) key() string { return strings.ToLower(d.ID.line(maxStamp)) }

type propertyDoc struct {
	Value      text      `json:"value"`
	Definition entityDoc `json:"definition"`
}

type taskDoc struct {
	entityDoc
	TaskType           integer               `json:"taskType"`
	Tags               sequence[entityDoc]   `json:"tags"`
	CustomProperties   sequence[propertyDoc] `json:"customProperties"`
	ManuallyTriggered  flag                  `json:"isManuallyTriggered"`
	PartialReload      flag                  `json:"isPartialReload"`
	MaxRetries         integer               `json:"maxRetries"`
	TaskSessionTimeout integer               `json:"taskSessionTimeout"`
	ModifiedByUserName text                  `json:"modifiedByUserName"`
	ModifiedDate       text                  `json:"modifiedDate"`
	App                entityDoc             `json:"app"`
	Operational        operationalDoc        `json:"operational"`
}

// outcomeDoc is a task as far as its last execution is concerned.
type outcomeDoc struct {
	entityDoc
	Operational operationalDoc `json:"operational"`
}

type operationalDoc struct {
	NextExecution       text       `json:"nextExecution"`
	LastExecutionResult *resultDoc `json:"lastExecutionResult"`
}

type resultDoc struct {
	ID                 text                `json:"id"`
	ExecutingNodeName  text                `json:"executingNodeName"`
	Status             integer             `json:"status"`
	StartTime          text                `json:"startTime"`
	StopTime           text                `json:"stopTime"`
	Duration           integer             `json:"duration"`
	FileReferenceID    text                `json:"fileReferenceID"`
	ScriptLogAvailable flag                `json:"scriptLogAvailable"`
	ScriptLogSize      integer             `json:"scriptLogSize"`
	Details            sequence[detailDoc] `json:"details"`
}

type detailDoc struct {
	DetailsType       text `json:"detailsType"`
	Message           text `json:"message"`
	DetailCreatedDate text `json:"detailCreatedDate"`
}

type appDoc struct {
	entityDoc
	Description        text                  `json:"description"`
	FileSize           integer               `json:"fileSize"`
	LastReloadTime     text                  `json:"lastReloadTime"`
	ModifiedDate       text                  `json:"modifiedDate"`
	ModifiedByUserName text                  `json:"modifiedByUserName"`
	PublishTime        text                  `json:"publishTime"`
	Published          flag                  `json:"published"`
	Stream             entityDoc             `json:"stream"`
	Tags               sequence[entityDoc]   `json:"tags"`
	CustomProperties   sequence[propertyDoc] `json:"customProperties"`
	Owner              entityDoc             `json:"owner"`
}

type userDoc struct {
	entityDoc
	UserID        text                   `json:"userId"`
	UserDirectory text                   `json:"userDirectory"`
	Attributes    sequence[attributeDoc] `json:"attributes"`
}

type attributeDoc struct {
	AttributeType  text `json:"attributeType"`
	AttributeValue text `json:"attributeValue"`
}

func (d taskDoc) task() messages.Task {
	t := messages.Task{
		Known:             true,
		ID:                d.key(),
		Name:              d.Name.line(maxName),
		Type:              qlik.TaskType(code(d.TaskType, int64(qlik.TaskTypeUnknown))),
		Tags:              names(d.Tags),
		CustomProperties:  properties(d.CustomProperties),
		ManuallyTriggered: bool(d.ManuallyTriggered),
		PartialReload:     bool(d.PartialReload),
		MaxRetries:        int(d.MaxRetries.amount()),
		SessionTimeout:    int(d.TaskSessionTimeout.amount()),
		ModifiedBy:        d.ModifiedByUserName.line(maxName),
		ModifiedDate:      d.ModifiedDate.line(maxStamp),
		NextExecution:     d.Operational.NextExecution.line(maxStamp),
		AppID:             d.App.key(),
		AppName:           d.App.Name.line(maxName),
		LastStatus:        qlik.StatusUnknown,
	}
	if !d.TaskType.present {
		t.Type, t.TypeMissing = qlik.TaskReload, true
	}
	if result := d.Operational.LastExecutionResult; result != nil {
		t.LastStatus = result.status()
		t.LastResultID = result.ID.line(maxStamp)
	}
	return t
}

func (d appDoc) app() messages.App {
	return messages.App{
		Known:            true,
		ID:               d.key(),
		Name:             d.Name.line(maxName),
		Description:      d.Description.prose(maxDescription),
		FileSize:         d.FileSize.amount(),
		LastReloadTime:   d.LastReloadTime.line(maxStamp),
		ModifiedDate:     d.ModifiedDate.line(maxStamp),
		ModifiedBy:       d.ModifiedByUserName.line(maxName),
		PublishTime:      d.PublishTime.line(maxStamp),
		Published:        bool(d.Published),
		StreamID:         d.Stream.key(),
		StreamName:       d.Stream.Name.line(maxName),
		Tags:             names(d.Tags),
		CustomProperties: properties(d.CustomProperties),
		OwnerID:          d.Owner.key(),
	}
}

func (d userDoc) owner() messages.Owner {
	o := messages.Owner{
		Known:     true,
		ID:        d.key(),
		Directory: d.UserDirectory.line(maxName),
		UserID:    d.UserID.line(maxName),
		Name:      d.Name.line(maxName),
	}
	for _, a := range d.Attributes {
		if !strings.EqualFold(string(a.AttributeType), "email") || len(o.Emails) == maxEntries {
			continue
		}
		if address := strings.TrimSpace(a.AttributeValue.line(maxName)); address != "" {
			o.Emails = append(o.Emails, address)
		}
	}
	return o
}

func (d resultDoc) status() qlik.ExecutionStatus {
	return qlik.ExecutionStatus(code(d.Status, int64(qlik.StatusUnknown)))
}

func (d resultDoc) execution() messages.Execution {
	return messages.Execution{
		Known:              true,
		ResultID:           d.ID.line(maxStamp),
		FileReferenceID:    d.FileReferenceID.line(maxStamp),
		Node:               d.ExecutingNodeName.line(maxName),
		Status:             d.status(),
		Start:              d.StartTime.line(maxStamp),
		Stop:               d.StopTime.line(maxStamp),
		Duration:           milliseconds(d.Duration.amount()),
		ScriptLogSize:      d.ScriptLogSize.amount(),
		ScriptLogAvailable: bool(d.ScriptLogAvailable),
		Details:            d.details(),
	}
}

// details sorts by creation, oldest first, equal ones as they came, and keeps the newest.
func (d resultDoc) details() []messages.ExecutionDetail {
	if len(d.Details) == 0 {
		return nil
	}
	sorted := make([]messages.ExecutionDetail, len(d.Details))
	for i, detail := range d.Details {
		sorted[i] = messages.ExecutionDetail{
			Created: detail.DetailCreatedDate.line(maxStamp),
			Message: detail.Message.prose(maxDescription),
			Type:    detail.DetailsType.line(maxStamp),
		}
	}
	slices.SortStableFunc(sorted, func(a, b messages.ExecutionDetail) int { return cmp.Compare(moment(a), moment(b)) })
	return slices.Clone(sorted[max(len(sorted)-maxDetails, 0):])
}

// moment returns what details are sorted by. Without the Z, a time with fewer digits
// after the second, or none, comes before those that go on.
func moment(d messages.ExecutionDetail) string { return strings.TrimSuffix(d.Created, "Z") }

// code returns a number of a table of Qlik, or instead when it cannot be one.
func code(n integer, instead int64) int64 {
	if v := n.or(instead); v >= 0 && v <= math.MaxInt16 {
		return v
	}
	return instead
}

// milliseconds returns n milliseconds, at most a century of them.
func milliseconds(n int64) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	return min(time.Duration(min(n, century.Milliseconds()))*time.Millisecond, century)
}

func names(docs []entityDoc) []string {
	var out []string
	for _, d := range docs[:min(len(docs), maxEntries)] {
		if name := d.Name.line(maxName); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func properties(docs []propertyDoc) []messages.Property {
	var out []messages.Property
	for _, d := range docs[:min(len(docs), maxEntries)] {
		if name := d.Definition.Name.line(maxName); name != "" {
			out = append(out, messages.Property{Name: name, Value: d.Value.line(maxName)})
		}
	}
	return out
}
