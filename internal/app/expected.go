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
// repository cannot be asked is qrsgate's to tell.
func (a *App) watchExpected(ctx context.Context) {
	site, err := expected.SiteOf(a.cfg.Section, a.table.Built())
	if err != nil || site.Nothing() || a.gate.Client == nil { // routes that cannot be read are told by others
		return
	}
	seen := map[string]expected.Look{} // by subject: what cannot be asked for now is as it was
	told := ""
	for pause := time.Duration(0); wait(ctx, pause); {
		pause = expectedEvery
		var missing, odd []string
		for _, look := range site.Compare(ctx, a.gate.Client) {
			if look.Err != nil {
				pause = expectedAgain
				look = seen[look.Subject]
			} else {
				seen[look.Subject] = look
			}
			missing, odd = append(missing, look.Missing...), append(odd, look.Odd...)
		}
		if len(seen) == 0 {
			continue
		}
		a.tellExpected(missing, odd, &told)
	}
}

// tellExpected shows what is wrong with what the configuration names, and writes it to
// the log where that is not what was told before.
func (a *App) tellExpected(missing, odd []string, told *string) {
	state := supervisors.Up
	if len(missing) > 0 {
		state = supervisors.Degraded
	}
	reason := strings.Join(append(slices.Clone(missing), odd...), "; ")
	a.health.Set(expectedComponent, state, reason)
	if reason == *told {
		return
	}
	*told = reason
	if len(missing) > 0 {
		a.log.Error("the configuration names what Qlik Sense does not have: alerts that depend on it do not go where they should",
			zap.Strings("missing", missing))
	}
	if len(odd) > 0 {
		a.log.Warn("the configuration and Qlik Sense do not know all of each other's names: perhaps nobody is told of some tasks",
			zap.Strings("names", odd))
	}
}
