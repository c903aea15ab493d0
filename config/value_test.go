package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// read checks one YAML scalar against a row.
func read(tb testing.TB, r row, text string) (any, string) {
	tb.Helper()
	var y yaml.Node
	if err := yaml.Unmarshal([]byte(text), &y); err != nil {
		tb.Fatal(err)
	}
	n := node{row: r, path: "key"}
	c := &checker{problems: &Problems{}, seen: newObserved()}
	v, _ := c.value(y.Content[0], &n, "key")
	if len(c.problems.List) == 0 {
		return v, ""
	}
	p := c.problems.List[0]
	if p.Suggestion == "" {
		return v, p.Reason
	}
	return v, p.Reason + " (" + p.Suggestion + ")"
}

func TestValue_isReadStrictly(t *testing.T) {
	var (
		boolean  = row{Type: kindBool}
		whole    = row{Type: kindInt, Min: "0"}
		number   = row{Type: kindNum, Min: "0", Max: "100"}
		port     = row{Type: kindPort}
		anyPort  = row{Type: kindPort, Min: "0"}
		text     = row{Type: kindStr}
		hidden   = row{Type: kindSecret}
		address  = row{Type: kindHost}
		link     = row{Type: kindURI}
		choice   = row{Type: kindEnum, Values: []string{"low", "normal", "high"}}
		size     = row{Type: kindBytes, Min: "1KiB"}
		duration = row{Type: kindDuration, Min: "1s", Max: "1h"}
		path     = row{Type: kindPath}
	)
	for _, tt := range []struct {
		name string
		row  row
		yaml string
		want any
		bad  string
	}{
		{"true", boolean, "true", true, ""},
		{"true in YAML 1.2 spelling", boolean, "TRUE", true, ""},
		{"yes is text", boolean, "yes", nil, "must be true or false, not text (write true)"},
		{"off is text", boolean, "off", nil, "must be true or false, not text (write false)"},
		{"quoted true", boolean, `"true"`, nil, "must be true or false, not text (write true without quotes)"},
		{"one is no switch", boolean, "1", nil, "must be true or false, not a number"},
		{"switch without value", boolean, "null", nil, "has no value (write a value or leave the key out)"},
		{"switch as list", boolean, "[true]", nil, "must be true or false, not a list"},
		{"switch as mapping", boolean, "{a: b}", nil, "must be true or false, not a mapping"},

		{"whole number", whole, "300", int64(300), ""},
		{"whole number with a fraction of zero", whole, "300.0", int64(300), ""},
		{"whole number with an exponent", whole, "3e2", int64(300), ""},
		{"fraction", whole, "1.5", nil, "must be a whole number (write 2)"},
		{"negative", whole, "-1", nil, "is too small (at least 0)"},
		{"quoted number", whole, `"8086"`, nil, "must be a whole number, not text (write 8086 without quotes)"},
		{"word for a number", whole, "many", nil, "must be a whole number, not text"},
		{"octal is ambiguous", whole, "0777", nil, "is not a plain decimal number (write it in digits, such as 300)"},
		{"hexadecimal", whole, "0x1F", nil, "is not a plain decimal number (write it in digits, such as 300)"},
		{"underscores", whole, "1_000", nil, "is not a plain decimal number (write it in digits, such as 300)"},
		{"not a number", whole, ".nan", nil, "is not a plain decimal number (write it in digits, such as 300)"},
		{"infinite", number, ".inf", nil, "is not a plain decimal number (write it in digits, such as 300)"},
		{"beyond exact numbers", whole, "9007199254740993000", nil, "is too large a number"},
		{"beyond all numbers", number, "1e999", nil, "must be a number, not text"},
		{"fractional number", number, "99.5", 99.5, ""},
		{"number above its range", number, "100.1", nil, "is out of range (from 0 to 100)"},

		{"port", port, "65535", int64(65535), ""},
		{"no port 0", port, "0", nil, "is out of range (from 1 to 65535)"},
		{"any free port", anyPort, "0", int64(0), ""},
		{"port too large", anyPort, "65536", nil, "is out of range (from 0 to 65535)"},

		{"text", text, "Yes", "Yes", ""},
		{"text that looks like a date", text, "2024-01-02", "2024-01-02", ""},
		{"empty text", text, `""`, "", ""},
		{"block text", text, "|\n  a\n  b\n", "a\nb\n", ""},
		{"number for a text", text, "007", nil, `must be text, not a number (put it in quotes: "007")`},
		{"switch for a text", text, "true", nil, `must be text, not true or false (put it in quotes: "true")`},
		{"number for a secret", hidden, "12345", nil, "must be text, not a number (put it in quotes)"},
		{"tagged text", text, "!!str 12", "12", ""},
		{"foreign tag", text, "!password x", nil, `must be text, not a value with the tag !password (put it in quotes: "x")`},
		{"zero byte in a path", path, `"a\0b"`, nil, "a path cannot hold control characters (put a path with backslashes in single quotes: 'C:\\butler\\client.pem')"},
		{"backslashes that are escapes", path, `"C:\temp\new.pem"`, nil, "a path cannot hold control characters (put a path with backslashes in single quotes: 'C:\\butler\\client.pem')"},
		{"backslashes in single quotes", path, `'C:\temp\new.pem'`, `C:\temp\new.pem`, ""},

		{"host name", address, "sense_1.Example.com", "sense_1.Example.com", ""},
		{"IPv4", address, "10.0.0.1", "10.0.0.1", ""},
		{"IPv6", address, `"::1"`, "::1", ""},
		{"host with port", address, "a:1", nil, "is not a host name (leave out the port; it has a key of its own)"},
		{"host with scheme", address, "http://a", nil, "is not a host name (leave out the scheme and the path)"},
		{"host with a dot at the end", address, "a.", nil, "is not a host name (leave out the last dot)"},
		{"host with a blank", address, "a b", nil, "is not a host name"},
		{"host that is an address out of range", address, "10.0.0.256", nil, "is not a host name"},
		{"host that begins with a hyphen", address, "-a", nil, "is not a host name"},

		{"URI", link, "https://a/b?c", "https://a/b?c", ""},
		{"URI of somebody", link, "mailto:sense@example.com?subject=Help", "mailto:sense@example.com?subject=Help", ""},
		{"URI without a scheme", link, "a.example.com/b", nil, "is a URI without a scheme (begin with https:// or http://)"},
		{"URI with port but no scheme", link, "a.example.com:443/b", nil, "is a URI without a scheme (begin with https:// or http://)"},
		{"URI without a host", link, "https:///b", nil, "is a URI without a host (write it like https://host.example.com/path)"},
		{"broken URI", link, "https://a b/", nil, "is not a URI (write it like https://host.example.com/path)"},

		{"choice in any case", choice, "' HIGH '", "high", ""},
		{"no choice", choice, "hihg", nil, `"hihg" is not a choice (did you mean high? one of low, normal, high)`},

		{"bytes", size, "65536", int64(65536), ""},
		{"binary unit", size, "1.5GiB", int64(1.5 * (1 << 30)), ""},
		{"unit after a blank", size, "8 MiB", int64(8 << 20), ""},
		{"small size", size, "1B", nil, "is too small (at least 1KiB)"},
		{"decimal unit", size, "8MB", nil, "is not a size (write it like 512KiB, 8MiB or 10GiB)"},
		{"size beyond all bounds", size, "99999999TiB", nil, "is too large a size"},

		{"duration", duration, "1m30s", "1m30s", ""},
		{"duration without a unit", duration, "30", nil, "must be a duration, not a number (write a number with a unit, such as 30s, 5m or 24h)"},
		{"duration in words", duration, "soon", nil, "is not a duration (write a number with a unit, such as 30s, 5m or 24h)"},
		{"duration out of range", duration, "2h", nil, "is out of range (from 1s to 1h)"},

		{"placeholder", hidden, "<your-secret-password>", nil, ""},
		{"placeholder of a host", address, "<host name>", nil, ""},
		{"placeholder of a path", path, "/path/to/certificate.pem", nil, ""},
		{"address in angle brackets", text, "<butler@example.com>", "<butler@example.com>", ""},
		{"markup", text, "<b>{{taskName}}</b>", "<b>{{taskName}}</b>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := read(t, tt.row, tt.yaml)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			if bad != tt.bad {
				t.Errorf("want the problem %q, got %q", tt.bad, bad)
			}
		})
	}
}

func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"validation with sources", "udpServerConfig: {enable: true, enableSourceValidation: true, allowedSources: [10.0.0.0/8, '::1', sense-1]}", nil},
		{"validation without sources, server off", "udpServerConfig: {enableSourceValidation: true}", nil},
		{
			"validation without sources", "udpServerConfig: {enable: true, enableSourceValidation: true}",
			[]string{"2:3: udpServerConfig.allowedSources: is empty while enableSourceValidation is true, so every event would be refused (list the Qlik Sense nodes, or set enableSourceValidation to false)"},
		},
		{"repository with the default header", "configQRS: {host: sense}", nil},
		{"repository with null headers", "configQRS: {host: sense, headers: {static: }}", nil},
		{"repository with its own header", "configQRS: {host: sense, headers: {static: [{name: x-qlik-user, value: a}]}}", nil},
		{
			"repository without the user", "configQRS: {host: sense, headers: {static: [{name: X-Other, value: a}]}}",
			[]string{`2:38: configQRS.headers.static: has no header X-Qlik-User (add {name: X-Qlik-User, value: "UserDirectory=Internal; UserId=sa_repository"})`},
		},
		{"influx off needs nothing", "influxDb: {version: 3}", nil},
		{"influx 1 by default", "influxDb: {enable: true, hostIP: db}", nil},
		{
			"influx without a host", "influxDb: {enable: true}",
			[]string{"2:3: influxDb.hostIP: is missing (set it, or set influxDb.enable to false)"},
		},
		{"influx 4", "influxDb: {version: 4}", []string{"2:23: influxDb.version: is out of range (from 1 to 3)"}},
		{"fixed tag with no value", "influxDb: {tag: {static: [{name: env, value: ''}]}}", nil},
		{
			"fixed tag of which nothing is said", "influxDb: {tag: {static: [{name: env}]}}",
			[]string{"2:29: influxDb.tag.static[0].value: is missing"},
		},
		{
			"header of which nothing is said", "configEngine: {headers: {static: [{name: X-Qlik-User}]}}",
			[]string{"2:37: configEngine.headers.static[0].value: is missing"},
		},
		{
			"email without a server", "emailNotification: {enable: true, smtp: {port: 587}}",
			[]string{"2:37: emailNotification.smtp.host: is missing (set it, or set emailNotification.enable to false)"},
		},
		{
			"email with the sample sender left empty", "emailNotification: {enable: true, smtp: {host: mail}, reloadTaskFailure: {enable: true}}",
			[]string{"2:57: emailNotification.reloadTaskFailure.fromAddress: is missing (set it, or set emailNotification.reloadTaskFailure.enable to false)"},
		},
		{
			"login with sample credentials", "emailNotification: {enable: true, smtp: {host: mail, auth: {enable: true, user: '<user>', password: '<password>'}}}",
			[]string{
				"2:77: emailNotification.smtp.auth.user: still has the sample value of the template (set it, or set emailNotification.smtp.auth.enable to false)",
				"2:93: emailNotification.smtp.auth.password: still has the sample value of the template (set it, or set emailNotification.smtp.auth.enable to false)",
			},
		},
		{"event off needs nothing", "slackNotification: {enable: true}", nil},
		{"destination off needs nothing", "slackNotification: {reloadTaskFailure: {enable: true}}", nil},
		{
			"webhook with a CA but no file", "webhookNotification: {reloadTaskFailure: {webhooks: [{webhookURL: 'https://a', cert: {enable: true}}]}}",
			[]string{"2:56: webhookNotification.reloadTaskFailure.webhooks[0].cert.certCA: is missing"},
		},
		{"webhook without a CA", "webhookNotification: {reloadTaskFailure: {webhooks: [{webhookURL: 'https://a'}]}}", nil},
		{
			"first pause longer than the longest", "delivery: {retryInitial: 10m}",
			[]string{"2:14: delivery.retryInitial: is longer than delivery.retryMax (make it shorter)"},
		},
		{
			"stale before it is old", "qrs: {cacheTTL: 1h, staleFor: 1m}",
			[]string{"2:23: qrs.staleFor: is shorter than qrs.cacheTTL (make it longer, or 0s for never)"},
		},
		{"never stale", "qrs: {staleFor: 0s}", nil},
		{
			"keeps more than fits", "journal: {keepBytes: 20GiB}",
			[]string{"2:13: journal.keepBytes: is larger than journal.maxBytes (make it smaller)"},
		},
		{
			"journal nowhere", "journal: {directory: ''}",
			[]string{"2:13: journal.directory: is empty (name a directory, or set journal.inMemory to true)"},
		},
		{"journal in memory", "journal: {directory: '', inMemory: true}", nil},
		{
			"one port for two", "operations: {host: 127.0.0.1}\n  dockerHealthCheck: {enable: true, port: 9997}",
			[]string{"3:37: dockerHealthCheck.port: is the same as operations.port (choose another port, or set dockerHealthCheck.enable to false)"},
		},
		{
			"one port for two, everywhere", "restServerConfig: {enable: true, serverHost: 0.0.0.0}\n  configVisualisation: {enable: true, host: sense, port: 8080}",
			[]string{"3:52: configVisualisation.port: is the same as restServerConfig.serverPort (choose another port, or set configVisualisation.enable to false)"},
		},
		{"one port at two addresses", "operations: {host: 127.0.0.2}\n  dockerHealthCheck: {enable: true, port: 9997}", nil},
		{"one port for two, of which one is off", "dockerHealthCheck: {port: 9997}\n  restServerConfig: {serverPort: 9997}", nil},
		{"free ports for two", "operations: {port: 0}\n  restServerConfig: {enable: true, serverPort: 0}", nil},
		{"operations on this machine", "operations: {host: 127.0.0.2}", nil},
		{"operations on this machine, IPv6", "operations: {host: '::1'}", nil},
		{"operations for everybody, allowed", "operations: {host: 0.0.0.0, allowRemote: true}", nil},
		{"operations off", "operations: {host: 0.0.0.0, enable: false}", nil},
		{
			"operations for everybody", "operations: {host: 0.0.0.0}",
			[]string{"2:16: operations.host: can be reached from other machines (use localhost, or write operations.allowRemote: true)"},
		},
		{"tasks to watch", "operations: {taskMetrics: {tasks: [0d815a99-5b47-4f4a-8b0c-6c6d9a4d3b11], maxTasks: 1}}", nil},
		{
			"a task to watch by name", "operations: {taskMetrics: {tasks: [0d815a99-5b47-4f4a-8b0c-6c6d9a4d3b11, Nightly]}}",
			[]string{"2:76: operations.taskMetrics.tasks[1]: is not a task ID (copy the ID from the column ID of the task list in the QMC, or choose tasks by operations.taskMetrics.taskTags)"},
		},
		{
			"more tasks to watch than there is room for", "operations: {taskMetrics: {tasks: [0d815a99-5b47-4f4a-8b0c-6c6d9a4d3b11, 0d815a99-5b47-4f4a-8b0c-6c6d9a4d3b12], maxTasks: 1}}",
			[]string{"2:30: operations.taskMetrics.tasks: names 2 tasks, more than operations.taskMetrics.maxTasks, 1 (name fewer, or raise operations.taskMetrics.maxTasks)"},
		},
		{"schedule of a feature that does not exist", "heartbeat: {frequency: whenever}", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, problemsOf(t, "Butler:\n  "+tt.text+"\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
