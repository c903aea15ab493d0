package licence

import (
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// Usage returns the measurement of the access licences, a point for each enabled type.
func Usage(o qrs.AccessOverview) []messages.Point {
	var out []messages.Point
	add := func(enabled bool, of string, row func(messages.Point) messages.Point) {
		if enabled {
			out = append(out, row(ofType(of)))
		}
	}
	seats := func(s qrs.SeatAccess) func(messages.Point) messages.Point {
		return func(p messages.Point) messages.Point {
			return p.Number("allocated", float64(s.Allocated)).Number("available", float64(s.Available)).Number("excess", float64(s.Excess)).
				Number("quarantined", float64(s.Quarantined)).Number("total", float64(s.Total)).Number("used", float64(s.Used))
		}
	}
	add(o.Analyzer.Enabled, qrs.Analyzer.String(), seats(o.Analyzer))
	add(o.AnalyzerTime.Enabled, "analyzer_capacity", func(p messages.Point) messages.Point {
		t := o.AnalyzerTime
		return p.Number("allocated_minutes", float64(t.AllocatedMinutes)).
			Number("unavailable_minutes", float64(t.UnavailableMinutes)).Number("used_minutes", float64(t.UsedMinutes))
	})
	add(o.Professional.Enabled, qrs.Professional.String(), seats(o.Professional))
	add(o.Login.Enabled, "token_login", func(p messages.Point) messages.Point {
		l := o.Login
		return p.Number("allocated_tokens", float64(l.AllocatedTokens)).Number("token_cost", float64(l.TokenCost)).
			Number("unavailable_tokens", float64(l.UnavailableTokens)).Number("used_tokens", float64(l.UsedTokens))
	})
	add(o.User.Enabled, "token_user", func(p messages.Point) messages.Point {
		u := o.User
		return p.Number("allocated_tokens", float64(u.AllocatedTokens)).Number("quarantined_tokens", float64(u.QuarantinedTokens)).
			Number("token_cost", float64(u.TokenCost)).Number("used_tokens", float64(u.UsedTokens))
	})
	add(o.TokensEnabled, "tokens_available", func(p messages.Point) messages.Point {
		return p.Number("available_tokens", float64(o.AvailableTokens)).Number("total_tokens", float64(o.TotalTokens))
	})
	return out
}

func ofType(name string) messages.Point { return messages.Point{}.Tag("license_type", name) }

// Released returns the measurement of a released licence.
func Released(of string, e Entry) []messages.Point {
	return []messages.Point{ofType(of).Tag("user", e.User).Number("days_since_last_use", float64(e.DaysUnused))}
}

// Version returns the measurement of the version of Qlik Sense.
func Version(v qrs.SystemInfo) []messages.Point {
	return []messages.Point{messages.Point{}.
		Text("content_hash", v.ContentHash).Text("sense_id", v.SenseID).Text("version", v.Version).
		Text("deployment_type", v.DeploymentType).Text("release_label", v.ReleaseLabel).
		Text("deprecated_product_version", v.DeprecatedProductVersion).Text("product_name", v.ProductName).
		Text("copyright_year_range", v.CopyrightYearRange)}
}
