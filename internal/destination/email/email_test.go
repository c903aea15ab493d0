package email

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/template"
	"butler/messages"
)

// config switches on every kind of mail.
func config(address string) string {
	host, port, _ := net.SplitHostPort(address)
	var out strings.Builder
	fmt.Fprintf(&out, `
emailNotification:
  enable: true
  smtp:
    host: %s
    port: %s
    secure: false
    tls: {requireTLS: false, rejectUnauthorized: false}
    auth: {enable: true, user: %s, password: %s}
`, host, port, user, password)
	for _, section := range []string{"reloadTaskFailure", "reloadTaskAborted", "reloadTaskSuccess"} {
		fmt.Fprintf(&out, "  %s: {%s, headScriptLogLines: 3, tailScriptLogLines: 3}\n", section, common)
	}
	for _, section := range []string{"distributeTaskSuccess", "distributeTaskFailure", "preloadTaskSuccess", "preloadTaskFailure"} {
		fmt.Fprintf(&out, "  %s: {%s}\n", section, common)
	}
	for _, section := range []string{"serviceStopped", "serviceStarted"} {
		fmt.Fprintf(&out, "  %s: {%s}\n", section, strings.TrimPrefix(common, "enable: true, "))
	}
	fmt.Fprintf(&out, monitored, common)
	return out.String()
}

// monitored is what other sections say of mail.
const monitored = `
serviceMonitor: {enable: true, alertDestination: {email: {enable: true}}}
qlikSenseCloud: {enable: true, event: {mqtt: {tenant: {alert: {emailNotification: {reloadAppFailure: {
  %s, headScriptLogLines: 3, tailScriptLogLines: 3}}}}}}}
routes:
  - name: rest
    match:
      events: [external_program_task_failed, user_sync_task_succeeded, windows_service_status, server_license_status, server_license_expiring]
    email:
      - fromAddress: Qlik Sense (no-reply) <butler@example.com>
        recipients: [anna@example.com]
`

const common = `enable: true, priority: high, rateLimit: 600, recipients: [anna@example.com], subject: 'Qlik Sense: "{{alertSubject}}"', ` +
	`fromAddress: "Qlik Sense (no-reply) <butler@example.com>"`

var dateHeader = regexp.MustCompile(`(?m)^Date: .*$`)

func TestEmail_keepsTheContractOfADestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     config,
		Secrets:    []string{password},
		Mistakes: `
emailNotification:
  enable: true
  smtp: {host: mail.example.com, secure: false, tls: {ignoreTLS: true, requireTLS: true}}
  reloadTaskFailure:
    enable: true
    fromAddress: nobody
    subject: '{{#if taskName}}'
    bodyFileDirectory: none
    recipients: [anna@example.com, ` + password + `]
  reloadTaskAborted: {enable: false, fromAddress: nobody}
  preloadTaskFailure: {enable: true, fromAddress: nobody, subject: ok}
  serviceStopped: {fromAddress: butler@example.com}
serviceMonitor: {enable: true, alertDestination: {email: {enable: true}}}
qlikSenseCloud: {enable: true, event: {mqtt: {tenant: {alert: {emailNotification: {reloadAppFailure: {
  enable: true, fromAddress: butler@example.com, recipients: [anna@example.com], alertEnableByTag: {enable: true},
  subject: 'Failed: "{{taskName}}"'}}}}}}}
routes:
  - name: one
    email:
      - fromAddress: butler@example.com
        appOwnerAlert: {enable: true, includeOwner: {user: [{directory: CORP}, {}]}, excludeOwner: {user: [bo@example.com, {userId: bo}]}}
`,
		MistakenPaths: []string{
			"emailNotification.smtp.tls.ignoreTLS",
			"emailNotification.reloadTaskFailure.fromAddress",
			"emailNotification.reloadTaskFailure.subject",
			"emailNotification.reloadTaskFailure.bodyFileDirectory",
			"emailNotification.reloadTaskFailure.recipients[1]",
			"emailNotification.preloadTaskFailure.fromAddress",
			"emailNotification.preloadTaskFailure.recipients",
			"emailNotification.serviceStopped.recipients",
			"emailNotification.serviceStarted.fromAddress",
			"emailNotification.serviceStarted.recipients",
			cloudSection + ".subject",
			cloudSection + ".alertEnableByTag.tag",
			"routes[0].email[0].appOwnerAlert.includeOwner.user[0]",
			"routes[0].email[0].appOwnerAlert.includeOwner.user[1]",
			"routes[0].email[0].appOwnerAlert.excludeOwner.user[1]",
		},
		Peer: func(t *testing.T) *destinationtest.Peer {
			t.Helper()
			return startServer(t, serverOptions{mechanisms: []string{"PLAIN"}}).peer()
		},
		Outcomes:  smtpOutcomes(),
		Normalise: normalise,
		Inspect:   inspect,
	})
}

// smtpOutcomes is who retries and who parks, by the reply to a recipient.
func smtpOutcomes() []destinationtest.Outcome {
	out := []destinationtest.Outcome{{Code: 250, Delivered: true}}
	for _, code := range []int{421, 451} {
		out = append(out, destinationtest.Outcome{Code: code, Kind: destination.Transient})
	}
	for _, code := range []int{450, 452} {
		out = append(out, destinationtest.Outcome{Code: code, Kind: destination.DeferredKind})
	}
	for _, code := range []int{501, 550, 551, 552, 553, 554} {
		out = append(out, destinationtest.Outcome{Code: code, Kind: destination.PermanentKind})
	}
	return out
}

// normalise shows the mail decoded, so that a golden file can be read.
func normalise(received string) string {
	head, rest, _ := strings.Cut(strings.ReplaceAll(received, "\r\n", "\n"), "\n\n")
	decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(rest)))
	if err != nil {
		decoded = []byte(rest)
	}
	return dateHeader.ReplaceAllString(head, "Date: today") + "\n\n" + strings.ReplaceAll(string(decoded), "\r\n", "\n")
}

// inspect checks that a mail has the headers it should have and no other, and
// that its page has the structure of the template and nothing more.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one mail, got %d", len(received))
	}
	envelope, data, _ := strings.Cut(received[0], ">\nRCPT TO:<anna@example.com>\n")
	if envelope != "MAIL FROM:<butler@example.com" {
		t.Errorf("unexpected envelope %q", envelope)
	}
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("read mail: %v", err)
	}
	want := map[string]bool{
		"Message-Id": true, "Date": true, "From": true, "To": true, "Subject": true, "Mime-Version": true, "Content-Type": true,
		"X-Priority": true, "X-Msmail-Priority": true, "Importance": true, "Auto-Submitted": true, "Content-Transfer-Encoding": true,
		"Received": true,
	}
	for name, values := range m.Header {
		if !want[name] || len(values) != 1 {
			t.Errorf("unexpected header %s: %q", name, values)
		}
	}
	plain, page := parts(t, m)
	if title := template.TitleOf(s.Alert); !strings.HasPrefix(plain, title+"\r\n") || strings.Count(plain, "\n") < 3 {
		t.Errorf("want the plain part to tell of %q, got %.200s", title, plain)
	}
	wantHarmless(t, page)
	if len(data) > 1<<20 {
		t.Errorf("the mail has %d bytes", len(data))
	}
	if len(s.Alert.Degraded) > 0 && !strings.Contains(page, "Details are missing") {
		t.Error("a degraded alert is not marked")
	}
}

func parts(t *testing.T, m *mail.Message) (plain, page string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("want multipart/alternative, got %q, %v", kind, err)
	}
	reader := multipart.NewReader(m.Body, params["boundary"])
	for range 2 {
		part, err := reader.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			page = string(text)
		} else {
			plain = string(text)
		}
	}
	return plain, page
}

// elements are the only ones that the built-in pages use.
var elements = map[string]bool{
	"html": true, "head": true, "meta": true, "title": true, "body": true, "table": true, "tbody": true, "tr": true, "td": true,
	"p": true, "h1": true, "h2": true, "pre": true, "a": true, "span": true, "br": true,
}

// wantHarmless parses a page as a mail reader does and looks for what data may
// have smuggled in. It returns the elements with the names of their attributes.
func wantHarmless(t *testing.T, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		ownStyle := node.Data == "style" && node.Parent.Data == "head" && node.NextSibling != nil && !slices.Contains(out, "style")
		if !elements[node.Data] && !ownStyle {
			t.Errorf("the page has an element <%s>", node.Data)
		}
		line := node.Data
		for _, a := range node.Attr {
			line += " " + a.Key
			if strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "https://") {
				t.Errorf("the page has an attribute %s=%q", a.Key, a.Val)
			}
		}
		out = append(out, line)
	}
	return out
}

// Whatever stands in the fields, a built-in page keeps its elements and gets none.
func TestPages_keepTheirStructureForAnyText(t *testing.T) {
	// One kind for each layout.
	for _, kind := range []messages.AlertKind{
		messages.ReloadTaskFailed, messages.DistributeTaskSucceeded, messages.PreloadTaskFailed,
		messages.ServiceStopped, messages.LicenseExpiring, messages.CloudReloadFailed,
	} {
		t.Run(string(kind), func(t *testing.T) {
			s, _ := newTestSender(t, func(*Event, *destination.Deps) {})
			page := func(text string) string {
				n := destinationtest.NoticeOf(destinationtest.Complete(kind), "email/x", "anna@example.com")
				fields := template.Fields(n, s.fields)
				fields["emailRecipients"] = map[string]any{"taskSpecific": list([]string{"a"}), "common": list([]string{"b"})}
				html, from := s.body(n, filled(fields, text))
				if !strings.HasPrefix(from, "built-in ") {
					t.Fatalf("rendered %s", from)
				}
				return html
			}
			want := wantHarmless(t, page("x"))
			rapid.Check(t, func(rt *rapid.T) {
				text := "x" + strings.Join(rapid.SliceOf(rapid.OneOf(rapid.SampledFrom([]string{
					`"`, `'`, "<", ">", "&", "</pre>", "<script>", "--", "]]>", `" onload="x`, "{{", "}}", "\r\n", "\x00", "`", "=",
				}), rapid.String())).Draw(rt, "text"), "")
				if diff := cmp.Diff(want, wantHarmless(t, page(text))); diff != "" {
					rt.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// filled returns fields with every text replaced, but for addresses of links.
func filled(fields map[string]any, text string) map[string]any {
	for name, v := range fields {
		switch name {
		case "qlikSenseQMC", "qlikSenseHub", "appUrl", "url", "alertOutcome":
		default:
			fields[name] = fill(v, text)
		}
	}
	return fields
}

func fill(v any, text string) any {
	switch v := v.(type) {
	case string:
		return text
	case map[string]any:
		return filled(v, text)
	case []any:
		for i := range v {
			v[i] = fill(v[i], text)
		}
	}
	return v
}

// A subject and a sender's name can hold anything; the headers of the mail stay the same.
func TestLetter_noTextAddsAHeader(t *testing.T) {
	s, _ := newTestSender(t, func(e *Event, _ *destination.Deps) {
		e.Subject = "{{{alertSubject}}} {{{taskName}}}{{{host}}}{{{appName}}}"
	})
	rapid.Check(t, func(rt *rapid.T) {
		a := destinationtest.Complete(rapid.SampledFrom([]messages.AlertKind{
			messages.ReloadTaskFailed, messages.ServiceStopped, messages.CloudReloadFailed,
		}).Draw(rt, "kind"))
		name := "x" + strings.Join(rapid.SliceOf(rapid.OneOf(rapid.SampledFrom([]string{
			"\r\n", "\n", "\r", "\r\n\r\n", "Bcc: evil@example.com", "=?UTF-8?q?", "?=", "\u2028", "\x00", ": ",
		}), rapid.String())).Draw(rt, "name"), "")
		a.Event.TaskName, a.Service.Host, a.Service.DisplayName, a.App.Name = name, name, name, name
		m, err := mail.ReadMessage(strings.NewReader(wireForm(t, s, a)))
		if err != nil {
			rt.Fatal(err)
		}
		if got, want := len(m.Header), 11; got != want || m.Header.Get("Bcc") != "" {
			rt.Errorf("want %d headers, got %v", want, m.Header)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || strings.ContainsAny(subject, "\r\n\x00") {
			rt.Errorf("got the subject %q, %v", subject, err)
		}
	})
}
