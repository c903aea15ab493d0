package outbox

import (
	"butler/internal/wire"
	"butler/messages"
)

// layout is a record with a binary form. lay encodes or decodes it.
type layout interface{ lay(w *wire.Wire) }

// layoutOf returns the layout and the version in which this release writes a record; nil
// for a record that is written as JSON.
func layoutOf(record any) (l layout, version byte) {
	switch record := record.(type) {
	case *messages.Alert:
		return alertLayout{record}, versionSections
	case *noticeRecord:
		return record, versionBinary
	default:
		return nil, versionJSON
	}
}

// layoutOfVersion returns the layout of a version of a record, nil if that version was
// never written in binary form.
func layoutOfVersion(record any, version byte) layout {
	l, today := layoutOf(record)
	if a, ok := record.(*messages.Alert); ok && version == versionBinary {
		return wholeAlert{a}
	}
	if version != today {
		return nil
	}
	return l
}

// alertLayout is the layout of an alert: the values that every alert of a task has,
// followed by the sections that are not empty. Most alerts have none of them.
type alertLayout struct{ *messages.Alert }

func (a alertLayout) lay(w *wire.Wire) {
	wire.Text(w, &a.ID)
	wire.Text(w, &a.Kind)
	wire.Text(w, &a.Key)
	LaySubject(w, a.Alert)
	layExecution(w, &a.Execution)
	wire.Moment(w, &a.DecidedAt)
	wire.Flags(w, &a.Test)
	filled := sectionsOf(a.Alert)
	wire.Number(w, &filled)
	for i, lay := range sections {
		if filled&(1<<i) != 0 {
			lay(w, a.Alert)
		}
	}
}

// sections are the parts of an alert that are only written if they are not empty, in the
// order of their bits in the mask. A new one must be added at the end.
var sections = [...]func(*wire.Wire, *messages.Alert){
	func(w *wire.Wire, a *messages.Alert) { layScriptLog(w, &a.ScriptLog) },
	func(w *wire.Wire, a *messages.Alert) { layService(w, &a.Service) },
	func(w *wire.Wire, a *messages.Alert) { layLicense(w, &a.License) },
	func(w *wire.Wire, a *messages.Alert) { layCloud(w, &a.Cloud) },
	func(w *wire.Wire, a *messages.Alert) { wire.Items(w, &a.Points, layPoint) },
	func(w *wire.Wire, a *messages.Alert) { wire.Items(w, &a.Degraded, wire.Text) },
	func(w *wire.Wire, a *messages.Alert) { layUsage(w, &a.Usage) },
}

// sectionsOf returns the mask of the sections that are not empty.
func sectionsOf(a *messages.Alert) (filled int) {
	log, service := &a.ScriptLog, &a.Service
	for i, has := range [len(sections)]bool{
		log.Available || log.Rows != 0 || log.Characters != 0 || len(log.Head) > 0 || len(log.Tail) > 0,
		len(service.Host)+len(service.Name)+len(service.FriendlyName)+len(service.DisplayName)+len(service.StartType)+
			len(service.ExePath)+len(service.Status)+len(service.PreviousStatus)+len(service.Dependencies) > 0,
		a.License != (messages.License{}),
		a.Cloud != (messages.CloudReload{}),
		len(a.Points) > 0,
		len(a.Degraded) > 0,
		a.Usage != (messages.Usage{}),
	} {
		if has {
			filled |= 1 << i
		}
	}
	return filled
}

// wholeAlert is the layout of an alert of version 2, with every section.
type wholeAlert struct{ *messages.Alert }

func (a wholeAlert) lay(w *wire.Wire) {
	wire.Text(w, &a.ID)
	wire.Text(w, &a.Kind)
	wire.Text(w, &a.Key)
	LaySubject(w, a.Alert)
	layExecution(w, &a.Execution)
	layScriptLog(w, &a.ScriptLog)
	layService(w, &a.Service)
	layLicense(w, &a.License)
	layCloud(w, &a.Cloud)
	wire.Items(w, &a.Points, layPoint)
	wire.Items(w, &a.Degraded, wire.Text)
	wire.Moment(w, &a.DecidedAt)
	wire.Flags(w, &a.Test)
	// Fields that were added later are at the end, and only if they are not empty.
	if a.Usage != (messages.Usage{}) || w.More() {
		layUsage(w, &a.Usage)
	}
}

// LaySubject encodes or decodes the event of an alert and the task, the app and the owner
// that were looked up for it.
func LaySubject(w *wire.Wire, a *messages.Alert) {
	layEvent(w, &a.Event)
	layTask(w, &a.Task)
	layApp(w, &a.App)
	layOwner(w, &a.Owner)
}

func layUsage(w *wire.Wire, u *messages.Usage) {
	wire.Number(w, &u.HeapUsed)
	wire.Number(w, &u.HeapTotal)
	wire.Number(w, &u.External)
	wire.Number(w, &u.Process)
	wire.Number(w, &u.Uptime)
	wire.Number(w, &u.Interval)
	wire.Texts(w, &u.Version)
}

func layEvent(w *wire.Wire, e *messages.TaskEvent) {
	wire.Number(w, &e.Family)
	wire.Texts(w, &e.MessageType, &e.HostName, &e.TaskName, &e.AppName, &e.User, &e.TaskID, &e.AppID,
		&e.LogTimestamp, &e.LogLevel, &e.ExecutionID, &e.LogMessage, &e.SessionID, &e.Source)
	wire.Moment(w, &e.At)
	wire.Flags(w, &e.Sanitised)
}

func layProperty(w *wire.Wire, p *messages.Property) { wire.Texts(w, &p.Name, &p.Value) }

func layTask(w *wire.Wire, t *messages.Task) {
	wire.Flags(w, &t.Known, &t.TypeMissing, &t.ManuallyTriggered, &t.PartialReload)
	wire.Texts(w, &t.ID, &t.Name, &t.ModifiedBy, &t.ModifiedDate, &t.NextExecution, &t.AppID, &t.AppName, &t.LastResultID, &t.Metadata)
	wire.Number(w, &t.Type)
	wire.Items(w, &t.Tags, wire.Text)
	wire.Items(w, &t.CustomProperties, layProperty)
	wire.Number(w, &t.MaxRetries)
	wire.Number(w, &t.SessionTimeout)
	wire.Number(w, &t.LastStatus)
}

func layApp(w *wire.Wire, a *messages.App) {
	wire.Flags(w, &a.Known, &a.Published)
	wire.Texts(w, &a.ID, &a.Name, &a.Description, &a.LastReloadTime, &a.ModifiedDate, &a.ModifiedBy, &a.PublishTime,
		&a.StreamID, &a.StreamName, &a.OwnerID, &a.Metadata)
	wire.Number(w, &a.FileSize)
	wire.Items(w, &a.Tags, wire.Text)
	wire.Items(w, &a.CustomProperties, layProperty)
}

func layOwner(w *wire.Wire, o *messages.Owner) {
	wire.Flags(w, &o.Known)
	wire.Texts(w, &o.ID, &o.Directory, &o.UserID, &o.Name)
	wire.Items(w, &o.Emails, wire.Text)
}

func layExecution(w *wire.Wire, e *messages.Execution) {
	wire.Flags(w, &e.Known, &e.ScriptLogAvailable)
	wire.Texts(w, &e.ResultID, &e.FileReferenceID, &e.Node, &e.Start, &e.Stop)
	wire.Number(w, &e.Status)
	wire.Number(w, &e.Duration)
	wire.Number(w, &e.ScriptLogSize)
	wire.Items(w, &e.Details, func(w *wire.Wire, d *messages.ExecutionDetail) { wire.Texts(w, &d.Created, &d.Message, &d.Type) })
}

func layScriptLog(w *wire.Wire, s *messages.ScriptLog) {
	wire.Flags(w, &s.Available)
	wire.Number(w, &s.Rows)
	wire.Number(w, &s.Characters)
	wire.Items(w, &s.Head, wire.Text)
	wire.Items(w, &s.Tail, wire.Text)
}

func layService(w *wire.Wire, s *messages.Service) {
	wire.Texts(w, &s.Host, &s.Name, &s.FriendlyName, &s.DisplayName, &s.StartType, &s.ExePath, &s.Status, &s.PreviousStatus)
	wire.Items(w, &s.Dependencies, wire.Text)
}

func layLicense(w *wire.Wire, l *messages.License) {
	wire.Flags(w, &l.Expired, &l.DaysKnown)
	wire.Texts(w, &l.ExpiryDate)
	wire.Number(w, &l.DaysLeft)
}

func layCloud(w *wire.Wire, c *messages.CloudReload) {
	wire.Texts(w, &c.TenantID, &c.TenantComment, &c.TenantURL, &c.QMC, &c.Hub, &c.UserID, &c.UserName, &c.ReloadID, &c.Trigger,
		&c.Source, &c.EventType, &c.EventTypeVersion, &c.EventTime, &c.Status, &c.ExecutionStatus, &c.ErrorCode, &c.ErrorMessage,
		&c.LogMessage, &c.UsageDuration, &c.Statements, &c.Thumbnail, &c.OwnerPicture)
	wire.Flags(w, &c.EndedWithMemoryConstraint, &c.DirectQueryMode, &c.PartialReload, &c.SessionApp, &c.SkipStore, &c.SectionAccess)
	wire.Number(w, &c.PeakMemoryBytes)
	wire.Number(w, &c.SizeMemoryBytes)
	wire.Number(w, &c.RowLimit)
}

func layPoint(w *wire.Wire, p *messages.Point) {
	wire.Items(w, &p.Tags, layProperty)
	wire.Items(w, &p.Fields, layField)
}

func layField(w *wire.Wire, f *messages.Field) {
	wire.Texts(w, &f.Name, &f.Text)
	wire.Text(w, &f.Type)
	wire.Fraction(w, &f.Number)
	wire.Flags(w, &f.Truth)
}

func (r *noticeRecord) lay(w *wire.Wire) {
	wire.Text(w, &r.Alert)
	wire.Text(w, &r.Kind)
	wire.Text(w, &r.Key)
	wire.Texts(w, &r.TaskName, &r.Recipient, &r.SuppressBy)
	wire.Moment(w, &r.QueuedAt)
	wire.Moment(w, &r.Expires)
	wire.Number(w, &r.Attempts)
	wire.Number(w, &r.Panics)
	wire.Flags(w, &r.Attachment, &r.Exempt, &r.Sole)
}
