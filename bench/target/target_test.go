package target

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const description = `
name: other
config: |
  Root:
    port: {{.UDPPort}}
    hook: {{.HTTP}}/hook
    mail: {{.On "email"}}
    list: [1, 2]
    deep: {kept: 1, replaced: 1}
`

func spec(t *testing.T, more string) Spec {
	t.Helper()
	s, err := ParseSpec([]byte(description + more))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSpec_configurationIsFilledInAndMerged(t *testing.T) {
	site := Site{UDPPort: 9998, HTTP: "http://127.0.0.1:1"}.WithDestinations([]string{"email/x", "slack"})
	plain, err := spec(t, "").Configuration(site, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"port: 9998", "hook: http://127.0.0.1:1/hook", "mail: true"} {
		if !strings.Contains(string(plain), want) {
			t.Errorf("want %q in\n%s", want, plain)
		}
	}
	merged, err := spec(t, "extras: true\n").Configuration(site, "Root: {list: [3], deep: {replaced: {{.UDPPort}}}, new: [{{range seq 2}}x,{{end}}]}")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- 3\n", "kept: 1", "replaced: 9998", "- x\n        - x"} {
		if !strings.Contains(string(merged), want) {
			t.Errorf("want %q in\n%s", want, merged)
		}
	}
	if strings.Contains(string(merged), "- 2") {
		t.Errorf("want a list replaced, got\n%s", merged)
	}
}

func TestSpec_refusesWhatATargetDoesNotKnow(t *testing.T) {
	if _, err := spec(t, "").Configuration(Site{}, "Root: {}"); !errors.Is(err, ErrNoExtras) {
		t.Errorf("want ErrNoExtras, got %v", err)
	}
	for name, text := range map[string]string{"an unknown key": description + "colour: red\n", "no name": "config: x\n", "no configuration": "name: x\n"} {
		if _, err := ParseSpec([]byte(text)); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestSpec_refusesACommandWithoutAWord(t *testing.T) {
	if _, err := ParseSpec([]byte(description + "command: '  '\n")); err == nil || !strings.Contains(err.Error(), "command") {
		t.Errorf("want an error about the command, got %v", err)
	}
}

// A journal that is not below the directory of the run would be removed with its contents.
func TestSpec_refusesAJournalElsewhere(t *testing.T) {
	for _, journal := range []string{"..", ".", "./", "x/..", "a/../..", "/var/lib/journal"} {
		if _, err := ParseSpec([]byte(description + "journal: " + journal + "\n")); err == nil || !strings.Contains(err.Error(), "journal") {
			t.Errorf("%s: want an error about the journal, got %v", journal, err)
		}
	}
	if _, err := ParseSpec([]byte(description + "journal: data/journal\n")); err != nil {
		t.Errorf("want a directory below accepted, got %v", err)
	}
}

func TestSite_placesPorts(t *testing.T) {
	got := Site{Dir: "/d", UDPPort: 1, OperationsPort: 2, RESTPort: 3}.place("x -c {config} {dir} {udpPort} {operationsPort} {restPort} {other}", "/d/c.yaml")
	if want := "x -c /d/c.yaml /d 1 2 3 {other}"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestSumSeries_addsUpByGroup(t *testing.T) {
	page := []byte("# HELP a x\na{l=\"v 1\"} 2\na{l=\"v\"} 3.5\nb 1e3\nab 7\nc nonsense\n")
	got := sumSeries(page, [][]string{{"a", "b"}, {"ab"}, {"c"}, {"missing"}, nil})
	want := []float64{1005.5, 7, -1, -1, -1}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("want %v, got %v", want, got)
			break
		}
	}
}

func TestLabel_isThatOfTheSeries(t *testing.T) {
	page := []byte("# HELP build x\nbuilder{revision=\"no\"} 1\nbuild{goversion=\"go1\",revision=\"abc\",version=\"1\"} 1\n")
	for series, want := range map[string]string{"build": "abc", "missing": ""} {
		if got := label(page, series, "revision"); got != want {
			t.Errorf("%s: want %q, got %q", series, want, got)
		}
	}
}

func TestFreePorts_areDifferentAndFree(t *testing.T) {
	ports, err := FreePorts(3)
	if err != nil || len(ports) != 3 || ports[0] == ports[1] || ports[1] == ports[2] {
		t.Fatalf("want three ports, got %v, %v", ports, err)
	}
	if Bound(ports[0]) {
		t.Error("want a free port")
	}
}

func TestBound_seesASocket(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	port := conn.LocalAddr().(*net.UDPAddr).Port
	if !Bound(port) {
		t.Error("want the port seen")
	}
	if drops, known := dropsOf(port); runtime.GOOS == "linux" && (!known || drops != 0) {
		t.Errorf("want no drops, got %d, %v", drops, known)
	}
}

func TestDecode_namesTheKeyAndGivesAnExample(t *testing.T) {
	type inner struct {
		Of    int      `yaml:"of"`
		Names []string `yaml:"names"`
	}
	var into struct {
		Drain time.Duration    `yaml:"drain"`
		Count int              `yaml:"count"`
		List  []inner          `yaml:"list"`
		Map   map[string]inner `yaml:"map"`
	}
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "the file is empty"},
		{"remarks alone", "# later\n", "the file is empty"},
		{"a second document", "count: 1\n---\ncount: 2\n", "second document"},
		{"a number for a time", "count: 1\ndrain: 5\n", `drain: "5" is not of the kind that is wanted, such as 5s`},
		{"a long text for a number", "count: a very long text\n", `count: "a very ..." is not of the kind that is wanted, such as 200`},
		{"a key that does not exist", "cuont: 1\n", "cuont: there is no such key"},
		{"one further below", "list: [{of: 1}, {off: 2}]\n", "list[2].off: there is no such key"},
		{"two that may be meant", "{count: x, drain: x}\n", "count or drain"},
		{"a text for a list", "list: [{names: webhook}]\n", `list[1].names: "webhook" is not of the kind that is wanted, such as [webhook, email]`},
		{"a list for keys", "map: [1]\n", "map: that is not of the kind that is wanted, which has keys of its own"},
		{"all of it", "cuont: 1\ndrain: 5\n", "such key\ndrain"},
		{"no YAML", "a: b: c\n", "mapping values"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := Decode([]byte(test.text), &into); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want %q, got %v", test.want, err)
			}
		})
	}
}

func TestSpec_knowsDestinationsByItsConfiguration(t *testing.T) {
	s := Spec{Config: `{{.On "slack"}} {{if .On  "mqtt"}} url: "{{.HTTP}}/newrelic/log" {{.SMTP.Host}} {{ .HTTP }}/webhook`}
	got := s.Destinations("a: {{$.HTTP}}/route/\nb: {{.HTTP}}/webhook")
	if want := []string{"email", "mqtt", "newrelic/log", "route", "slack", "webhook"}; !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestProgram_isLookedForBesideTheHarness(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		filepath.Join("no", "such", filepath.Base(self)): self,
		self:       self,
		"no/such/": "no/such/",
	} {
		if got := program(name); got != want {
			t.Errorf("%s: want %s, got %s", name, want, got)
		}
	}
}
