package logx

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// Condensed writes warnings that strangers can cause as often as they like: the first
// of a key at once, and the number of the others a minute later. It is safe for
// concurrent use.
type Condensed struct {
	mu    sync.Mutex
	lines *Repeated
	first map[string]warning
}

// warning is the first line of a key.
type warning struct {
	log     *zap.Logger
	message string
	fields  []zap.Field
}

// The window of a key, and how many keys are told apart in it, in addition to OtherKeys.
const (
	condenseFor  = time.Minute
	condenseKeys = 100
)

// NewCondensed returns a Condensed that has written nothing.
func NewCondensed() *Condensed {
	return &Condensed{lines: NewRepeated(condenseFor, condenseKeys), first: map[string]warning{}}
}

// Warn writes a line to log, or counts it. The summary has the fields of the first line,
// which belong to the key, and the number of the others.
func (c *Condensed) Warn(log *zap.Logger, key, message string, fields ...zap.Field) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.summarise(now)
	key = c.lines.Key(key)
	if !c.lines.First(now, key) {
		return
	}
	log.Warn(message, fields...)
	if key == OtherKeys {
		fields = []zap.Field{Source(OtherKeys)}
	}
	c.first[key] = warning{log, message, fields}
	time.AfterFunc(condenseFor, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.summarise(time.Now())
	})
}

// summarise writes the summaries of the windows that have ended.
func (c *Condensed) summarise(now time.Time) {
	for _, more := range c.lines.Due(now) {
		w := c.first[more.Key]
		w.log.Warn(w.message+", again", append(w.fields, Count(more.Count), zap.Time("since", more.Since))...)
	}
	for key := range c.first {
		if !c.lines.Known(key) {
			delete(c.first, key)
		}
	}
}
