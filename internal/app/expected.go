package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/expected"
	"butler/supervisors"
)

// The interval of the comparison with Qlik Sense, and the pause after one that the
// repository has not answered completely.
const (
	expectedEvery = time.Hour
	expectedAgain = time.Minute
)

// expectedComponent is degraded while the configuration names something that Qlik
// Sense does not have.
const expectedComponent = "configured_names"

// watchExpected compares the names that routing depends on, such as tags and custom
// properties, with those in Qlik Sense, and reports differences. Otherwise nobody
// would notice a wrong name before an alert is missed. The service runs on, as other
// alerts are not affected. An unreachable repository is reported by qrsgate.
func (g *generation) watchExpected(ctx context.Context) {
	site, err := expected.SiteOf(g.cfg.Section, g.table.Built())
	if err != nil || site.Nothing() || g.gate.Client == nil { // unreadable routes are reported when the table is built
		return
	}
	seen, told := expected.Seen{}, ""
	for pause := time.Duration(0); wait(ctx, pause); {
		now, soon := seen.Take(site.Compare(ctx, g.gate.Client))
		if pause = expectedEvery; soon {
			pause = expectedAgain
		}
		if len(seen) > 0 {
			g.tellExpected(now, &told)
		}
	}
}

// tellExpected puts the differences on the health board, and logs them when they are
// not those of the last call, which told holds.
func (a *App) tellExpected(now expected.Standing, told *string) {
	state := supervisors.Up
	if len(now.Missing) > 0 {
		state = supervisors.Degraded
	}
	reason := strings.Join(slices.Concat(now.Missing, now.Odd, now.Refused), "; ")
	a.health.Set(expectedComponent, state, reason)
	if reason == *told {
		return
	}
	*told = reason
	if len(now.Missing) > 0 {
		a.log.Error("the configuration names objects that do not exist in Qlik Sense: alerts that depend on them do not go where they should",
			zap.Strings("missing", now.Missing))
	}
	if len(now.Odd) > 0 {
		a.log.Warn("names in the configuration and in Qlik Sense do not match: alerts of some tasks may reach nobody",
			zap.Strings("names", now.Odd))
	}
	if len(now.Refused) > 0 {
		a.log.Warn("names in the configuration cannot be checked, because the user may not read them in Qlik Sense", zap.Strings("refused", now.Refused))
	}
}
