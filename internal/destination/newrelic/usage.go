package newrelic

import (
	"slices"

	"butler/internal/destination"
	"butler/internal/template"
	"butler/messages"
)

// usageSection configures the metrics of this process. They need accounts, but
// nothing from incidentTool.newRelic.
const usageSection = "uptimeMonitor.storeNewRelic"

// Usage is the section uptimeMonitor.storeNewRelic.
type Usage struct {
	Enable             bool
	DestinationAccount []string
	URL                string
	Header             []Header
	Metric             struct {
		Dynamic struct{ ButlerMemoryUsage, ButlerUptime Switch }
	}
	Attribute struct {
		Static  []Pair
		Dynamic struct{ ButlerVersion Switch }
	}
}

// Switch enables one item.
type Switch struct{ Enable bool }

// metrics selects what is sent about the process.
type metrics struct{ memory, uptime, version bool }

func (u Usage) uses() []destination.Use[Settings] {
	if !u.Enable {
		return nil
	}
	settings := Settings{
		form: asMetric, accountsAt: "destinationAccount", Accounts: u.DestinationAccount, Header: u.Header,
		Attribute: Attribute{Static: u.Attribute.Static},
		metrics: metrics{
			memory: u.Metric.Dynamic.ButlerMemoryUsage.Enable, uptime: u.Metric.Dynamic.ButlerUptime.Enable,
			version: u.Attribute.Dynamic.ButlerVersion.Enable,
		},
	}
	kind := messages.ProcessUsage
	return []destination.Use[Settings]{{
		Name: string(kind) + "/" + string(asMetric), Path: usageSection, Kinds: []messages.AlertKind{kind}, Settings: settings,
	}}
}

// check lists the problems of the section, with paths below it.
func (u Usage) check() destination.Problems {
	p := checkHeaders("header", u.Header)
	p.WebAddress("url", u.URL, "leave it out for the EU, or write that of New Relic's metric API in the US")
	if !u.Metric.Dynamic.ButlerMemoryUsage.Enable && !u.Metric.Dynamic.ButlerUptime.Enable {
		p.Warn("metric.dynamic", "switches on no metric, so nothing is sent", "set butlerMemoryUsage.enable or butlerUptime.enable to true")
	}
	return p
}

// gauge is one metric of a request.
type gauge struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value int64  `json:"value"`
}

// metricBody returns the request of a notice about the resource usage of this
// process. It cannot be too large, since only the fixed attributes are not ours.
func (s *sender) metricBody(n messages.Notice) ([]byte, error) {
	used, chosen := n.Alert.Usage, s.settings.metrics
	about := &attributes{values: map[string]any{}, maxValue: maxValue}
	if chosen.version {
		about.add("version", used.Version)
	}
	about.addNotes(n)
	for _, fixed := range slices.Backward(s.settings.Attribute.Static) {
		about.add(fixed.Name, fixed.Value)
	}
	return template.EncodeJSON([]any{map[string]any{
		"common": map[string]any{
			"timestamp": n.Alert.DecidedAt.UnixMilli(), "interval.ms": used.Interval.Milliseconds(), "attributes": about.values,
		},
		"metrics": chosen.gauges(used),
	}})
}

// gauges returns the values in bytes and milliseconds, without those that the system
// does not report.
func (m metrics) gauges(u messages.Usage) []gauge {
	out := []gauge{}
	if m.memory {
		out = append(out, gauge{"qs_butlerHeapUsed", "gauge", u.HeapUsed}, gauge{"qs_butlerHeapTotal", "gauge", u.HeapTotal},
			gauge{"qs_butlerExternalMem", "gauge", u.External})
		if u.Process > 0 {
			out = append(out, gauge{"qs_butlerProcessMem", "gauge", u.Process})
		}
	}
	if m.uptime {
		out = append(out, gauge{"qs_butlerUptimeMillisec", "gauge", u.Uptime.Milliseconds()})
	}
	return out
}
