package app

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/buildinfo"
	"butler/internal/cron"
	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/metrics"
	"butler/messages"
)

// The monitors that report on the service itself: heartbeat and uptime.

// heartbeatTimeout bounds one call.
const heartbeatTimeout = 10 * time.Second

// heartbeatMonitor calls a web address regularly, so that the service behind it can
// alert when the calls stop.
func heartbeatMonitor(cfg *config.Config) monitorRow {
	section := cfg.Heartbeat()
	return monitorRow{
		name: "heartbeat", path: "heartbeat", on: section.Enable, every: section.Frequency, atStart: true, timeout: heartbeatTimeout,
		probe: func(g *generation) (monitor.Probe, error) { return heartbeat(section, g.log.Named("heartbeat")) },
	}
}

// heartbeatFindings reports an invalid heartbeat address. A missing one is reported by
// the schema.
func heartbeatFindings(section config.Heartbeat) []config.Finding {
	address := section.RemoteURL.Reveal()
	if !section.Enable || address == "" {
		return nil
	}
	var p destination.Problems
	p.WebAddress("heartbeat.remoteURL", address, "begin with http:// or https:// and name a host")
	for i := range p {
		p[i].Warning = true // the service works without a heartbeat
	}
	return findings("heartbeat", p, nil)
}

func heartbeat(section config.Heartbeat, log *zap.Logger) (monitor.Probe, error) {
	client, err := httpc.New(destination.HTTPOptions{Timeout: heartbeatTimeout})
	if err != nil {
		return nil, err
	}
	address := section.RemoteURL.Reveal() // its path may be a secret
	return func(ctx context.Context, _ time.Time) (monitor.Report, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return monitor.Report{}, httpc.Redact(err, address)
		}
		answer, err := httpc.Send(client, req, address, req.URL.Path)
		if err == nil {
			log.Debug("heartbeat", zap.String("answer", answer.Receipt().Status))
		}
		return monitor.Report{}, err
	}, nil
}

// uptimeMonitor logs the uptime and the memory of the process, and reports them as a
// measurement.
func uptimeMonitor(cfg *config.Config) monitorRow {
	section := cfg.UptimeMonitor()
	return monitorRow{
		name: "uptime", path: "uptimeMonitor", on: section.Enable, every: section.Frequency,
		probe: func(g *generation) (monitor.Probe, error) {
			schedule, err := cron.ParseText(section.Frequency)
			if err != nil {
				return nil, err
			}
			level, err := logx.LevelOf(section.LogLevel)
			return g.uptime(schedule, level), err
		},
	}
}

func (a *App) uptime(schedule cron.Timetable, level zapcore.Level) monitor.Probe {
	log, resident, version, iteration := a.log.Named("uptime"), metrics.ResidentMemory(), buildinfo.Read().Version, 0
	return func(_ context.Context, at time.Time) (monitor.Report, error) {
		iteration++
		next := schedule.Next(at)
		usage := usageNow(resident())
		usage.Uptime, usage.Interval, usage.Version = time.Since(a.began), schedule.Next(next).Sub(next), version
		log.Log(level, "uptime and memory", zap.Int("iteration", iteration), zap.String("uptime", inWords(usage.Uptime)),
			mebibytes("heap_used", usage.HeapUsed), mebibytes("heap_total", usage.HeapTotal),
			mebibytes("external", usage.External), mebibytes("process_memory", usage.Process))
		return monitor.Report{Alerts: []messages.Alert{{Kind: messages.ProcessUsage, Usage: usage}}}, nil
	}
}

// usageNow returns the memory of the process; resident is its resident set size in bytes.
func usageNow(resident int64) messages.Usage {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	size := func(n uint64) int64 { return int64(n) } // no process has 8 EiB
	return messages.Usage{
		HeapUsed: size(stats.HeapAlloc), HeapTotal: size(stats.HeapSys), External: size(stats.Sys - stats.HeapSys), Process: resident,
	}
}

func mebibytes(name string, bytes int64) zap.Field {
	return zap.String(name, strconv.FormatFloat(float64(bytes)/(1<<20), 'f', 2, 64)+" MiB")
}

// inWords formats a duration in words, such as "1 day 2 hours 5 seconds". Days are
// the largest unit.
func inWords(d time.Duration) string {
	left := int64(d / time.Second)
	var words []string
	for _, u := range []struct {
		name    string
		seconds int64
	}{{"day", 86_400}, {"hour", 3600}, {"minute", 60}, {"second", 1}} {
		n := left / u.seconds
		left %= u.seconds
		if n == 1 {
			words = append(words, "1 "+u.name)
		} else if n > 1 {
			words = append(words, fmt.Sprintf("%d %ss", n, u.name))
		}
	}
	if len(words) == 0 {
		return "0 seconds"
	}
	return strings.Join(words, " ")
}
