package signl4

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"butler/internal/destination"
	"butler/internal/qlik"
)

// templateApp is the app ID in the configuration template of the Node.js tool. That
// tool ignored it; here it would silence all other apps.
const templateApp = "47d38f73-628f-44e1-a62c-841604b123ff"

// check lists the problems of the keys that all uses share.
func check(c Config, _ destination.Deps) destination.Problems {
	var p destination.Problems
	p.WebAddress("incidentTool.signl4.url", c.URL.Reveal(), "write the https address of the team's webhook")
	return p
}

// checkUse lists the problems of one use, including settings without effect.
func checkUse(_ Config, u destination.Use[Settings], _ destination.Deps) destination.Problems {
	var p destination.Problems
	s := u.Settings
	if s.URL != "" {
		p.WebAddress("url", s.URL.Reveal(), "write the https address of the team's webhook, or leave it out")
	}
	if s.Location != "" && !validLocation(s.Location) {
		p.Wrong("location", "is not a valid location", `write latitude and longitude in degrees, such as "59.3293,18.0686"`)
	}
	return append(p, s.IncludeApp.check().Below("includeApp")...)
}

func (i IncludeApp) check() destination.Problems {
	var p destination.Problems
	switch {
	case i.IncludeAll:
		return nil
	case len(i.AppID) == 0:
		p.Warn("includeAll", "is false and appId is empty, so no app is included", "set includeAll to true, or list app IDs")
	case !slices.ContainsFunc(i.AppID, func(id string) bool { return !strings.EqualFold(id, templateApp) }):
		p.Warn("appId[0]", "is the sample app of the template, so your apps are not included", "set includeAll to true, or list the IDs of your apps")
	}
	for n, id := range i.AppID {
		if !qlik.IsGUID(strings.TrimSpace(id)) {
			p.Warn("appId["+strconv.Itoa(n)+"]", "is not an app ID, so it includes no app", "copy the ID from the QMC")
		}
	}
	return p
}

// validLocation reports whether s is "latitude,longitude" in degrees.
func validLocation(s string) bool {
	lat, long, found := strings.Cut(s, ",")
	return found && withinDegrees(lat, 90) && withinDegrees(long, 180)
}

func withinDegrees(s string, limit float64) bool {
	degrees, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return err == nil && math.Abs(degrees) <= limit
}
