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

// How often what the configuration names is looked for in Qlik Sense, and how soon
// again when the repository does not say.
const (
	expectedEvery = time.Hour
	expectedAgain = time.Minute
)

// expectedComponent is the health of what the configuration expects of the repository.
const expectedComponent = "configured_names"

// watchExpected tells the operator when something that decides who is told does not
// exist, or has values that mean nothing: nobody would notice before an alert is
// missed. The service runs on, because the other alerts are wanted. That the
// repository is out of reach is qrsgate's to tell.
func (a *App) watchExpected(ctx context.Context) {
	site, err := expected.SiteOf(a.cfg.Section, a.table.Built())
	if err != nil || site.Nothing() || a.gate.Client == nil { // routes that cannot be read are told by others
		return
	}
	seen, told := expected.Seen{}, ""
	for pause := time.Duration(0); wait(ctx, pause); {
		now, soon := seen.Take(site.Compare(ctx, a.gate.Client))
		if pause = expectedEvery; soon {
			pause = expectedAgain
		}
		if len(seen) > 0 {
			a.tellExpected(now, &told)
		}
	}
}

// tellExpected shows what is wrong with what the configuration names, and writes it to
// the log where that is not what was told before.
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
