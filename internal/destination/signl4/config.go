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
	// URL is the address of the team; it holds the team's secret.
	URL               secret.String
	ReloadTaskFailure Event
	ReloadTaskAborted Event
}

// Event is what the section says of one event.
type Event struct {
	Enable   bool
	Settings `mapstructure:",squash"`
}

// Settings are how one use sends alerts.
type Settings struct {
	// URL is the address of another team, in a route; "" for that of the section.
	URL secret.String
	// RateLimit is in seconds, per task; 0 means no limit.
	RateLimit   float64
	ServiceName string
	Severity    int
	// Location is "latitude,longitude"; "" sends none.
	Location   string
	IncludeApp IncludeApp
}

// IncludeApp says about which apps alerts are sent.
type IncludeApp struct {
	IncludeAll bool
	// AppID are the IDs of apps, in any letter case. It counts while IncludeAll is false.
	AppID []string
}

// url returns the address of a use.
func (c Config) url(s Settings) secret.String { return cmp.Or(s.URL, c.URL) }

// uses lists the events that are switched on.
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
		// The task names the app of an event that does not.
		Needs:  destination.Needs{Task: !u.Settings.IncludeApp.IncludeAll},
		Select: u.Settings.IncludeApp.selects,
		Window: destination.Seconds(u.Settings.RateLimit), Timeout: timeout,
	}
}

// selects implements Instance.Select. A task that could not be looked up, so
// that nobody knows its app, is told rather than kept quiet.
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
