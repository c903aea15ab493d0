// Package tryout owns the tests of destinations: test alerts, which are sent (Send), and
// previews of messages, which are only shown (Show).
//
// It guarantees that a destination handles them with the same code and configuration as
// alerts of the service, and that a report gives the reason if there is no recipient. It
// needs neither the journal nor a running service, and bypasses suppression, queues,
// pacing and retries. It must never affect the service: nothing is recorded.
package tryout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"butler/internal/destination"
	"butler/internal/samples"
	"butler/messages"
)

// Options select the destinations to test and the alerts to send. An empty list selects
// all.
type Options struct {
	// Run identifies the run. It is the execution ID of the test alerts.
	Run string
	// Destinations are names of instances, such as "slack/reload_task_failed", or of
	// destinations, such as "slack" for all of its instances.
	Destinations []string
	// Routes are names of routes. They select the destinations that they list.
	Routes []string
	// Kinds are the alerts to send. None means one for each instance.
	Kinds []messages.AlertKind
	// Recipient replaces the recipients of all mails; "" means the configured ones.
	Recipient string
	// DryRun sends nothing.
	DryRun bool
}

// ErrNothing is the error for a configuration and options that select nothing to test.
var ErrNothing = errors.New("nothing to test")

// Result is the result of an attempt.
type Result string

// The results.
const (
	// Accepted: the provider has accepted the message.
	Accepted Result = "accepted"
	// Failed: it has not.
	Failed Result = "failed"
	// Nobody: the destination has no recipient for this alert.
	Nobody Result = "not sent"
	// Dry: the message would be sent if this were not a dry run.
	Dry Result = "would be sent"
)

// Attempt is one line of the report of a run: one message, or an alert without a recipient.
type Attempt struct {
	Destination string             `json:"destination"`
	Alert       messages.AlertKind `json:"alert"`
	Recipient   string             `json:"recipient,omitempty"`
	Result      Result             `json:"result"`
	// Status and Detail are from the answer of the provider.
	Status string `json:"status,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Reason says why the attempt failed, or why there is no recipient. Problem is the
	// kind of failure as a text, and Remedy the suggested correction.
	Reason  string `json:"reason,omitempty"`
	Problem string `json:"problem,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	// Milliseconds is the duration of the delivery.
	Milliseconds int64 `json:"milliseconds"`
}

// Report is the result of a run. Attempts are in the order of the configuration.
type Report struct {
	Run      string    `json:"executionId"`
	Attempts []Attempt `json:"attempts"`
	Accepted int       `json:"accepted"`
	Failed   int       `json:"failed"`
	Nobody   int       `json:"nobodyNotified"`
}

// Send sends test alerts through the instances of table that the options select, and
// returns when all have ended. An error means that nothing was sent. section decodes the
// configuration, for its routes.
func Send(ctx context.Context, table *destination.Table, section destination.Decode, o Options) (Report, error) {
	report := Report{Run: o.Run, Attempts: []Attempt{}}
	instances, err := o.choose(section, table)
	if err != nil {
		return report, err
	}
	attempts := make([][]Attempt, len(instances))
	var running sync.WaitGroup
	for i, b := range instances {
		running.Go(func() { attempts[i] = o.try(ctx, b) })
	}
	running.Wait()
	for _, a := range slices.Concat(attempts...) {
		report.add(a)
	}
	return report, nil
}

func (r *Report) add(a Attempt) {
	r.Attempts = append(r.Attempts, a)
	switch a.Result {
	case Accepted:
		r.Accepted++
	case Failed:
		r.Failed++
	case Nobody:
		r.Nobody++
	case Dry:
	}
}

// choose returns the instances that the options select.
func (o Options) choose(section destination.Decode, table *destination.Table) ([]destination.Built, error) {
	if len(table.Built()) == 0 {
		return nil, fmt.Errorf("%w: no destination is enabled in the configuration", ErrNothing)
	}
	chosen := table.Built()
	if len(o.Destinations) > 0 {
		var err error
		if chosen, err = named(chosen, o.Destinations); err != nil {
			return nil, err
		}
	}
	if len(o.Routes) > 0 {
		var err error
		if chosen, err = routed(section, chosen, o.Routes); err != nil {
			return nil, err
		}
	}
	carrying := slices.DeleteFunc(slices.Clone(chosen), func(b destination.Built) bool { return len(o.kindsOf(b)) == 0 })
	switch {
	case len(carrying) == 0:
		return nil, fmt.Errorf("%w: no selected destination sends %s", ErrNothing, listed(o.Kinds))
	case o.Recipient != "" && !slices.ContainsFunc(carrying, sendsMail):
		return nil, fmt.Errorf("%w: a recipient is for mail, and no selected destination is email", ErrNothing)
	}
	return carrying, nil
}

// kindsOf returns the alert kinds of an instance that the options select.
func (o Options) kindsOf(b destination.Built) []messages.AlertKind {
	if len(o.Kinds) == 0 {
		return b.Instance.Kinds
	}
	return slices.DeleteFunc(slices.Clone(o.Kinds), func(k messages.AlertKind) bool { return !slices.Contains(b.Instance.Kinds, k) })
}

// named returns the instances with the given names, or of destinations with these names.
func named(all []destination.Built, names []string) ([]destination.Built, error) {
	means := func(name string, b destination.Built) bool {
		return name == b.Instance.Name || name == b.Instance.Integration
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(b destination.Built) bool { return means(name, b) }) {
			return nil, fmt.Errorf("%w: %w", ErrNothing, destination.UnknownName(name, namesOf(all)))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(b destination.Built) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return means(name, b) })
	}), nil
}

// routed returns those of all instances that the named routes list.
func routed(section destination.Decode, all []destination.Built, names []string) ([]destination.Built, error) {
	routes, err := destination.ReadRoutes(section)
	if err != nil {
		return nil, err
	}
	var known, paths []string
	for i, r := range routes {
		known = append(known, r.Name)
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, r.Name) }) {
			paths = append(paths, fmt.Sprintf("routes[%d].", i))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(name, k) }) {
			return nil, fmt.Errorf("%w: no route is called %q; there are %s", ErrNothing, name, cmp.Or(listed(known), "none"))
		}
	}
	out := slices.DeleteFunc(slices.Clone(all), func(b destination.Built) bool {
		return !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(b.Instance.Path, p) })
	})
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: the route lists no destination that is enabled and selected", ErrNothing)
	}
	return out, nil
}

func namesOf(all []destination.Built) []string {
	out := make([]string, len(all))
	for i, b := range all {
		out[i] = b.Instance.Name
	}
	return out
}

func listed[T ~string](names []T) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(name)
	}
	return strings.Join(out, ", ")
}

// try sends the test alerts of one instance, one after the other. Without o.Kinds it
// sends only the first one that has a recipient.
func (o Options) try(ctx context.Context, b destination.Built) []Attempt {
	var tried, nobody []Attempt
	for _, kind := range o.kindsOf(b) {
		notices, why := o.notices(b, samples.Test(kind, o.Run, time.Now()))
		for _, n := range notices {
			tried = append(tried, o.attempt(ctx, b, n))
		}
		if len(notices) > 0 && len(o.Kinds) == 0 {
			return tried
		}
		if len(notices) == 0 {
			nobody = append(nobody, Attempt{Destination: b.Instance.Name, Alert: kind, Result: Nobody, Reason: why})
		}
	}
	if len(o.Kinds) == 0 {
		return nobody[:1]
	}
	return append(tried, nobody...)
}

// sendsMail reports whether the recipients of an instance are mail addresses.
func sendsMail(b destination.Built) bool { return b.Instance.Integration == "email" }

// notices returns the notices to send, or the reason why there are none. The app owner of
// the sample does not exist, so nothing is sent to that address.
func (o Options) notices(b destination.Built, a messages.Alert) ([]messages.Notice, string) {
	notices, why := noticesOf(b, a)
	selected := len(notices)
	notices = slices.DeleteFunc(notices, func(n messages.Notice) bool { return slices.Contains(a.Owner.Emails, n.Recipient) })
	if len(notices) == 0 && selected > 0 {
		why = strings.TrimSuffix("only the owner of the app would be notified, who does not exist in a test: set a recipient with --recipient; "+why, "; ")
	}
	if o.Recipient == "" || !sendsMail(b) {
		return notices, why
	}
	n := noticeOf(b, a, messages.NoticeHead{
		ID: messages.NewNoticeID(a.ID, b.Instance.Name, o.Recipient), Instance: b.Instance.Name, Recipient: o.Recipient,
		Exempt: true, QueuedAt: a.DecidedAt,
	})
	return []messages.Notice{n}, ""
}

// noticesOf returns the notices of an alert for an instance, regardless of routes, and why
// there are none or a recipient is left out.
func noticesOf(b destination.Built, a messages.Alert) ([]messages.Notice, string) {
	alone, err := destination.NewTable([]destination.Built{b}, nil)
	if err != nil {
		return nil, err.Error()
	}
	heads, without := alone.Route(&a, true, a.DecidedAt)
	why := ""
	for _, w := range without {
		why = w.Names()
	}
	notices := make([]messages.Notice, len(heads))
	for i, head := range heads {
		notices[i] = noticeOf(b, a, head)
	}
	return notices, why
}

func noticeOf(b destination.Built, a messages.Alert, head messages.NoticeHead) messages.Notice {
	if !b.Instance.Needs.Metadata {
		a.Task.Metadata, a.App.Metadata = "", ""
	}
	n := messages.Notice{NoticeHead: head, Alert: a}
	if head.Attached {
		n.Attachment = strings.Join(a.ScriptLog.Head, "\r\n")
	}
	return n
}

// attempt sends one notice.
func (o Options) attempt(ctx context.Context, b destination.Built, n messages.Notice) Attempt {
	out := Attempt{Destination: b.Instance.Name, Alert: n.Alert.Kind, Recipient: n.Recipient, Result: Dry}
	if o.DryRun {
		return out
	}
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(b.Instance.Timeout, destination.DefaultTimeout))
	defer cancel()
	started := time.Now()
	receipt, err := deliver(bounded, b.Destination, n)
	out.Milliseconds = time.Since(started).Milliseconds()
	if err == nil {
		out.Result, out.Status, out.Detail = Accepted, receipt.Status, receipt.Detail
		return out
	}
	out.Result, out.Reason = Failed, err.Error()
	out.Problem, out.Remedy = destination.Advise(err, b.Instance)
	if errors.Is(ctx.Err(), context.Canceled) {
		// Whoever ran it has ended it: that says nothing about the destination.
		out.Problem, out.Remedy = "interrupted", "run it again; the provider may have accepted the message all the same"
	}
	return out
}

// deliver makes one attempt. It returns a panic of the destination as an error.
func deliver(ctx context.Context, d destination.Destination, n messages.Notice) (receipt destination.Receipt, err error) {
	switch err := ctx.Err(); {
	case errors.Is(err, context.Canceled):
		return receipt, fmt.Errorf("not tried: %w", err)
	case err != nil:
		return receipt, fmt.Errorf("not tried, the time limit was reached: %w", err)
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the destination crashed, which is a bug: %v", cause)
		}
	}()
	return d.Deliver(ctx, n)
}
