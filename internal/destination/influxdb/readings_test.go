package influxdb

import (
	"strings"
	"testing"

	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// linesOf returns the lines of an alert with the sample configuration.
func linesOf(t *testing.T, a messages.Alert) string {
	t.Helper()
	b := buildAll(t, sampleConfig(1)("http://127.0.0.1:1"))[string(a.Kind)]
	return string(b.Destination.(*store).lines(nil, &point{}, &a))
}

func TestReadings_areDisabledByDefault(t *testing.T) {
	if got := buildAll(t, "{influxDb: {enable: true, hostIP: localhost}}"); len(got) > 0 {
		t.Errorf("want nothing stored, got %v", got)
	}
	if got := buildAll(t, "influxDb: {hostIP: localhost}"+readingSections); len(got) > 0 {
		t.Errorf("want nothing stored without influxDb.enable, got %v", got)
	}
}

func TestServices_haveNumbersForStateAndStart(t *testing.T) {
	for status, want := range map[string]string{
		"STOPPED": "1", "START_PENDING": "2", "STOP_PENDING": "3", "RUNNING": "4", "CONTINUE_PENDING": "5", "PAUSE_PENDING": "6", "PAUSED": "7", "UNREACHABLE": "-1",
	} {
		a := destinationtest.Complete(messages.ServiceStatus)
		a.Service.Status = status
		if got := linesOf(t, a); !strings.Contains(got, "state_num="+want+`,state_text="`+status+`"`) {
			t.Errorf("%s: want number %s, got %s", status, want, got)
		}
	}
	for start, want := range map[string]string{"Automatic": "0", "Automatic (delayed start)": "1", "Manual": "2", "Disabled": "3", "Boot": "-1"} {
		a := destinationtest.Complete(messages.ServiceStatus)
		a.Service.StartType = start
		if got := linesOf(t, a); !strings.Contains(got, "startup_mode_num="+want+`,startup_mode_text="`+start+`"`) {
			t.Errorf("%s: want number %s, got %s", start, want, got)
		}
	}
}

func TestServerLicense_daysAreSignedAndLeftOutWhenUnknown(t *testing.T) {
	a := destinationtest.Complete(messages.LicenseStatus)
	a.License = messages.License{Expired: true, ExpiryDate: "2026-04-30", DaysLeft: -6, DaysKnown: true}
	if got := linesOf(t, a); !strings.Contains(got, ` days_until_expiry=-6,expiry_date="2026-04-30",license_expired=true `) {
		t.Errorf("got %s", got)
	}
	a.License = messages.License{}
	if got := linesOf(t, a); !strings.Contains(got, " license_expired=false ") {
		t.Errorf("without a date: %s", got)
	}
}

func TestReadings_operatorTagsDoNotReplaceCertainBuiltInTags(t *testing.T) {
	for kind, want := range map[messages.AlertKind]string{
		messages.AccessLicenseStatus: "license_type=professional", messages.LicenseReleased: "license_type=FIXED", messages.UDPQueue: "my\\ queue,butler_instance=prod-1,env=prod,host=FIXED",
	} {
		if got := linesOf(t, destinationtest.Complete(kind)); !strings.Contains(got, want) {
			t.Errorf("%s: want %s in %s", kind, want, got)
		}
	}
}

func TestReadings_ofATestAreMarked(t *testing.T) {
	for _, kind := range []messages.AlertKind{messages.ProcessUsage, messages.LicenseStatus, messages.ServiceStatus, messages.SenseVersion} {
		a := destinationtest.Complete(kind)
		if got := linesOf(t, a); strings.Contains(got, "test=true") {
			t.Errorf("%s: no test is marked as one: %s", kind, got)
		}
		a.Test = true
		if got := linesOf(t, a); !strings.Contains(got, ",test=true") {
			t.Errorf("%s: a test is not marked: %s", kind, got)
		}
	}
}

func TestReadings_withoutFieldsWriteNothing(t *testing.T) {
	if got := linesOf(t, messages.Alert{Kind: messages.AccessLicenseStatus}); got != "" {
		t.Errorf("want nothing written where no licence is enabled, got %q", got)
	}
}
