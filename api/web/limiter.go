package web

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// maxClients bounds how many clients are remembered at once.
const maxClients = 10_000

// Limiter counts the calls of every client in windows of a minute.
type Limiter struct {
	perMinute int
	now       func() time.Time

	mu      sync.Mutex
	ends    time.Time // of the window
	clients map[string]int
}

// NewLimiter returns a limiter; 0 calls a minute means no limit.
func NewLimiter(perMinute int, now func() time.Time) *Limiter {
	return &Limiter{perMinute: perMinute, now: now, clients: map[string]int{}}
}

// Limits reports whether calls are limited at all.
func (l *Limiter) Limits() bool { return l.perMinute > 0 }

// Admit counts a call, sets the rate limit headers, and returns an error when the
// client has exceeded its limit.
func (l *Limiter) Admit(client string, header *fasthttp.ResponseHeader) error {
	used, left := l.count(client)
	seconds := strconv.Itoa(int((left + time.Second - 1) / time.Second))
	header.Set("X-RateLimit-Limit", strconv.Itoa(l.perMinute))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, l.perMinute-used)))
	header.Set("X-RateLimit-Reset", seconds)
	if used <= l.perMinute {
		return nil
	}
	header.Set("Retry-After", seconds)
	return Problemf(http.StatusTooManyRequests, "", "Rate limit exceeded, retry in %s seconds", seconds)
}

// count adds a call of the client. It returns how many there were in this window,
// and how much time is left of the window.
func (l *Limiter) count(client string) (used int, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !now.Before(l.ends) {
		l.ends = now.Add(time.Minute)
		clear(l.clients)
	}
	if _, known := l.clients[client]; !known && len(l.clients) >= maxClients {
		client = "" // the rest share one count
	}
	l.clients[client]++
	return l.clients[client], l.ends.Sub(now)
}
