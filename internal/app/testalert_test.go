package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/app"
	"butler/internal/tryout"
	"butler/messages"
)

// gated is a route whose mails about reloads are only for tasks that the sample is none of.
const gated = `Butler:
  emailNotification:
    enable: true
    smtp: {host: mail.example.com}
  routes:
    - name: all
      email:
        - fromAddress: butler@example.com
          recipients: [anna@example.com]
          alertEnableByCustomProperty: {enable: true, customPropertyName: Nightly, enabledValue: "Yes"}
`

func TestTestAlerts_oneEventThatTellsSomebodyIsEnough(t *testing.T) {
	cfg, err := inspect(t, gated, app.Inspection{}, false)
	must(t, err)
	for name, row := range map[string]struct {
		kinds []messages.AlertKind
		want  []string
	}{
		"any":          {nil, []string{"windows_service_stopped would be sent"}},
		"one":          {[]messages.AlertKind{messages.ServiceStopped}, []string{"windows_service_stopped would be sent"}},
		"one for none": {[]messages.AlertKind{messages.ReloadTaskFailed}, []string{"reload_task_failed not sent"}},
		"several": {
			[]messages.AlertKind{messages.ReloadTaskFailed, messages.LicenseExpiring, messages.ServiceStopped},
			[]string{"server_license_expiring would be sent", "windows_service_stopped would be sent", "reload_task_failed not sent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := app.TestAlerts(t.Context(), cfg, tryout.Options{Run: "run", Kinds: row.kinds, DryRun: true})
			must(t, err)
			var got []string
			for _, a := range report.Attempts {
				got = append(got, fmt.Sprintf("%s %s", a.Alert, a.Result))
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("attempts differ (-want +got):\n%s", diff)
			}
		})
	}
}

// ownersOnly is a route whose mails go to the owner of an app alone where the task is not a marked one.
const ownersOnly = gated + `          appOwnerAlert: {enable: true, includeOwner: {includeAll: true}}
`

func TestTestAlerts_sayWhyOnlyTheOwnerWouldBeTold(t *testing.T) {
	cfg, err := inspect(t, ownersOnly, app.Inspection{}, false)
	must(t, err)
	report, err := app.TestAlerts(t.Context(), cfg, tryout.Options{Run: "run", Kinds: []messages.AlertKind{messages.ReloadTaskFailed}, DryRun: true})
	must(t, err)
	got := report.Attempts[0]
	if want := "anna@example.com: the task does not have Nightly = Yes"; got.Result != tryout.Nobody || !strings.Contains(got.Reason, want) {
		t.Errorf("want it not sent and %q, got %+v", want, got)
	}
}
