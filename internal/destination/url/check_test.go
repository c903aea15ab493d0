package url

import (
	"os"
	"strings"
	"testing"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/secret"
	"butler/messages"
)

func problemsOf(t *testing.T, target Target) destination.Problems {
	t.Helper()
	return check(Config{}, destination.Use[Target]{Path: "routes[0].url[0]", Settings: target}, destinationtest.Deps(t))
}

func TestCheck_acceptsTheExampleOfEveryService(t *testing.T) {
	for scheme, row := range urls {
		if problems := problemsOf(t, target(row.url)); len(problems) > 0 {
			t.Errorf("%s: %v", scheme, problems)
		}
		if !strings.HasPrefix(providers[scheme].example, scheme) {
			t.Errorf("the example for %s is %s", scheme, providers[scheme].example)
		}
	}
	for _, raw := range []string{
		"generic+https://hooks.example.com/in?key=x", "generic+http://10.1.2.3:8080/in", "generic://hooks.example.com?template=JSON&$level=high&@X-Key=abc",
		"pagerduty://events.eu.pagerduty.com/eb243592faa24ba2a5511afdf565c889", "ntfy://user:password@ntfy.example.com/alerts?scheme=http",
		"gotify://gotify.example.com:8443/sub/path/AzyoeNS.D4iJLVa?priority=8", "mattermost://chat.example.com:8065/token123/ops?disabletls=yes",
	} {
		if problems := problemsOf(t, target(raw)); len(problems) > 0 {
			t.Errorf("%s: %v", raw, problems)
		}
	}
}

func TestCheck_reportsProblemsWithoutTheirSecrets(t *testing.T) {
	const key = "T0KEN-OF-THE-TEST"
	for name, row := range map[string]struct{ url, reason, instead string }{
		"nothing":             {key, "names no service", "pagerduty"},
		"no URL":              {"ntfy://host:" + key + "/x", "is not a valid URL", "%40"},
		"percent":             {"ntfy://host/%zz" + key, "is not a valid URL", "%25"},
		"unknown":             {"carrier+pigeon://" + key, "names no service", "telegram"},
		"web address":         {"https://hooks.example.com/" + key, "names no service", "generic+https://"},
		"mail":                {"smtp://user:" + key + "@mail.example.com:587/?from=a@b.c&to=d@e.f", "names no service", "emailNotification"},
		"MQTT":                {"mqtts://user:" + key + "@broker/topic", "names no service", "mqttConfig"},
		"the library's log":   {"logger://" + key, "names no service", "ntfy"},
		"plus":                {"ntfy+https://host/" + key, "no form with a plus sign", "ntfy://HOST/TOPIC"},
		"key missing":         {"discord://693853386302554172", "cannot be used for discord", "discord://TOKEN@WEBHOOK_ID"},
		"key malformed":       {"gotify://host/" + key, "invalid", "gotify://HOST/TOKEN"},
		"parameter unknown":   {"ntfy://host/topic?colour=" + key, "not a valid config key", "ntfy://"},
		"value malformed":     {"pushover://x:token@user?priority=" + key, "cannot be used for pushover", "pushover://"},
		"host missing":        {"ntfy:///" + key, "cannot be used for ntfy", "ntfy://HOST/TOPIC"},
		"nobody":              {"ifttt://" + key, "cannot be used for ifttt", "events=EVENT"},
		"password":            {"matrix://bot:" + key + "@matrix.example.com", "has a user", "ACCESS_TOKEN"},
		"no certificate":      {"ntfy://host/" + key + "?disableTLSVerification=yes", "verification of certificates", "trust store"},
		"no certificate here": {"gotify://host/AzyoeNS.D4iJLVa?insecureSkipVerify=true", "verification of certificates", "trust store"},
		"markup":              {"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=1&parseMode=HTML", "markup", "parsemode"},
		"raw":                 {"discord://" + key + "@693853386302554172/raw", "raw JSON", "/raw"},
		"template":            {"generic://host/" + key + "?template=" + key, "template", "template=json"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := problemsOf(t, Target{URL: secret.String(row.url), Title: "x"})
			if len(problems) != 1 || problems[0].Path != "url" || problems[0].Warning {
				t.Fatalf("got %v", problems)
			}
			if p := problems[0]; !strings.Contains(p.Reason, row.reason) || !strings.Contains(p.Suggestion, row.instead) {
				t.Errorf("got %q (%q), want it about %q (%q)", p.Reason, p.Suggestion, row.reason, row.instead)
			}
			if strings.Contains(problems[0].Error(), key) {
				t.Errorf("the problem shows the key: %v", problems[0])
			}
		})
	}
}

func TestCheck_checksParameters(t *testing.T) {
	for name, row := range map[string]struct {
		params []Param
		want   string
	}{
		"good":           {[]Param{{"priority", "high"}, {"tags", "{{alertOutcome}}"}}, ""},
		"unknown":        {[]Param{{"colour", "red"}}, "not a valid config key"},
		"the title":      {[]Param{{"Title", "red"}}, "item 1 is the title"},
		"no certificate": {[]Param{{"priority", "high"}, {"disableTLSVerification", "yes"}}, "item 2 disables the verification of certificates"},
		"no template":    {[]Param{{"tags", "{{#if"}}, "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			with := target("ntfy://ntfy.sh/topic")
			with.Params = row.params
			problems := problemsOf(t, with)
			if row.want == "" {
				if len(problems) > 0 {
					t.Errorf("got %v", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Path != "params" || !strings.Contains(problems[0].Reason, row.want) {
				t.Errorf("got %v, want one about %q", problems, row.want)
			}
		})
	}
}

func TestREADME_namesEveryServiceAndEvent(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for scheme, p := range providers {
		example, _, _ := strings.Cut(p.example, " ")
		if !strings.Contains(string(readme), "`"+example+"`") {
			t.Errorf("README.md does not show how a URL for %s is written: %s", scheme, example)
		}
	}
	for _, kind := range messages.AllKinds() {
		if !strings.Contains(string(readme), "`"+string(kind)+"`") {
			t.Errorf("README.md does not name the event %s", kind)
		}
	}
}
