package app

import (
	"os"

	"go.uber.org/zap"

	"butler/actors/cloud"
	"butler/internal/buildinfo"
	"butler/internal/logx"
)

// logStart logs version, process and destinations.
func (g *generation) logStart() {
	var names []string
	for _, b := range g.table.Built() {
		names = append(names, b.Instance.Name)
	}
	build := buildinfo.Read()
	g.log.Info("starting", zap.String("version", build.Version), zap.String("revision", build.Revision), zap.Int("pid", os.Getpid()),
		logx.Path(g.cfg.File()), zap.Strings("destinations", names))
	g.logSilence()
}

// logSilence warns when nobody can be notified of anything, or of accepted events of
// Qlik Cloud, which then wait on disk.
func (g *generation) logSilence() {
	if len(g.table.Built()) == 0 {
		g.log.Warn("no destination is enabled, so nobody is notified")
	}
	if g.cloud != nil {
		return
	}
	if waiting, err := cloud.Undecided(g.ledger); waiting > 0 || err != nil {
		g.log.Warn("accepted events of Qlik Cloud wait until qlikSenseCloud.enable is true: nobody is notified of them", logx.Count(waiting), logx.Err(err))
	}
}

// logConfiguration logs the assumptions, ignored problems, warnings and notes of the
// configuration.
func (g *generation) logConfiguration() {
	for _, line := range g.cfg.Assumed() {
		g.log.Info("assumed", zap.String("what", line))
	}
	for _, p := range g.cfg.Ignored() {
		g.log.Error("problem in the configuration is ignored", zap.String("problem", p.String()))
	}
	for _, p := range g.cfg.Warnings() {
		g.log.Warn("warning of the configuration", zap.String("problem", p.String()))
	}
	for _, line := range g.cfg.Notes() {
		g.log.Warn("note", zap.String("what", line))
	}
}
