package web

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/sockets"
)

// maxClients bounds how many clients are remembered at once.
const maxClients = 10_000

// Limiter counts the calls of every client in windows of a minute. A client is what
// sockets.ClientOf takes for one.
type Limiter struct {
	perMinute int
	now       func() time.Time

	mu      sync.Mutex
	ends    time.Time // of the window
	clients map[netip.Prefix]int
}

// NewLimiter returns a limiter; 0 calls a minute means no limit.
func NewLimiter(perMinute int, now func() time.Time) *Limiter {
	return &Limiter{perMinute: perMinute, now: now, clients: map[netip.Prefix]int{}}
}

// Limits reports whether calls are limited at all.
func (l *Limiter) Limits() bool { return l.perMinute > 0 }

// Admit counts a call, sets the rate limit headers, and returns an error when the
// client has exceeded its limit. The clients for which there is no room share one count;
// in it, a call of a known caller is always admitted, so that a flood from many addresses
// does not keep known callers out.
func (l *Limiter) Admit(remote net.Addr, known func() bool, header *fasthttp.ResponseHeader) error {
	used, left, shared := l.count(sockets.ClientOf(remote))
	seconds := strconv.Itoa(int((left + time.Second - 1) / time.Second))
	header.Set("X-RateLimit-Limit", strconv.Itoa(l.perMinute))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, l.perMinute-used)))
	header.Set("X-RateLimit-Reset", seconds)
	if used <= l.perMinute || shared && known() {
		return nil
	}
	header.Set("Retry-After", seconds)
	return Problemf(http.StatusTooManyRequests, "", "Rate limit exceeded, retry in %s seconds", seconds)
}

// count adds a call of the client. It returns how many there were in this window, how
// much time is left of the window, and whether the count is shared with other clients.
func (l *Limiter) count(client netip.Prefix) (used int, left time.Duration, shared bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !now.Before(l.ends) {
		l.ends = now.Add(time.Minute)
		clear(l.clients)
	}
	if _, known := l.clients[client]; !known && len(l.clients) >= maxClients {
		client, shared = netip.Prefix{}, true
	}
	l.clients[client]++
	return l.clients[client], l.ends.Sub(now), shared
}
