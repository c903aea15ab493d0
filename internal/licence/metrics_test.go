package licence

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/internal/qlik/qrs"
	"butler/messages"
)

func TestMetrics_tellWhatTheMonitorsFoundOut(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	m.Server(messages.License{ExpiryDate: "2026-05-16"})
	m.Usage(qrs.AccessOverview{Professional: qrs.SeatAccess{Enabled: true, Total: 10, Allocated: 9}})
	for _, action := range []Action{ActionReleased, ActionPlanned, ActionPlanned, ActionKept, ActionFailed} {
		m.Decided("analyzer", Entry{Action: action})
	}
	const want = `
# HELP butler_qlik_license_assigned Access licences that are assigned to users.
# TYPE butler_qlik_license_assigned gauge
butler_qlik_license_assigned{license_type="analyzer"} 0
butler_qlik_license_assigned{license_type="professional"} 9
# HELP butler_qlik_license_capacity Access licences available in total, assigned or not.
# TYPE butler_qlik_license_capacity gauge
butler_qlik_license_capacity{license_type="analyzer"} 0
butler_qlik_license_capacity{license_type="professional"} 10
# HELP butler_qlik_license_expired 1 when Qlik Sense reports that its server licence has expired.
# TYPE butler_qlik_license_expired gauge
butler_qlik_license_expired 0
# HELP butler_qlik_license_expiry_timestamp_seconds Expiry time of the Qlik Sense server licence; 0 while it is not known.
# TYPE butler_qlik_license_expiry_timestamp_seconds gauge
butler_qlik_license_expiry_timestamp_seconds 1.7788896e+09
# HELP butler_qlik_licenses_released_total Access licences that were released, or would have been released in a dry run.
# TYPE butler_qlik_licenses_released_total counter
butler_qlik_licenses_released_total{license_type="analyzer",mode="dry_run"} 2
butler_qlik_licenses_released_total{license_type="analyzer",mode="live"} 1
butler_qlik_licenses_released_total{license_type="professional",mode="dry_run"} 0
butler_qlik_licenses_released_total{license_type="professional",mode="live"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	m.Server(messages.License{ExpiryDate: "the end of time", Expired: true})
	if testutil.ToFloat64(m.expiry) != 0 || testutil.ToFloat64(m.expired) != 1 {
		t.Error("want a licence that has ended, nobody knows when")
	}
}
