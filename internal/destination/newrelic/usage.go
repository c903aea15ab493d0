package newrelic

import (
	"slices"

	"butler/internal/destination"
	"butler/internal/template"
	"butler/messages"
)

// usageSection is where the metrics of this process are switched on. They need
// accounts, and nothing of incidentTool.newRelic.
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

// Switch turns one thing on.
type Switch struct{ Enable bool }

// metrics are those that are sent of what the process uses.
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

// check lists what is wrong with the section, with paths below it.
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

// metricBody is the request of a notice about what this process uses. All of it
// is ours but for fixed attributes, so that it cannot be too large.
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

// gauges are in bytes and milliseconds. What the system does not tell is left out.
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
