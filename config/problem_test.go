package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// problemsOf loads a text and returns its problems, one line each, without the file name.
func problemsOf(tb testing.TB, text string, environ ...string) []string {
	tb.Helper()
	dir := tb.TempDir()
	_, err := loadText(tb, dir, text, environ...)
	return linesOf(tb, err, filepath.Join(dir, "butler.yaml"))
}

func linesOf(tb testing.TB, err error, path string) []string {
	tb.Helper()
	if err == nil {
		return nil
	}
	problems, ok := errors.AsType[*Problems](err)
	if !ok {
		tb.Fatalf("want problems, got the error %v", err)
	}
	var out []string
	for _, p := range problems.List {
		out = append(out, strings.TrimPrefix(p.String(), path+":"))
	}
	return out
}

func TestLoad_tellsAllProblemsOfAFileAtOnce(t *testing.T) {
	_, err := Load(Options{Path: filepath.Join("testdata", "bad.yaml"), Schemas: fragments(t)})
	if err == nil {
		t.Fatal("the bad file was accepted")
	}
	got := strings.ReplaceAll(err.Error(), "\\", "/") + "\n"
	golden := filepath.Join("testdata", "bad.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"12345678", "secret-at-the-wrong-place"} {
		if strings.Contains(got, secret) {
			t.Errorf("the problems show the secret %q", secret)
		}
	}
}

func TestLoad_refusesWhatIsNoConfigurationFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{` the file is empty (begin with the line "Butler:")`}},
		{"comment only", "# nothing\n", []string{` the file is empty (begin with the line "Butler:")`}},
		{"null", "~\n", []string{`1:1: must be a mapping, not nothing (begin with the line "Butler:")`}},
		{"list", "- Butler\n", []string{`1:1: must be a mapping, not a list (begin with the line "Butler:")`}},
		{"another root", "butler:\n  logLevel: info\n", []string{"1:1: butler: unknown key beside Butler (write Butler)"}},
		{"no root", "logLevel: info\n", []string{"1:1: logLevel: unknown key beside Butler (move it below Butler)"}},
		{"nothing but anchors", "x-common: 1\n", []string{`1:1: the key Butler is missing (begin with the line "Butler:")`}},
		{"root twice", "Butler: {}\nButler: {}\n", []string{"2:1: Butler: is set twice (keep one of the two)"}},
		{"root is text", "Butler: on\n", []string{"1:9: must hold keys, not text"}},
		{
			"two documents", "Butler: {}\n---\nButler: {}\n",
			[]string{`2:1: a second document begins here (keep one document: remove the line "---" and merge what follows)`},
		},
		{
			"tab", "Butler:\n\tlogLevel: info\n",
			[]string{"2: is not valid YAML: found character that cannot start any token (indent with spaces; YAML does not allow tabs there)"},
		},
		{
			"key outdented by one", "Butler:\n  journal:\n    keepFor: 1h\n  operations:\n    enable: true\n    # why\n   port: 1\n",
			[]string{"7: is not valid YAML: did not find expected key (indent it like the keys around it)"},
		},
		{
			"key outdented after text of several lines", "Butler:\n  emailNotification:\n    a: |\n        x\n         y\n    b: [1,\n  2]\n   c: 1\n  d: 1\n",
			[]string{"8: is not valid YAML: did not find expected key (indent it like the keys around it)"},
		},
		{
			"item indented like none", "Butler:\n  routes:\n    - name: a\n      continue: true\n   - name: b\n",
			[]string{"5: is not valid YAML: did not find expected key (indent it like the keys around it)"},
		},
		{
			"key outdented in a second document", "Butler: {}\n---\na:\n  b: 1\n c: 1\n",
			[]string{"5: is not valid YAML: did not find expected key (indent it like the keys around it)"},
		},
		{
			"text after a value", "Butler:\n  logLevel: \"info\" warn\n  fileLogging: true\n",
			[]string{"2: is not valid YAML: did not find expected key (put the whole text in quotes)"},
		},
		{
			"text that begins with a field", "Butler:\n  a:\n    subject: {{taskName}} failed\n    b: 1\n",
			[]string{"3: is not valid YAML: did not find expected key (put the whole text in quotes)"},
		},
		{
			"text with a colon", "Butler:\n  subject: Failed: {{taskName}}\n",
			[]string{"2: is not valid YAML: mapping values are not allowed in this context (put a text that holds a colon in quotes)"},
		},
		{
			"text that begins with a sign", "Butler:\n  password: @secret\n",
			[]string{"2: is not valid YAML: found character that cannot start any token (put a text that begins with @, % or ` in quotes)"},
		},
		{
			"backslashes in double quotes", "Butler:\n  cert: {clientCert: \"C:\\cert\\client.pem\"}\n",
			[]string{`2: is not valid YAML: found unknown escape character (put a path with backslashes in single quotes: 'C:\butler\client.pem')`},
		},
		{
			"no space after a colon", "Butler:\n  fileLogging: true\n  logLevel:info\n",
			[]string{"3: is not valid YAML: could not find expected ':' (write a key with a colon and a space after it)"},
		},
		{"unclosed", "Butler: {logLevel: info\n", []string{"1: is not valid YAML: did not find expected ',' or '}'"}},
		{
			"password that begins with a star", "Butler:\n  password: *geheim\n",
			[]string{"2: is not valid YAML: a text that begins with * is the name of an anchor, and there is none of that name (put the text in quotes)"},
		},
		{
			"quote that is not closed", "Butler:\n  a:\n    subject: 'Fehler in {{taskName}}\n    b: 1\n    directory: '.'\n",
			[]string{"3: is not valid YAML: did not find expected key (close the quote that begins in this line)"},
		},
		{
			"double quote that is not closed", "Butler:\n  a: \"x\n  b: 1\n",
			[]string{"2: is not valid YAML: found unexpected end of stream (close the quote that begins in this line)"},
		},
		{
			"space of a web page in the indentation", "Butler:\n  a:\n\u00a0   enable: true\n    b: 1\n",
			[]string{"3: is not valid YAML: mapping values are not allowed in this context (replace the non-breaking or otherwise special space in this line by an ordinary one)"},
		},
		{
			"not UTF-8", "Butler:\n  logLevel: inf\xf6\n",
			[]string{"2: is not valid YAML: incomplete UTF-8 octet sequence (save the file as UTF-8 without control characters)"},
		},
		{
			"UTF-16 without a mark", "B\x00u\x00t\x00l\x00e\x00r\x00:\x00",
			[]string{"1: is not valid YAML: control characters are not allowed (save the file as UTF-8 without control characters)"},
		},
		{"key is a list", "Butler:\n  [a, b]: 1\n", []string{"2:3: a key must be a word"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, problemsOf(t, tt.text)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad_refusesAFileItCannotRead(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "butler.yml")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder.yaml")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	device := filepath.Join(dir, "device.yaml")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"other extension", other, " the name of a configuration file ends in .yaml (rename it to butler.yaml)"},
		{"missing", filepath.Join(dir, "none.yaml"), " cannot be opened: no such file or directory (check the path and the permissions)"},
		{"missing, other extension", filepath.Join(dir, "none"), " cannot be opened: no such file or directory (check the path and the permissions)"},
		{"directory", folder, " is a directory (name the file in it)"},
		{"directory, other extension", dir, " is a directory (name the file in it)"},
		{"device", device, " is not a file (name a configuration file)"},
		{"too large", big, " is larger than 4 MiB (this is not a configuration file)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(Options{Path: tt.path})
			got := linesOf(t, err, tt.path)
			if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("want the problem %q, got %q", tt.want, got)
			}
		})
	}
}

func TestLoad_acceptsWhatYAMLAllows(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"byte order mark", "\ufeffButler:\n  logLevel: debug\n"},
		{"document markers", "---\nButler:\n  logLevel: debug\n...\n"},
		{"upper case", "Butler:\n  logLevel: ' DEBUG '\n"},
		{"anchor and alias", "x-level: &l debug\nButler:\n  logLevel: *l\n"},
		{"merge key", "x-common: &c\n  logLevel: debug\nButler:\n  <<: *c\n"},
		{"merge is overruled", "x-common: &c\n  logLevel: error\nButler:\n  <<: [*c]\n  logLevel: debug\n"},
		{"empty merge", "Butler:\n  <<:\n  logLevel: debug\n"},
		{"CRLF", "Butler:\r\n  logLevel: debug\r\n"},
		{"null section", "Butler:\n  logLevel: debug\n  slackNotification:\n  genericUrls:\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustLoad(t, tt.text).Log().Level; got != "debug" {
				t.Errorf("want the level debug, got %q", got)
			}
		})
	}
}

// What a merge does not take over would be off without a word.
func TestLoad_refusesMergesOfNothing(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"no star": {
			"x-a: &a {logLevel: debug}\nButler:\n  <<: a\n",
			"3:7: <<: must name a mapping, whose keys are merged, not text (name an anchor, as in <<: *defaults)",
		},
		"a list": {
			"x-a: &a [error]\nButler:\n  udpServerConfig:\n    <<: [*a, {enable: true}]\n",
			"1:6: udpServerConfig.<<: must name a mapping, whose keys are merged, not a list (name an anchor, as in <<: *defaults)",
		},
		"a long row": {
			"x-a: &a {logLevel: debug}\nx-b: &b {<<: *a}\nx-c: &c {<<: *b}\nx-d: &d {<<: *c}\nx-e: &e {<<: *d}\nButler:\n  <<: *e\n",
			"1:6: <<: merges more than 4 times in a row (merge fewer into each other)",
		},
	} {
		if got := problemsOf(t, tt.text); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: want %q, got %q", name, tt.want, got)
		}
	}
}

func TestLoad_boundsWhatAnchorsUnfoldInto(t *testing.T) {
	var merges strings.Builder
	merges.WriteString("x-a: &a {")
	for i := range 2000 {
		fmt.Fprintf(&merges, "k%d: 1, ", i)
	}
	merges.WriteString("}\nButler:\n  <<: [")
	merges.WriteString(strings.Repeat("*a, ", 1_000))
	merges.WriteString("]\n")

	var lists strings.Builder
	lists.WriteString("x-a: &a {id: a, url: https://a}\nx-b: &b [")
	lists.WriteString(strings.Repeat("*a, ", 60_000))
	lists.WriteString("]\nButler:\n  genericUrls: *b\n")

	for name, text := range map[string]string{
		"merges":        merges.String(),
		"lists":         lists.String(),
		"self merge":    "Butler: &a\n  <<: *a\n  logLevl: info\n",
		"self alias":    "Butler: &a\n  genericUrls: [*a]\n",
		"many problems": "Butler:\n" + strings.Repeat("  - x\n", 10),
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, text)
			if len(got) == 0 || len(got) > maxProblems {
				t.Errorf("want a few problems, got %d", len(got))
			}
		})
	}
}

func TestProblems_areBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("Butler:\n  cert:\n")
	for i := range 150 {
		fmt.Fprintf(&text, "    unknown%d: 1\n", i)
	}
	_, err := loadText(t, t.TempDir(), text.String())
	problems, ok := errors.AsType[*Problems](err)
	if !ok || len(problems.List) != maxProblems || problems.More != 50 {
		t.Fatalf("want 100 problems and 50 more, got %v", err)
	}
	if !strings.HasSuffix(err.Error(), "\nand 50 more problems") {
		t.Errorf("the text does not tell how many more there are")
	}
}

// The Node.js tool accepts any key directly below Butler.
func TestProblems_aKeyOfSomebodyElseIsOnlyWarnedOf(t *testing.T) {
	cfg, err := loadText(t, t.TempDir(), "Butler:\n  remarksOfOurTeam: {a: 1}\n  logLevel: debug\n")
	if err != nil {
		t.Fatal(err)
	}
	if w := cfg.Warnings(); len(w) != 1 || w[0].Path != "remarksOfOurTeam" || w[0].Line != 2 || !strings.Contains(w[0].Reason, "no effect") {
		t.Errorf("want a warning about the key, got %v", w)
	}
	for _, near := range []string{"logLevl: debug", "slackNotifcation: {}", "serverHost: a"} {
		if _, err := loadText(t, t.TempDir(), "Butler:\n  "+near+"\n"); err == nil {
			t.Errorf("want a problem that %s may be meant for another key", near)
		}
	}
}

func TestProblem_isOneSentence(t *testing.T) {
	problem := Problem{
		File: "butler.yaml", Line: 7, Column: 10, Path: "cert.clientCert",
		Reason: "cannot be read: open client.pem: The system cannot find the file specified.", Suggestion: "export the certificates in the QMC",
	}
	want := "butler.yaml:7:10: cert.clientCert: cannot be read: open client.pem: The system cannot find the file specified " +
		"(export the certificates in the QMC)"
	if got := problem.String(); got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestProblem_cannotForgeALine(t *testing.T) {
	got := problemsOf(t, "Butler:\n  cert: {\"a\\nERROR: forged\\x1b[31m\": 1}\n  logLevel: \"x\\ny"+strings.Repeat("z", 500)+"\"\n")
	for _, line := range got {
		if strings.ContainsAny(line, "\n\x1b") || len(line) > 400 {
			t.Errorf("a problem shows raw text: %q", line)
		}
	}
	if len(got) != 2 {
		t.Errorf("want 2 problems, got %q", got)
	}
}

// A condition without a value would match everything, and a route that ends the
// search with it would leave everybody untold.
func TestLoad_refusesConditionsOfARouteThatHoldNothing(t *testing.T) {
	for name, match := range map[string]string{
		"null":             "{tasks: }",
		"an empty list":    "{taskTags: []}",
		"a sample value":   "{streams: [<your stream>]}",
		"sample pairs":     "{taskCustomProperties: [{name: <name>, value: <value>}]}",
		"an anchored null": "{nodes: *none}",
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, "x-none: &none\nButler:\n  routes:\n    - name: a\n      match: "+match+"\n")
			if len(got) != 1 || !strings.Contains(got[0], ": holds nothing (list what counts, or leave the key out)") {
				t.Errorf("want it refused, got %q", got)
			}
		})
	}
	for name, match := range map[string]string{"no match": "", "no conditions": "{}", "one is no sample": "{tasks: [<a task>, b]}"} {
		t.Run(name, func(t *testing.T) {
			if got := problemsOf(t, "Butler:\n  routes:\n    - name: a\n      match: "+match+"\n"); got != nil {
				t.Errorf("want it accepted, got %q", got)
			}
		})
	}
}
