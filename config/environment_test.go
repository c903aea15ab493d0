package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvironment_setsKeysThatTheFileDoesNotHave(t *testing.T) {
	c := mustLoad(t, "Butler:\n  logLevel: warn\n",
		"BUTLER_UDPSERVERCONFIG_ENABLE=true",
		"BUTLER_UDPSERVERCONFIG_PORTTASKFAILURE=0",
		"BUTLER_UDPSERVERCONFIG_ALLOWEDSOURCES=10.0.0.5, fd00::/8 ,sense-1",
		"BUTLER_UDPSERVERCONFIG_DEDUPLICATION_TTLMINUTES=2.5",
		"BUTLER_UDPSERVERCONFIG_RECEIVEBUFFERBYTES=16MiB",
		"BUTLER_DELIVERY_RETRYMAX=10m",
		"BUTLER_LOGLEVEL=Debug",
		"BUTLER_LOGDIRECTORY=",
		"PATH=/bin",
	)
	u := c.UDP()
	if !u.Enable || u.Port != 0 || u.Deduplication.TTL().String() != "2m30s" || u.ReceiveBuffer != 16<<20 {
		t.Errorf("the variables do not count: %+v", u)
	}
	if diff := cmp.Diff([]string{"10.0.0.5", "fd00::/8", "sense-1"}, u.AllowedSources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if got := c.Delivery().RetryMax.String(); got != "10m0s" {
		t.Errorf("want 10m0s, got %s", got)
	}
	if got := c.Log(); got.Level != "debug" || filepath.Base(got.Directory) != "log" {
		t.Errorf("want the level of the variable and the default directory, got %+v", got)
	}
	if got := c.Source("logLevel").String(); got != "environment BUTLER_LOGLEVEL" {
		t.Errorf("want the variable as source, got %s", got)
	}
}

func TestEnvironment_switchesADestinationOnAltogether(t *testing.T) {
	c, err := Load(Options{Schemas: fragments(t), Environ: []string{
		"BUTLER_SLACKNOTIFICATION_ENABLE=true",
		"BUTLER_SLACKNOTIFICATION_RELOADTASKFAILURE_ENABLE=true",
		"BUTLER_SLACKNOTIFICATION_RELOADTASKFAILURE_WEBHOOKURL=https://hooks.slack.com/services/T/B/X",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var slack struct {
		Enable            bool
		ReloadTaskFailure struct {
			Enable     bool
			WebhookURL string
			Channel    string
		}
	}
	if err := c.Section("slackNotification", &slack); err != nil {
		t.Fatal(err)
	}
	if !slack.Enable || !slack.ReloadTaskFailure.Enable || slack.ReloadTaskFailure.Channel != "sense-task-failure" ||
		slack.ReloadTaskFailure.WebhookURL != "https://hooks.slack.com/services/T/B/X" {
		t.Errorf("the section misses a layer: %+v", slack)
	}
}

func TestEnvironment_refusesWhatSetsNothing(t *testing.T) {
	for _, tt := range []struct{ name, variable, want string }{
		{"unknown", "BUTLER_LOGLEVL=info", "environment: BUTLER_LOGLEVL: no key belongs to this variable (did you mean BUTLER_LOGLEVEL?)"},
		{"section", "BUTLER_OPERATIONS=x", "environment: BUTLER_OPERATIONS: no key belongs to this variable"},
		{"port", "BUTLER_OPERATIONS_PORT=70000", "environment: BUTLER_OPERATIONS_PORT: is out of range (from 0 to 65535)"},
		{"switch", "BUTLER_FILELOGGING=yes", "environment: BUTLER_FILELOGGING: must be true or false"},
		{"list of objects", "BUTLER_GENERICURLS=a", "environment: BUTLER_GENERICURLS: a list of objects cannot be set by a variable (set it in the file)"},
		{"reference", "BUTLER_LOGDIRECTORY=${env:NONE}", "environment: BUTLER_LOGDIRECTORY: refers to the environment variable NONE, which is not set (set it before the start)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(t, "Butler: {}\n", tt.variable)
			if len(got) != 1 || !strings.HasSuffix(got[0], tt.want) && !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}

func TestEnvironment_leavesVariablesOfOthersAlone(t *testing.T) {
	c, err := Load(Options{
		ReservedEnv: []string{"BUTLER_CONFIG"},
		Environ: []string{
			"BUTLER_CONFIG=/etc/butler/butler.yaml",
			// what Kubernetes sets for services called butler and butler-operations
			"BUTLER_SERVICE_HOST=10.0.0.1", "BUTLER_SERVICE_PORT=9998", "BUTLER_SERVICE_PORT_UDP_EVENTS=9998",
			"BUTLER_PORT=udp://10.0.0.1:9998", "BUTLER_PORT_9998_UDP=udp://10.0.0.1:9998",
			"BUTLER_PORT_9998_UDP_PROTO=udp", "BUTLER_PORT_9998_UDP_PORT=9998", "BUTLER_PORT_9998_UDP_ADDR=10.0.0.1",
			"BUTLER_OPERATIONS_PORT=tcp://10.0.0.1:9997",
		},
	})
	if err != nil {
		t.Fatalf("want no problem, got\n%v", err)
	}
	if got := c.Operations().Port; got != 9997 {
		t.Errorf("want the default port, got %d", got)
	}
}

func TestReference_bringsInASecret(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"password": "pass${env:USER}word\r\n",
		"port":     "2525\n",
		"butler.yaml": `Butler:
  emailNotification:
    smtp:
      host: ${env:MAIL_HOST}
      port: ${file:port}
      auth: {user: "a-${env:MAIL_USER}-z", password: "${file:password}"}
  genericUrls:
    - {id: dollar, url: "https://x/$${env:KEPT}", linkText: "{{taskName}} ${other}", comment: "${env:MAIL_USER}"}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(Options{
		Path: filepath.Join(dir, "butler.yaml"), Schemas: fragments(t),
		Environ: []string{"MAIL_HOST=mail.example.com", "MAIL_USER=butler"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var email struct {
		SMTP struct {
			Host string
			Port int
			Auth struct{ User, Password string }
		}
	}
	if err := c.Section("emailNotification", &email); err != nil {
		t.Fatal(err)
	}
	got := email.SMTP
	if got.Host != "mail.example.com" || got.Port != 2525 || got.Auth.User != "a-butler-z" || got.Auth.Password != "pass${env:USER}word" {
		t.Errorf("the references were not resolved: %+v", got)
	}
	link := c.Links().Generic[0]
	if link.URL != "https://x/${env:KEPT}" || link.LinkText != "{{taskName}} ${other}" || link.Comment != "butler" {
		t.Errorf("want only references resolved, got %+v", link)
	}
}

func TestReference_isToldWithoutWhatIsBehindIt(t *testing.T) {
	dir := t.TempDir()
	secretFile := filepath.Join(dir, "secret")
	if err := os.WriteFile(secretFile, []byte("hunter2 is no port"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, line, want string }{
		{"number", "operations: {port: '${env:SECRET}'}", "2:22: operations.port: is not a plain decimal number (write it in digits, such as 300)"},
		{"choice", "logLevel: ${env:SECRET}", "2:13: logLevel: is not a choice (one of error, warn, info, verbose, debug, silly)"},
		{"host", "operations: {host: '${file:" + secretFile + "}'}", "2:22: operations.host: is not a host name"},
		{"missing file", "logDirectory: ${file:none}", "2:17: logDirectory: refers to the file none: no such file or directory (check the path and the permissions)"},
		{"directory", "logDirectory: ${file:.}", "2:17: logDirectory: refers to the file .: not a regular file (check the path and the permissions)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(t, "Butler:\n  "+tt.line+"\n", "SECRET=hunter2 is no port")
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Error("the problem shows the secret")
			}
		})
	}
}

func TestReference_readsWhatWindowsWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for name, content := range map[string]string{
		"plain":           "pässword\r\n",
		"byte order mark": "\ufeffpässword\r\n",
		"UTF-16":          "\xff\xfep\x00\xe4\x00s\x00s\x00w\x00o\x00r\x00d\x00\r\x00\n\x00",
		"UTF-16 reversed": "\xfe\xff\x00p\x00\xe4\x00s\x00s\x00w\x00o\x00r\x00d",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, f := (references{}).look("file", path); f != nil || got != "pässword" {
			t.Errorf("%s: want the text alone, got %q, %v", name, got, f)
		}
	}
	for name, content := range map[string]string{"another encoding": "p\xe4ssword", "half a character": "\xff\xfep\x00\xe4"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, f := (references{}).look("file", path); f == nil || !strings.Contains(f.reason, "is not UTF-8") || strings.Contains(f.reason, "ssword") {
			t.Errorf("%s: want it refused, got %q, %v", name, got, f)
		}
	}
}

func TestReference_refusesALargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, make([]byte, maxReferencedBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, f := (references{}).look("file", path); f == nil || !strings.Contains(f.reason, "larger than 64 KiB") {
		t.Errorf("want the file refused, got %v", f)
	}
}
