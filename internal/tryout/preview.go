package tryout

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/internal/destination"
	"butler/internal/samples"
	"butler/messages"
)

// PreviewOptions select the message to show.
type PreviewOptions struct {
	// Destination names an instance, or a destination that has only one.
	Destination string
	// Kind is the alert to show; "" means the first kind of the instance.
	Kind messages.AlertKind
	// Degraded shows a sample of an alert without any looked-up values.
	Degraded bool
	// Stored are alerts to show instead of a sample; nil means the sample.
	Stored []StoredAlert
	// Template is the absolute path of a template to use instead of the configured one;
	// "" means the configured one.
	Template string
}

// StoredAlert is an alert of an execution that is still in the journal.
type StoredAlert struct {
	// From is the source of the alert, one of the constants below.
	From  string         `json:"from"`
	Alert messages.Alert `json:"alert"`
}

// The sources of a StoredAlert.
const (
	// FromWaiting: a notice of it waits for delivery.
	FromWaiting = "waiting"
	// FromParked: a notice of it is parked.
	FromParked = "parked"
	// FromEvent: the alert was made from its event alone, without any look-ups.
	FromEvent = "event"
)

// Preview is a message that is only shown.
type Preview struct {
	Destination string
	Alert       messages.AlertKind
	// Text is the message that the provider would receive.
	Text string
	// Problems are the warnings of the destination, such as a template that cannot be used.
	Problems []string
	// Notes describe other differences from a message that would be sent.
	Notes []string
}

// Site is the configuration of an installation.
type Site struct {
	Definitions []destination.Definition
	// Section decodes sections of the configuration.
	Section destination.Decode
	// Deps returns the dependencies of a destination that logs to the given log.
	Deps func(*zap.Logger) destination.Deps
}

// Show returns the message that an instance would send. It sends nothing and opens no
// connection.
func Show(site Site, o PreviewOptions) (Preview, error) {
	i, d, err := site.find(o.Destination)
	if err != nil {
		return Preview{}, err
	}
	out := Preview{Destination: i.Name}
	built, err := d.Build(site.Section, site.Deps(zap.New(problems{&out.Problems})))
	at := slices.IndexFunc(built, func(b destination.Built) bool { return b.Instance.Name == i.Name })
	if at < 0 {
		return out, err
	}
	if o.Template != "" {
		templated, ok := built[at].Destination.(destination.Templated)
		if !ok {
			return out, fmt.Errorf("%s has no template", i.Name)
		}
		if err := templated.UseTemplate(o.Template); err != nil {
			return out, err
		}
	}
	shown, ok := built[at].Destination.(destination.Previewer)
	if !ok {
		return out, fmt.Errorf("%s has no preview", i.Name)
	}
	n, err := o.notice(built[at], &out)
	if err != nil {
		return out, err
	}
	out.Alert = n.Alert.Kind
	out.Text, err = shown.Preview(n)
	return out, err
}

// find returns the only instance with a name, or of the destination with that name, and
// its definition.
func (s Site) find(name string) (destination.Instance, destination.Definition, error) {
	var i destination.Instance
	var of destination.Definition
	var names []string
	var left error
	deps, found := s.Deps(zap.NewNop()), 0
	for _, d := range s.Definitions {
		built, err := d.Build(s.Section, deps)
		left = errors.Join(left, err)
		for _, b := range built {
			names = append(names, b.Instance.Name)
			if b.Instance.Name == name || b.Instance.Integration == name {
				i, of, found = b.Instance, d, found+1
			}
		}
	}
	switch {
	case found == 1:
		return i, of, nil
	case found > 1:
		return i, of, fmt.Errorf("%s has several uses, name one of %s", name, listed(slices.DeleteFunc(names, func(n string) bool {
			return !strings.HasPrefix(n, name+"/")
		})))
	case len(names) == 0:
		return i, of, errors.Join(errors.New("no destination is enabled in the configuration"), left)
	default:
		return i, of, errors.Join(destination.UnknownName(name, names), left)
	}
}

// placeholder is the recipient of a previewed mail that would have none.
const placeholder = "somebody@example.com"

// notice returns the notice to show. It adds to out.Notes.
func (o PreviewOptions) notice(b destination.Built, out *Preview) (messages.Notice, error) {
	a, err := o.alert(b.Instance, out)
	if err != nil {
		return messages.Notice{}, err
	}
	notices, why := noticesOf(b, a)
	if len(notices) > 1 {
		out.Notes = append(out.Notes, fmt.Sprintf("this is the message to the first of %d recipients", len(notices)))
	}
	if len(notices) > 0 {
		return notices[0], nil
	}
	out.Notes = append(out.Notes, "would not be sent: "+why)
	head := messages.NoticeHead{ID: messages.NewNoticeID(a.ID, b.Instance.Name, ""), Instance: b.Instance.Name, QueuedAt: a.DecidedAt}
	if sendsMail(b) {
		head.Recipient = placeholder
	}
	return noticeOf(b, a, head), nil
}

// alert returns the stored alert or the sample that the options select.
func (o PreviewOptions) alert(i destination.Instance, out *Preview) (messages.Alert, error) {
	carried := func(k messages.AlertKind) bool { return slices.Contains(i.Kinds, k) && (o.Kind == "" || o.Kind == k) }
	if o.Stored != nil {
		var kinds []messages.AlertKind
		for _, s := range o.Stored {
			if carried(s.Alert.Kind) {
				out.Notes = append(out.Notes, sourceNotes[s.From])
				return s.Alert, nil
			}
			kinds = append(kinds, s.Alert.Kind)
		}
		if len(kinds) == 0 {
			return messages.Alert{}, errors.New("the journal has nothing about this execution that leads to an alert")
		}
		return messages.Alert{}, fmt.Errorf("the alerts of this execution are %s, but %s only sends %s", listed(kinds), i.Name, listed(i.Kinds))
	}
	at := slices.IndexFunc(i.Kinds, carried)
	if at < 0 {
		return messages.Alert{}, fmt.Errorf("%s does not send %s, only %s", i.Name, o.Kind, listed(i.Kinds))
	}
	if o.Degraded {
		return samples.Degraded(i.Kinds[at]), nil
	}
	return samples.Complete(i.Kinds[at]), nil
}

var sourceNotes = map[string]string{
	FromWaiting: "this alert waits for its delivery",
	FromParked:  "this alert is parked",
	FromEvent:   "the alert is not stored any more: this one is made from its event alone",
}

// problems is a log core that adds warnings and errors to lines, as the message followed
// by the errors among its fields.
type problems struct{ lines *[]string }

func (problems) Enabled(level zapcore.Level) bool    { return level >= zapcore.WarnLevel }
func (p problems) With([]zapcore.Field) zapcore.Core { return p }
func (problems) Sync() error                         { return nil }
func (p problems) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if p.Enabled(e.Level) {
		return to.AddCore(e, p)
	}
	return to
}

func (p problems) Write(e zapcore.Entry, fields []zapcore.Field) error {
	parts := []string{e.Message}
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok {
			parts = append(parts, err.Error())
		}
	}
	*p.lines = append(*p.lines, strings.Join(parts, ": "))
	return nil
}
