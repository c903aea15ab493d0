package app

import (
	"os"

	"go.uber.org/zap"

	"butler/internal/buildinfo"
	"butler/internal/logx"
)

// logStart logs version, process and destinations.
func (a *App) logStart() {
	var names []string
	for _, b := range a.table.Built() {
		names = append(names, b.Instance.Name)
	}
	build := buildinfo.Read()
	a.log.Info("starting", zap.String("version", build.Version), zap.String("revision", build.Revision), zap.Int("pid", os.Getpid()),
		logx.Path(a.cfg.File()), zap.Strings("destinations", names))
}

// logConfiguration logs the assumptions, ignored problems, warnings and notes of the
// configuration.
func (a *App) logConfiguration() {
	for _, line := range a.cfg.Assumed() {
		a.log.Info("assumed", zap.String("what", line))
	}
	for _, p := range a.cfg.Ignored() {
		a.log.Error("problem in the configuration is ignored", zap.String("problem", p.String()))
	}
	for _, p := range a.cfg.Warnings() {
		a.log.Warn("warning of the configuration", zap.String("problem", p.String()))
	}
	for _, line := range a.cfg.Notes() {
		a.log.Warn("note", zap.String("what", line))
	}
}
