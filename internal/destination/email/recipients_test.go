package email

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// The columns "further selection" of the email rows of the firing conditions.
func TestSelect_tellsWhoShouldBeTold(t *testing.T) {
	global := []string{"ops@example.com", "anna@example.com"}
	gate := Gate{Enable: true, CustomPropertyName: "Alert", EnabledValue: "Yes"}
	owner := AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{IncludeAll: true}}
	bo := Account{Directory: "CORP", UserID: "boek"}
	ownerMail := []string{"bo@example.com", "bo.ek@example.com"}
	for name, tc := range map[string]struct {
		event    Event
		kind     messages.AlertKind
		props    []messages.Property
		degraded bool
		change   func(*messages.Alert)
		want     []string
		reason   string
	}{
		"global list":                     {event: Event{Recipients: global}, want: global},
		"gate closed":                     {event: Event{Recipients: global, AlertEnableByCustomProperty: gate}, reason: "the task does not have Alert = Yes"},
		"gate open":                       {event: Event{Recipients: global, AlertEnableByCustomProperty: gate}, props: []messages.Property{{Name: "Alert", Value: "Yes"}}, want: global},
		"gate needs the very value":       {event: Event{Recipients: global, AlertEnableByCustomProperty: gate}, props: []messages.Property{{Name: "Alert", Value: "yes"}, {Name: "Other", Value: "Yes"}}, reason: "the task does not have Alert = Yes"},
		"gate of an unknown task is open": {event: Event{Recipients: global, AlertEnableByCustomProperty: gate}, degraded: true, want: global},
		"task's own list passes the gate": {
			event: Event{Recipients: global, AlertEnableByCustomProperty: gate, AlertEnabledByEmailAddress: AddressProperty{"SendTo"}},
			props: []messages.Property{{Name: "SendTo", Value: "x@example.com"}, {Name: "SendTo", Value: " y@example.com "}}, want: []string{"x@example.com", "y@example.com"},
		},
		"duplicates once, first place": {
			event: Event{Recipients: global, AlertEnabledByEmailAddress: AddressProperty{"SendTo"}},
			props: []messages.Property{{Name: "SendTo", Value: "anna@example.com"}}, want: []string{"anna@example.com", "ops@example.com"},
		},
		"owner":                 {event: Event{AppOwnerAlert: owner}, want: ownerMail},
		"owner on the list":     {event: Event{AppOwnerAlert: AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{User: []Account{bo}}}}, want: ownerMail},
		"owner not on the list": {event: Event{AppOwnerAlert: AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{User: []Account{{Directory: "corp", UserID: "boek"}}}}}, reason: "not on the list of included owners"},
		"exclusion wins":        {event: Event{AppOwnerAlert: AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{IncludeAll: true, User: []Account{bo}}, ExcludeOwner: ExcludeOwner{User: []Account{bo}}}}, reason: "the owner of the app is excluded"},
		"excluded owner on the global list": {
			event: Event{Recipients: []string{"bo@example.com"}, AppOwnerAlert: AppOwnerAlert{Enable: true, ExcludeOwner: ExcludeOwner{User: []Account{bo}}}},
			want:  []string{"bo@example.com"},
		},
		"unknown owner": {event: Event{AppOwnerAlert: owner}, degraded: true, reason: "the owner of the app is not known"},
		"owner without an address": {
			event: Event{Recipients: global, AppOwnerAlert: owner}, want: global,
			change: func(a *messages.Alert) { a.Owner.Emails = nil },
		},
		"only an owner without an address": {
			event: Event{AppOwnerAlert: owner}, reason: "the owner of the app has no mail address that Qlik Sense knows",
			change: func(a *messages.Alert) { a.Owner.Emails = nil },
		},
		"owner on the global list gets one":  {event: Event{Recipients: []string{"bo.ek@example.com"}, AppOwnerAlert: owner}, want: []string{"bo.ek@example.com", "bo@example.com"}},
		"services: the list":                 {kind: messages.ServiceStopped, event: Event{Recipients: global}, want: global},
		"services: no list":                  {kind: messages.ServiceStarted, event: Event{}, reason: "the list of recipients is empty"},
		"services: what is about tasks":      {kind: messages.ServiceStopped, event: Event{Recipients: global, AlertEnableByCustomProperty: gate, AlertEnabledByEmailAddress: AddressProperty{"SendTo"}}, want: global},
		"services: no word of tasks":         {kind: messages.ServiceStopped, event: Event{AlertEnabledByEmailAddress: AddressProperty{"SendTo"}}, reason: "no recipient: the list of recipients is empty"},
		"tag gate closed":                    {kind: messages.CloudReloadFailed, event: Event{Recipients: global, AlertEnableByTag: destination.TagGate{Enable: true, Tag: "Finance"}}, reason: "the app does not have the tag \"Finance\""},
		"tag gate needs the very name":       {kind: messages.CloudReloadFailed, event: Event{Recipients: global, AlertEnableByTag: destination.TagGate{Enable: true, Tag: "butler alerts"}}, reason: "the app does not have the tag \"butler alerts\""},
		"tag gate open":                      {kind: messages.CloudReloadFailed, event: Event{Recipients: global, AlertEnableByTag: destination.TagGate{Enable: true, Tag: "Butler alerts"}}, want: global},
		"tag gate off":                       {kind: messages.CloudReloadFailed, event: Event{Recipients: global, AlertEnableByTag: destination.TagGate{Enable: false, Tag: "Finance"}}, want: global},
		"tag gate of an unknown app is open": {kind: messages.CloudReloadFailed, event: Event{Recipients: global, AlertEnableByTag: destination.TagGate{Enable: true, Tag: "Finance"}}, degraded: true, want: global},
		"tag gate does not stop the owner":   {kind: messages.CloudReloadFailed, event: Event{Recipients: global, AlertEnableByTag: destination.TagGate{Enable: true, Tag: "Finance"}, AppOwnerAlert: owner}, want: []string{"bo@example.com"}},
		"cloud owner on the list":            {kind: messages.CloudReloadFailed, event: Event{AppOwnerAlert: AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{User: []Account{{Email: "Bo@Example.com"}}}}}, want: []string{"bo@example.com"}},
		"cloud owner not on the list":        {kind: messages.CloudReloadFailed, event: Event{AppOwnerAlert: AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{User: []Account{bo, {Email: "x@example.com"}}}}}, reason: "not on the list of included owners"},
		"cloud exclusion wins":               {kind: messages.CloudReloadFailed, event: Event{AppOwnerAlert: AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{IncludeAll: true}, ExcludeOwner: ExcludeOwner{User: []Account{{Email: "bo@example.com"}}}}}, reason: "the owner of the app is excluded"},
		"no address is skipped": {
			event: Event{Recipients: []string{"<Email address 1>", "Anna <a@b.com>", "ok@example.com"}}, want: []string{"ok@example.com"},
		},
		"only no addresses": {event: Event{Recipients: []string{"a@b\r\nBcc: evil@example.com"}}, reason: "not a mail address: a@b Bcc: evil@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := tc.kind
			if kind == "" {
				kind = messages.ReloadTaskFailed
			}
			a := destinationtest.Complete(kind)
			a.Task.CustomProperties = tc.props
			if tc.degraded {
				a = destinationtest.Degraded(kind)
			}
			if tc.change != nil {
				tc.change(&a)
			}
			got := tc.event.selectRecipients(&a)
			if diff := cmp.Diff(tc.want, got.Recipients); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.Contains(got.Reason, tc.reason) || (got.Reason == "") != (tc.reason == "") {
				t.Errorf("want the reason %q, got %q", tc.reason, got.Reason)
			}
		})
	}
}

func TestSelect_saysWhoIsLeftOutWhereOthersAreTold(t *testing.T) {
	gate := Gate{Enable: true, CustomPropertyName: "Alert", EnabledValue: "Yes"}
	owner := AppOwnerAlert{Enable: true, IncludeOwner: IncludeOwner{IncludeAll: true}}
	closed := "the task does not have Alert = Yes"
	for name, row := range map[string]struct {
		event Event
		want  []destination.LeftOut
	}{
		"behind the gate": {
			Event{Recipients: []string{"emma@example.com", "joe@example.com"}, AlertEnableByCustomProperty: gate, AppOwnerAlert: owner},
			[]destination.LeftOut{{Recipients: []string{"emma@example.com", "joe@example.com"}, Reason: closed}},
		},
		"but for the owner, who is notified": {
			Event{Recipients: []string{"bo@example.com", "joe@example.com"}, AlertEnableByCustomProperty: gate, AppOwnerAlert: owner},
			[]destination.LeftOut{{Recipients: []string{"joe@example.com"}, Reason: closed}},
		},
		"nobody": {Event{Recipients: []string{"bo@example.com", "bo.ek@example.com"}, AlertEnableByCustomProperty: gate, AppOwnerAlert: owner}, nil},
		"the owner": {
			Event{Recipients: []string{"joe@example.com"}, AppOwnerAlert: AppOwnerAlert{Enable: true}},
			[]destination.LeftOut{{Recipients: []string{"bo@example.com", "bo.ek@example.com"}, Reason: "the owner of the app is not on the list of included owners"}},
		},
		"who has no address": {
			Event{Recipients: []string{"joe@example.com", "emma\n"}},
			[]destination.LeftOut{{Recipients: []string{"emma"}, Reason: "not a mail address"}},
		},
	} {
		a := destinationtest.Complete(messages.ReloadTaskFailed)
		got := row.event.selectRecipients(&a)
		if diff := cmp.Diff(row.want, got.LeftOut); diff != "" || len(got.Recipients) == 0 {
			t.Errorf("%s: %d told (-want +got):\n%s", name, len(got.Recipients), diff)
		}
	}
}

func TestValidAddress(t *testing.T) {
	for _, good := range []string{"a@b.co", "first.last+tag@sub.example.com", "x!#$%&'*/=?^_`{|}~-@example.museum", "A-1@1a.example.COM"} {
		if !validAddress(good) {
			t.Errorf("%q: want valid", good)
		}
	}
	for _, bad := range []string{
		"", "a", "@b.co", "a@", "a@b", "a@b.c", "a@b.1c", "a..b@c.de", ".a@c.de", "a.@c.de", "a@-b.de", "a@b-.de", "a@b..de", "a b@c.de",
		"Anna <a@b.co>", "a@b.co\r\n", "a@b.co\nBcc: x@y.zz", "a@b.co,c@d.ef", "<a@b.co>", "ä@b.co", "a@[127.0.0.1]", "a@b@c.de", "\"a\"@b.co",
		strings.Repeat("a", 65) + "@b.co", "a@" + strings.Repeat("b", 64) + ".co", "a@" + strings.Repeat("b.", 130) + "co",
	} {
		if validAddress(bad) {
			t.Errorf("%q: want invalid", bad)
		}
	}
}
