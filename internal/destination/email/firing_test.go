package email

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// everything mails about everything to the recipients. Behind each switch
// stands what it is called below.
func everything(recipients string) string {
	var out strings.Builder
	out.WriteString("emailNotification:\n  enable: true # M\n  smtp: {host: mail.example.com, secure: false, tls: {requireTLS: false}}\n")
	who := "fromAddress: butler@example.com\n    recipients: " + recipients + "\n"
	for _, name := range []string{
		"reloadTaskFailure", "reloadTaskAborted", "reloadTaskSuccess", "distributeTaskSuccess", "distributeTaskFailure",
		"preloadTaskSuccess", "preloadTaskFailure",
	} {
		fmt.Fprintf(&out, "  %s:\n    enable: true # %s\n    %s", name, name, who)
	}
	fmt.Fprintf(&out, "  serviceStopped:\n    %s    rateLimit: 45\n  serviceStarted:\n    %s", who, who)
	out.WriteString("serviceMonitor:\n  enable: true # serviceMonitor\n  alertDestination:\n    email:\n      enable: true # alertDestination\n")
	out.WriteString("qlikSenseCloud:\n  enable: true # qlikSenseCloud\n  event: {mqtt: {tenant: {alert: {emailNotification: {reloadAppFailure: {\n")
	fmt.Fprintf(&out, "    enable: true # reloadAppFailure\n    , fromAddress: butler@example.com, recipients: %s}}}}}}\n", recipients)
	return out.String()
}

func build(t *testing.T, config string) []destination.Built {
	t.Helper()
	decode, deps := destinationtest.Decoder(config, schema), destinationtest.Deps(t)
	if problems, err := Definition().Check(decode, deps); err != nil || len(problems) > 0 {
		t.Fatalf("the configuration has problems: %v, %v", problems, err)
	}
	built, err := Definition().Build(decode, deps)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// kindsTold lists the alert kinds that a configuration mails about.
func kindsTold(t *testing.T, config string) []messages.AlertKind {
	t.Helper()
	var out []messages.AlertKind
	for _, b := range build(t, config) {
		out = append(out, b.Instance.Kinds...)
	}
	return out
}

// The email rows of the firing conditions, each with all the switches it depends
// on. Whether execution results could be fetched is none of them: an alert without
// them goes out marked as degraded.
func TestFiring_everySwitchCounts(t *testing.T) {
	for _, row := range []struct {
		kinds    []messages.AlertKind
		switches string
	}{
		{[]messages.AlertKind{messages.ReloadTaskFailed}, "M reloadTaskFailure"},
		{[]messages.AlertKind{messages.ReloadTaskAborted}, "M reloadTaskAborted"},
		{[]messages.AlertKind{messages.ReloadTaskSucceeded}, "M reloadTaskSuccess"},
		{[]messages.AlertKind{messages.DistributeTaskSucceeded}, "M distributeTaskSuccess"},
		{[]messages.AlertKind{messages.DistributeTaskFailed}, "M distributeTaskFailure"},
		{[]messages.AlertKind{messages.PreloadTaskSucceeded}, "M preloadTaskSuccess"},
		{[]messages.AlertKind{messages.PreloadTaskFailed}, "M preloadTaskFailure"},
		{[]messages.AlertKind{messages.ServiceStopped, messages.ServiceStarted}, "M serviceMonitor alertDestination"},
		{[]messages.AlertKind{messages.CloudReloadFailed}, "M qlikSenseCloud reloadAppFailure"},
	} {
		config := everything("[ops@example.com]")
		all := kindsTold(t, config)
		for name := range strings.SplitSeq(row.switches, " ") {
			t.Run(fmt.Sprintf("%s needs %s", row.kinds[0], name), func(t *testing.T) {
				off := strings.Replace(config, "enable: true # "+name+"\n", "enable: false\n", 1)
				if off == config {
					t.Fatal("there is no such switch")
				}
				var want []messages.AlertKind
				for _, kind := range all {
					if name != "M" && !slices.Contains(row.kinds, kind) {
						want = append(want, kind)
					}
				}
				if diff := cmp.Diff(want, kindsTold(t, off)); diff != "" {
					t.Errorf("kinds that are told of (-want +got):\n%s", diff)
				}
			})
		}
		for _, kind := range row.kinds {
			if !slices.Contains(all, kind) {
				t.Errorf("nobody is notified of %s with every switch on", kind)
			}
		}
	}
}

// Whatever look-ups failed, the people who were named are told.
func TestFiring_degradedAlertsAreMailed(t *testing.T) {
	for _, b := range build(t, everything("[ops@example.com]")) {
		kind := b.Instance.Kinds[0]
		a := destinationtest.Degraded(kind)
		n, _ := routed(t, []destination.Built{b}, a)
		if len(n) != 1 || n[0].Recipient != "ops@example.com" {
			t.Errorf("%s: want one notice, got %+v", kind, n)
			continue
		}
		page := composed(b, n[0]).html
		if len(a.Degraded) > 0 && !strings.Contains(page, "Details are missing") {
			t.Errorf("%s: the page does not say what is missing", kind)
		}
	}
}

// routed returns the notices that an alert becomes, and why others have none.
func routed(t *testing.T, built []destination.Built, a messages.Alert) ([]messages.Notice, []destination.Omission) {
	t.Helper()
	table, err := destination.NewTable(built, nil)
	if err != nil {
		t.Fatal(err)
	}
	heads, without := table.Route(&a, true, a.DecidedAt)
	var out []messages.Notice
	for _, head := range heads {
		out = append(out, messages.Notice{NoticeHead: head, Alert: a})
	}
	return out, without
}

// composed returns the mail that an instance would send.
func composed(b destination.Built, n messages.Notice) letter {
	l, _ := b.Destination.(*sender).letter(n)
	return l
}

// A service that comes back is told of, however soon.
func TestFiring_limitsCountByDirectionAndSubject(t *testing.T) {
	built := build(t, everything("[ops@example.com]"))
	for kind, want := range map[messages.AlertKind]struct {
		window time.Duration
		key    string
	}{
		messages.ReloadTaskFailed:  {10 * time.Minute, destinationtest.TaskID + "|ops@example.com"},
		messages.ServiceStopped:    {45 * time.Second, "sense-01|QlikSenseEngineService|ops@example.com"},
		messages.ServiceStarted:    {30 * time.Second, "sense-01|QlikSenseEngineService|ops@example.com"},
		messages.CloudReloadFailed: {time.Minute, destinationtest.AppID + "|ops@example.com"},
	} {
		notices, _ := routed(t, built, destinationtest.Complete(kind))
		if len(notices) != 1 || notices[0].Instance != "email/"+string(kind) || notices[0].SuppressBy != want.key {
			t.Errorf("%s: want one notice that counts by %s, got %+v", kind, want.key, notices)
		}
		for _, b := range built {
			if b.Instance.Kinds[0] == kind && b.Instance.Window != want.window {
				t.Errorf("%s: want a window of %v, got %v", kind, want.window, b.Instance.Window)
			}
		}
	}
}

func TestFiring_defaultSubjectsNameWhatTheyAreAbout(t *testing.T) {
	want := map[messages.AlertKind]string{
		messages.ReloadTaskFailed:        `Qlik Sense reload failed: "Reload of Sales"`,
		messages.ReloadTaskAborted:       `Qlik Sense reload aborted: "Reload of Sales"`,
		messages.ReloadTaskSucceeded:     `✅ Qlik Sense reload succeeded: "Reload of Sales"`,
		messages.DistributeTaskSucceeded: `✅ Qlik Sense distribution succeeded: "Publish Sales"`,
		messages.DistributeTaskFailed:    `❌ Qlik Sense distribution failed: "Publish Sales"`,
		messages.PreloadTaskSucceeded:    `✅ Qlik Sense preload succeeded: "Warm Sales"`,
		messages.PreloadTaskFailed:       `❌ Qlik Sense preload failed: "Warm Sales"`,
		messages.ServiceStopped:          `❌ Windows service stopped on sense-01: "Qlik Sense Engine Service"`,
		messages.ServiceStarted:          `✅ Windows service started on sense-01: "Qlik Sense Engine Service"`,
		messages.CloudReloadFailed:       `❌ Qlik Sense Cloud app reload failed: "Stock"`,
	}
	for _, b := range build(t, everything("[ops@example.com]")) {
		kind := b.Instance.Kinds[0]
		n := destinationtest.NoticeOf(destinationtest.Complete(kind), b.Instance.Name, "ops@example.com")
		if got := composed(b, n).subject; got != want[kind] {
			t.Errorf("%s: want the subject %q, got %q", kind, want[kind], got)
		}
	}
}

// Owners in the cloud are listed as objects or as plain addresses.
func TestFiring_cloudOwnersAreListedInTwoForms(t *testing.T) {
	for form, list := range map[string]string{"objects": "[{email: x@example.com}, {email: bo@example.com}]", "plain": "[x@example.com, bo@example.com]"} {
		for key, want := range map[string][]string{
			"includeOwner: {includeAll: false, user: " + list + "}": {"ops@example.com", "bo@example.com"},
			"excludeOwner: {user: " + list + "}":                    {"ops@example.com"},
		} {
			config := strings.Replace(everything("[ops@example.com]"), "    , fromAddress", "    , appOwnerAlert: {enable: true, "+key+"}, fromAddress", 1)
			var got []string
			notices, _ := routed(t, build(t, config), destinationtest.Complete(messages.CloudReloadFailed))
			for _, n := range notices {
				got = append(got, n.Recipient)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", form, key, diff)
			}
		}
	}
}

// Names that are wrong, twice there, or refused by the server cost nobody else the mail.
func TestFiring_oneBadRecipientNeverStopsTheOthers(t *testing.T) {
	for _, kind := range []messages.AlertKind{messages.ReloadTaskFailed, messages.ServiceStopped, messages.CloudReloadFailed} {
		t.Run(string(kind), func(t *testing.T) {
			server := startServer(t, serverOptions{})
			server.behave(func(to string) error {
				if to == "gone@example.com" {
					return &smtp.SMTPError{Code: 550, Message: "no such mailbox"}
				}
				return nil
			}, nil)
			s := settings(t, server.address)
			config := strings.Replace(everything("[gone@example.com, anna@example.com, anna@example.com, bo@example.com]"),
				"{host: mail.example.com,", fmt.Sprintf("{host: %s, port: %d,", s.Host, s.Port), 1)
			notices, _ := routed(t, build(t, config), destinationtest.Complete(kind))
			var failed []string
			for _, n := range notices {
				if err := deliver(t, build(t, config), n); err != nil {
					wantFailure(t, err, destination.PermanentKind, "550")
					failed = append(failed, n.Recipient)
				}
			}
			var told []string
			for _, m := range server.mails() {
				told = append(told, m.to)
			}
			if diff := cmp.Diff([]string{"anna@example.com", "bo@example.com"}, told); diff != "" {
				t.Errorf("who was notified (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"gone@example.com"}, failed); diff != "" {
				t.Errorf("who was not (-want +got):\n%s", diff)
			}
		})
	}
}

func deliver(t *testing.T, built []destination.Built, n messages.Notice) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	at := slices.IndexFunc(built, func(b destination.Built) bool { return b.Instance.Name == n.Instance })
	_, err := built[at].Destination.Deliver(ctx, n)
	return err
}

// Preview shows the very mail: only the time at which it is written differs.
func TestPreview_isTheMailThatIsSent(t *testing.T) {
	server := startServer(t, serverOptions{})
	s := settings(t, server.address)
	config := strings.Replace(everything("[ops@example.com]"), "{host: mail.example.com,", fmt.Sprintf("{host: %s, port: %d,", s.Host, s.Port), 1)
	built := build(t, config)
	for _, b := range built {
		notices, _ := routed(t, []destination.Built{b}, destinationtest.Complete(b.Instance.Kinds[0]))
		shown, err := b.Destination.(destination.Previewer).Preview(notices[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := deliver(t, built, notices[0]); err != nil {
			t.Fatal(err)
		}
		sent := server.mails()[len(server.mails())-1].data
		if diff := cmp.Diff(dateHeader.ReplaceAllString(sent, ""), dateHeader.ReplaceAllString(shown, "")); diff != "" {
			t.Errorf("%s (-sent +shown):\n%s", b.Instance.Name, diff)
		}
	}
	n := destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "email/x", "no address")
	if _, err := built[0].Destination.(destination.Previewer).Preview(n); err == nil {
		t.Error("want an error for a recipient without an address")
	}
}

func TestInstances_needWhatTheirPagesShow(t *testing.T) {
	task := destination.Needs{Task: true, Execution: true}
	reload := task.Or(destination.Needs{App: true, Owner: true, ScriptHead: 15, ScriptTail: 15})
	success := task.Or(destination.Needs{App: true, Owner: true, ScriptHead: 15, ScriptTail: 25})
	want := map[messages.AlertKind]destination.Needs{
		messages.ReloadTaskFailed: reload, messages.ReloadTaskAborted: reload, messages.ReloadTaskSucceeded: success,
		messages.DistributeTaskSucceeded: task, messages.DistributeTaskFailed: task,
		messages.PreloadTaskSucceeded: task, messages.PreloadTaskFailed: task,
		messages.CloudReloadFailed: {App: true, Owner: true, Execution: true, ScriptHead: 15, ScriptTail: 25},
	}
	for _, b := range build(t, everything("[ops@example.com]")) {
		if diff := cmp.Diff(want[b.Instance.Kinds[0]], b.Instance.Needs); diff != "" {
			t.Errorf("%s needs (-want +got):\n%s", b.Instance.Name, diff)
		}
	}
}
