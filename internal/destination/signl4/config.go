package signl4

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

// timeout bounds one call.
const timeout = 10 * time.Second

// Config is the section incidentTool.signl4.
type Config struct {
	Enable bool
	// URL is the address of the team; it contains the team's secret.
	URL               secret.String
	ReloadTaskFailure Event
	ReloadTaskAborted Event
}

// Event is the part of the section for one event.
type Event struct {
	Enable   bool
	Settings `mapstructure:",squash"`
}

// Settings are how one use sends alerts.
type Settings struct {
	// URL is the address of another team, for a route; "" means that of the section.
	URL secret.String
	// RateLimit is in seconds, per task; 0 means no limit.
	RateLimit   float64
	ServiceName string
	Severity    int
	// Location is "latitude,longitude"; "" sends none.
	Location   string
	IncludeApp IncludeApp
}

// IncludeApp selects the apps about which alerts are sent.
type IncludeApp struct {
	IncludeAll bool
	// AppID are app IDs, in any letter case. They are ignored if IncludeAll is true.
	AppID []string
}

// url returns the address of a use.
func (c Config) url(s Settings) secret.String { return cmp.Or(s.URL, c.URL) }

// uses lists the enabled events.
func uses(c Config) []destination.Use[Settings] {
	if !c.Enable {
		return nil
	}
	var out []destination.Use[Settings]
	for _, e := range []struct {
		kind    messages.AlertKind
		section string
		Event
	}{
		{messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure},
		{messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted},
	} {
		if e.Enable {
			out = append(out, destination.Use[Settings]{
				Name: string(e.kind), Path: "incidentTool.signl4." + e.section,
				Kinds: []messages.AlertKind{e.kind}, Settings: e.Settings,
			})
		}
	}
	return out
}

func instance(_ Config, u destination.Use[Settings]) destination.Instance {
	return destination.Instance{
		// The task has the app of an event that does not name it.
		Needs:  destination.Needs{Task: !u.Settings.IncludeApp.IncludeAll},
		Select: u.Settings.IncludeApp.selects,
		Window: destination.Seconds(u.Settings.RateLimit), Timeout: timeout,
	}
}

// selects implements Instance.Select. An alert about a task that could not be looked
// up, so that its app is unknown, is sent.
func (i IncludeApp) selects(a *messages.Alert) destination.Selection {
	app := cmp.Or(a.Event.AppID, a.Task.AppID, a.App.ID)
	included := slices.ContainsFunc(i.AppID, func(id string) bool { return strings.EqualFold(strings.TrimSpace(id), app) })
	switch {
	case i.IncludeAll, app != "" && included, app == "" && a.TaskEvent() && !a.Task.Known:
		return destination.Everyone()
	case app == "":
		return destination.Nobody("includeApp.includeAll is false, and the alert is about no app")
	default:
		return destination.Nobody("the app %s is not in includeApp.appId, and includeApp.includeAll is false", app)
	}
}
