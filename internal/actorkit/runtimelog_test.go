package actorkit

import (
	"bytes"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestNew_logsNothingWithALogOfAnyLevel(t *testing.T) {
	for _, level := range []zapcore.Level{zap.DebugLevel, zap.WarnLevel, zap.ErrorLevel} {
		core, logs := observer.New(level)
		var complaints bytes.Buffer
		New(zap.New(core, zap.ErrorOutput(zapcore.AddSync(&complaints))), nil)
		if complaints.Len() > 0 || logs.Len() > 0 {
			t.Errorf("%s: want nothing said, got %q and %v", level, complaints.String(), logs.All())
		}
	}
}

func TestWarnings_followTheLevelOfTheLog(t *testing.T) {
	level := zap.NewAtomicLevelAt(zap.ErrorLevel)
	core, logs := observer.New(level)
	log := zap.New(warnings{core}).With(zap.String("component", "runtime"))
	for _, step := range []struct {
		level zapcore.Level
		want  []string
	}{
		{zap.ErrorLevel, []string{"error"}},
		{zap.WarnLevel, []string{"warn", "error"}},
		{zap.DebugLevel, []string{"warn", "error"}},
	} {
		level.SetLevel(step.level)
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		log.Error("error")
		var got []string
		for _, line := range logs.TakeAll() {
			got = append(got, line.Message)
		}
		if len(got) != len(step.want) || got[0] != step.want[0] {
			t.Errorf("at %s: want %v, got %v", step.level, step.want, got)
		}
	}
}
