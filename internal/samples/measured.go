package samples

import (
	"time"

	"butler/messages"
)

// points returns the points of an alert of a measured kind; nil for other kinds.
func points(kind messages.AlertKind) []messages.Point {
	switch kind {
	case messages.AccessLicenseStatus:
		return []messages.Point{
			licences("professional").Number("allocated", 9).Number("available", 1).Number("excess", 0).Number("quarantined", 0).Number("total", 10).Number("used", 9),
			licences("analyzer_capacity").Number("allocated_minutes", 6000).Number("unavailable_minutes", 0).Number("used_minutes", 120),
		}
	case messages.LicenseReleased:
		return []messages.Point{licences("analyzer").Tag("user", `CORP\anna`).Number("days_since_last_use", 45)}
	case messages.SenseVersion:
		return []messages.Point{messages.Point{}.
			Text("content_hash", "ab12").Text("sense_id", "qliksenseserver:14.250.1").Text("version", "14.250.1").
			Text("deployment_type", "QlikSenseServer").Text("release_label", "May 2026").Text("deprecated_product_version", "4.0.X").
			Text("product_name", "Qlik Sense").Text("copyright_year_range", "1993-2026")}
	case messages.UDPQueue:
		return []messages.Point{messages.Point{}.Tag("queue_type", "task_results").Tag("host", "butler-01").
			Number("queue_size", 0).Number("queue_max_size", 200).Number("messages_received", 13).Number("processing_time_avg_ms", 410.5)}
	default:
		return nil
	}
}

// usage returns the sample resource usage of a process.
func usage() messages.Usage {
	return messages.Usage{
		HeapUsed: 66_080_768, HeapTotal: 74_973_184, External: 4_414_505, Process: 135_004_160,
		Uptime: 90 * time.Minute, Interval: 15 * time.Minute, Version: "1.0.0",
	}
}

func licences(of string) messages.Point { return messages.Point{}.Tag("license_type", of) }
