package udp

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

type xmlParam struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type xmlConfig struct {
	Appenders []struct {
		Name    string     `xml:"name,attr"`
		Type    string     `xml:"type,attr"`
		Params  []xmlParam `xml:"param"`
		Filters []struct {
			Type   string     `xml:"type,attr"`
			Params []xmlParam `xml:"param"`
		} `xml:"filter"`
		Layout struct {
			Params    []xmlParam `xml:"param"`
			Converter []xmlParam `xml:"converter>param"`
		} `xml:"layout"`
	} `xml:"appender"`
	Loggers []struct {
		Name string `xml:"name,attr"`
		Refs []struct {
			Ref string `xml:"ref,attr"`
		} `xml:"appender-ref"`
	} `xml:"logger"`
}

func appenderConfig(t *testing.T, host string, set AppenderSet) xmlConfig {
	t.Helper()
	file, err := AppenderXML(host, 9998, set)
	if err != nil {
		t.Fatal(err)
	}
	strict := xml.NewDecoder(strings.NewReader(string(file)))
	for {
		if _, err := strict.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well formed: %v\n%s", err, file)
		}
	}
	var config xmlConfig
	if err := xml.Unmarshal(file, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

func TestAppenderXML_sendsWhatTheParserReads(t *testing.T) {
	for set, want := range map[AppenderSet]map[string]messages.Family{
		AppendersAll: {
			"TaskFailLogger": messages.FamilyFailed, "TaskAbortLogger": messages.FamilyAborted,
			"TaskSuccessLogger": messages.FamilySucceeded, "DistributionTaskLogger": messages.FamilyDistribute,
		},
		AppendersReload: {
			"TaskFailureLogger": messages.FamilyFailed, "AbortedReloadTaskLogger": messages.FamilyAborted,
			"ReloadTaskSuccessLogger": messages.FamilySucceeded,
		},
	} {
		t.Run(string(set), func(t *testing.T) {
			// What log4net puts in for the parts of a pattern.
			log := strings.NewReplacer("%hostname", "sense-01", "%property{TaskName}", "Task", "%property{AppName}", "(null)",
				"%property{User}", `LAB\jdoe`, "%property{TaskId}", taskID, "%property{AppId}", "(null)", "%date", stamp,
				"%level", "INFO", "%property{ExecutionId}", execID, "%message", "text")
			got := map[string]messages.Family{}
			for _, a := range appenderConfig(t, "10.11.12.13", set).Appenders {
				pattern := a.Layout.Params[0].Value
				if strings.Contains(pattern, "//") || strings.ContainsAny(pattern, "\r\n") {
					t.Errorf("pattern %q", pattern)
				}
				event := accept(t, []byte(log.Replace(pattern)), ParseOptions{})
				if event.TaskID != taskID || event.ExecutionID != execID || event.HostName != "sense-01" || event.LogMessage != "text" {
					t.Errorf("%s is read as %+v", a.Name, event)
				}
				got[a.Name] = event.Family
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("appenders (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAppenderXML_filtersAndAddresses(t *testing.T) {
	config := appenderConfig(t, "10.11.12.13", AppendersAll)
	for _, a := range config.Appenders {
		if a.Type != "log4net.Appender.UdpAppender" {
			t.Errorf("%s is a %s", a.Name, a.Type)
		}
		want := []xmlParam{{"remoteAddress", "10.11.12.13"}, {"remotePort", "9998"}, {"encoding", "utf-8"}}
		if diff := cmp.Diff(want, a.Params); diff != "" {
			t.Errorf("%s (-want +got):\n%s", a.Name, diff)
		}
		last := len(a.Filters) - 1
		for i, f := range a.Filters {
			matches := f.Type == "log4net.Filter.StringMatchFilter" && len(f.Params) == 1 && f.Params[0].Name == "stringToMatch"
			denies := f.Type == "log4net.Filter.DenyAllFilter"
			if i < last && !matches || i == last && !denies {
				t.Errorf("%s: filter %d is %+v", a.Name, i, f)
			}
		}
		if a.Layout.Converter[0].Value != "hostname" {
			t.Errorf("%s converts %+v", a.Name, a.Layout.Converter)
		}
	}
	if got := len(config.Appenders[0].Filters); got != 4 {
		t.Errorf("the failure appender has %d filters, want three triggers and the denial", got)
	}
}

func TestAppenderXML_namesEveryAppenderInOneLoggerEach(t *testing.T) {
	for _, set := range AppenderSets() {
		config := appenderConfig(t, "10.11.12.13", set)
		var names, refs, loggers []string
		for _, a := range config.Appenders {
			names = append(names, a.Name)
		}
		for _, l := range config.Loggers {
			loggers = append(loggers, l.Name)
			for _, ref := range l.Refs {
				refs = append(refs, ref.Ref)
			}
		}
		if diff := cmp.Diff(names, refs); diff != "" {
			t.Errorf("%s: appenders and references differ:\n%s", set, diff)
		}
		if slices.Sort(loggers); len(slices.Compact(slices.Clone(loggers))) != len(loggers) {
			t.Errorf("%s: a logger stands twice: %v", set, loggers)
		}
	}
}

func TestAppenderXML_refusesWhatNoNodeCanUse(t *testing.T) {
	for name, row := range map[string]struct {
		host string
		port int
		set  AppenderSet
	}{
		"no host":          {"", 9998, AppendersAll},
		"any address":      {"0.0.0.0", 9998, AppendersAll},
		"any IPv6 address": {"::", 9998, AppendersAll},
		"markup":           {`"><x/>`, 9998, AppendersAll},
		"end of comment":   {"a-->", 9998, AppendersAll},
		"port 0":           {"10.0.0.1", 0, AppendersAll},
		"port 65536":       {"10.0.0.1", 65536, AppendersAll},
		"unknown set":      {"10.0.0.1", 9998, "some"},
	} {
		t.Run(name, func(t *testing.T) {
			if file, err := AppenderXML(row.host, row.port, row.set); err == nil {
				t.Errorf("gives\n%s", file)
			}
		})
	}
	for _, host := range []string{"butler.example.com", "bu--tler", "fe80::1%eth0", "2001:db8::1"} {
		config := appenderConfig(t, host, AppendersAll)
		if got := config.Appenders[0].Params[0].Value; got != host {
			t.Errorf("address %q became %q", host, got)
		}
	}
}
