package app_test

import (
	"fmt"
	"strings"
	"testing"

	"butler/internal/demo"
	"butler/internal/sim/edge"
)

func TestHealth_showsCustomPropertiesThatReloadTasksCannotHave(t *testing.T) {
	const gate = "BUTLER_EMAILNOTIFICATION_RELOADTASKFAILURE_ALERTENABLEBYCUSTOMPROPERTY_"
	for _, row := range []struct{ name, property, value, state, reason string }{
		{"one that exists, with a value it can have", "Butler_FailedAlertEnableEmail", "Yes", "up", ""},
		{
			"one that does not exist", "Butler_Failed", "Yes", "degraded",
			`emailNotification.reloadTaskFailure.alertEnableByCustomProperty.customPropertyName: reload tasks have no custom property "Butler_Failed"`,
		},
		{
			"a value that it cannot have", "Butler_FailedAlertEnableEmail", "yes", "degraded",
			`emailNotification.reloadTaskFailure.alertEnableByCustomProperty.customPropertyName: "yes" is not a value of the custom property "Butler_FailedAlertEnableEmail"`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startSite(t, demo.Settings{InMemory: true},
				gate+"ENABLE=true", gate+"CUSTOMPROPERTYNAME="+row.property, gate+"ENABLEDVALUE="+row.value)
			s.until("the properties looked for", func() bool { state, _ := s.component("configured_names"); return state != "" })
			state, reason := s.component("configured_names")
			if state != row.state || reason != row.reason {
				t.Errorf("want %s %q, got %s %q", row.state, row.reason, state, reason)
			}
			s.until("the log to say so", func() bool {
				return (s.logs.FilterMessageSnippet("names objects that do not exist in Qlik Sense").Len() == 1) == (row.state == "degraded")
			})
		})
	}
}

func TestHealth_showsWhatRoutesNameThatDoesNotExist(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Extra: `
  routes:
    - name: finance
      match:
        taskCustomProperties: [{name: Butler_FailedAlertEnableEmail, value: "Yes"}, {name: Departmnt, value: Finance}]
        appCustomProperties: [{name: Butler_FailedAlertEnableEmail, value: "Yes"}]
        taskTags: [Finanse]
        tasks: [Gone long ago]`})
	s.until("the properties looked for", func() bool { state, _ := s.component("configured_names"); return state != "" })
	state, reason := s.component("configured_names")
	want := `routes[0].match.taskCustomProperties[1]: tasks have no custom property "Departmnt"; ` +
		`routes[0].match.appCustomProperties[0]: apps have no custom property "Butler_FailedAlertEnableEmail"; ` +
		`routes[0].match.taskTags[0]: there is no tag "Finanse" that the user sees; ` +
		`routes[0].match.tasks[0]: there is no task "Gone long ago" that the user sees`
	if state != "degraded" || reason != want {
		t.Errorf("want degraded %q, got %s %q", want, state, reason)
	}
}

func TestHealth_showsWhatMayNotBeLookedFor(t *testing.T) {
	s := siteOf(t)
	s.sim.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, PathPrefix: "/qrs/tag"})
	s.startApp(demo.Settings{InMemory: true, Extra: `
  routes: [{name: finance, match: {taskTags: [Finance], tasks: [Gone]}}]`})
	s.until("the names looked for", func() bool { state, _ := s.component("configured_names"); return state != "" })
	state, reason := s.component("configured_names")
	for _, want := range []string{`there is no task "Gone"`, "the tags cannot be looked for: endpoint: tag?filter=name eq 'Finance'", "status: 403"} {
		if state != "up" || !strings.Contains(reason, want) {
			t.Errorf("want up, and %s, got %s %q", want, state, reason)
		}
	}
	s.until("the log to say so", func() bool { return s.logs.FilterMessageSnippet("cannot be checked").Len() == 1 })
}

func TestReload_forgetsWhatNoRouteNamesAnyMore(t *testing.T) {
	s, file := reloadSite(t, `
  routes: [{name: finance, match: {taskTags: [Finanse]}}]`)
	s.until("a tag missed", func() bool { state, _ := s.component("configured_names"); return state == "degraded" })
	edit(t, file, "taskTags: [Finanse]", "nodes: [sense1]")
	s.reload()
	if state, reason := s.component("configured_names"); state != "" {
		t.Errorf("want no such component, got %s %q", state, reason)
	}
}

func TestHealth_showsACustomPropertyThatChoosesAmongAccountsOnce(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Extra: `
  thirdPartyToolsCredentials:
    newRelic: [{accountName: A, insertApiKey: key-of-a, accountId: 1}, {accountName: B, insertApiKey: key-of-b, accountId: 2}]
  incidentTool:
    newRelic:
      enable: true
      reloadTaskFailure: {destination: {log: {enable: true, sendToAccount: {byCustomProperty: {enable: true, customPropertyName: NoSuch}}}}}`})
	s.until("the properties looked for", func() bool { state, _ := s.component("configured_names"); return state != "" })
	state, reason := s.component("configured_names")
	want := `incidentTool.newRelic.reloadTaskFailure.destination.log.sendToAccount.byCustomProperty.customPropertyName: reload tasks have no custom property "NoSuch"`
	if state != "degraded" || reason != want {
		t.Errorf("want degraded %q, got %s %q", want, state, reason)
	}
}

func TestHealth_warnsOfValuesOfACustomPropertyThatAreNoAccount(t *testing.T) {
	const at = "incidentTool.newRelic.reloadTaskFailure.destination.log.sendToAccount.byCustomProperty.customPropertyName: "
	for _, row := range []struct{ name, property, second, always, warning string }{
		{"every value is an account", "Butler_FailedTask_NewRelic", "Second NR account", "", ""},
		{
			"a value is no account", "Butler_FailedTask_NewRelic", "Third NR account", "",
			at + `the custom property "Butler_FailedTask_NewRelic" offers "Second NR account", which the configuration does not know`,
		},
		{
			"a value is no account, and others are always told", "Butler_FailedTask_NewRelic", "Third NR account", "First NR account, Third NR account",
			at + `the custom property "Butler_FailedTask_NewRelic" offers "Second NR account", which the configuration does not know`,
		},
		{
			"there are no values", "Butler_FailedAlertSendToEmail", "Second NR account", "",
			at + `the custom property "Butler_FailedAlertSendToEmail" offers no values to choose from`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startSite(t, demo.Settings{InMemory: true, Extra: fmt.Sprintf(`
  thirdPartyToolsCredentials:
    newRelic: [{accountName: First NR account, insertApiKey: key-of-a, accountId: 1}, {accountName: %s, insertApiKey: key-of-b, accountId: 2}]
  incidentTool:
    newRelic:
      enable: true
      reloadTaskFailure:
        destination:
          log: {enable: true, sendToAccount: {byCustomProperty: {enable: true, customPropertyName: %s}, always: {enable: true, account: [%s]}}}`,
				row.second, row.property, row.always)})
			s.until("the properties looked for", func() bool { state, _ := s.component("configured_names"); return state != "" })
			if state, reason := s.component("configured_names"); state != "up" || reason != row.warning {
				t.Errorf("want up %q, got %s %q", row.warning, state, reason)
			}
			s.until("the log to say so", func() bool {
				return (s.logs.FilterMessageSnippet("in Qlik Sense do not match").Len() == 1) == (row.warning != "")
			})
		})
	}
}

func TestHealth_doesNotLookForCustomPropertiesThatNobodyUses(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true})
	s.until("the repository up", func() bool { state, _ := s.component("qrs"); return state == "up" })
	if state, _ := s.component("configured_names"); state != "" {
		t.Errorf("want no such component, got %s", state)
	}
}
