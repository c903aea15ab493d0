package qrsgate

import (
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"butler/internal/actorkit"
)

// Options configure the gate. Kit is required.
type Options struct {
	Kit *actorkit.Kit
	// Port is the QRS; nil when none is configured. Every look-up fails then.
	Port Port
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil.
	Metrics *Metrics
	// OnHealth, if set, is called with whether the QRS is within reach, and why not: as
	// soon as that is known, and on every change. It must not block.
	OnHealth func(up bool, reason string)
	// ReadCache gets answers that may be given without the gate; it may be nil.
	ReadCache *ReadCache
	// Rand is the source of jitter; nil means one of its own.
	Rand *rand.Rand
	Rules
}

// Rules are the numbers of the gate. The zero value means the defaults.
type Rules struct {
	// TTL is the age up to which a cached answer counts as fresh, for askers that accept
	// one; 0 means 60 s.
	TTL time.Duration
	// StaleFor is the age up to which a cached answer is used when the QRS is out of
	// reach; 0 means 24 h.
	StaleFor time.Duration
	// CacheSize is how many tasks, apps and owners are kept, each; 0 means 8192.
	CacheSize int
	// MaxConcurrent is how many calls run at once; 0 means 8.
	MaxConcurrent int
	// Timeout bounds one call, repetitions included; 0 means 30 s.
	Timeout time.Duration
	// ScriptLogTimeout bounds the fetch of a script log; 0 means 2 min.
	ScriptLogTimeout time.Duration
	Breaker          BreakerSettings
	// NotConfigured says that there is no QRS.
	NotConfigured bool
}

func (r Rules) withDefaults() Rules {
	if r.TTL <= 0 {
		r.TTL = time.Minute
	}
	if r.StaleFor <= 0 {
		r.StaleFor = 24 * time.Hour
	}
	if r.CacheSize <= 0 {
		r.CacheSize = 8192
	}
	if r.MaxConcurrent <= 0 {
		r.MaxConcurrent = 8
	}
	if r.Timeout <= 0 {
		r.Timeout = 30 * time.Second
	}
	if r.ScriptLogTimeout <= 0 {
		r.ScriptLogTimeout = 2 * time.Minute
	}
	r.Breaker = r.Breaker.withDefaults()
	return r
}

// timeout returns how long one call of the kind may take.
func (r Rules) timeout(op operation) time.Duration {
	switch op {
	case opScriptLog:
		return r.ScriptLogTimeout
	case opPing:
		return min(r.Timeout, 10*time.Second)
	default:
		return r.Timeout
	}
}
