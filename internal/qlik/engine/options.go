package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"butler/internal/qlik/identity"
)

// Options configure a Client. Host and a header X-Qlik-User are required; the
// zero value of everything else is usable.
type Options struct {
	Host string
	// Port is 4747 when it is 0.
	Port   int
	UseSSL bool
	// Identity is used with UseSSL only.
	Identity identity.Files
	// Headers are added to every handshake. X-Qlik-User belongs here.
	Headers   identity.Headers
	UserAgent string

	// ConnectTimeout bounds the wait for a free session, and then the
	// connection and its handshake; 0 means 10 s.
	ConnectTimeout time.Duration
	// CallTimeout bounds one call; 0 means 1 min.
	CallTimeout time.Duration
	// OpenTimeout bounds opening an app with its data; 0 means 5 min.
	OpenTimeout time.Duration
	// DumpTimeout bounds a whole dump; 0 means 15 min.
	DumpTimeout time.Duration
	// ReloadTimeout bounds reload and save together; 0 means 24 h.
	ReloadTimeout time.Duration
	// PingInterval is how often the engine is asked for a sign of life during a
	// reload; 0 means 30 s. After maxMisses silent intervals it is given up.
	PingInterval time.Duration

	// MaxSessions is how many lists and dumps run at once; 0 means 8.
	MaxSessions int
	// MaxReloads is how many reloads run at once; 0 means 32.
	MaxReloads int
	// MaxMessage bounds one answer in bytes, and what is kept of those that came
	// before their turn; 0 means 64 MiB.
	MaxMessage int64
	// MaxDump bounds a whole dump in bytes; 0 means 1 GiB.
	MaxDump int64

	// Dial makes the TCP connection; nil means the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Metrics may be nil.
	Metrics *Metrics
}

const (
	defaultPort = 4747
	// userHeader tells the engine on whose behalf a certificate speaks.
	userHeader = "X-Qlik-User"
)

func (o Options) withDefaults() Options {
	orDefault(&o.Port, defaultPort)
	orDefault(&o.ConnectTimeout, 10*time.Second)
	orDefault(&o.CallTimeout, time.Minute)
	orDefault(&o.OpenTimeout, 5*time.Minute)
	orDefault(&o.DumpTimeout, 15*time.Minute)
	orDefault(&o.ReloadTimeout, 24*time.Hour)
	orDefault(&o.PingInterval, 30*time.Second)
	orDefault(&o.MaxSessions, 8)
	orDefault(&o.MaxReloads, 32)
	orDefault(&o.MaxMessage, 64<<20)
	orDefault(&o.MaxDump, 1<<30)
	if o.UserAgent == "" {
		o.UserAgent = "butler"
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	return o
}

func orDefault[T int | int64 | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// address returns host:port.
func (o Options) address() (string, error) {
	if o.Host == "" || strings.ContainsAny(o.Host, "/@?# \\") {
		return "", fmt.Errorf("the engine host name %q is not valid", o.Host)
	}
	if o.Port > 65535 {
		return "", fmt.Errorf("the engine port %d is not valid", o.Port)
	}
	return net.JoinHostPort(strings.Trim(o.Host, "[]"), strconv.Itoa(o.Port)), nil
}

// header returns the headers that every handshake has in common.
func (o Options) header() (http.Header, error) {
	header := http.Header{"User-Agent": {o.UserAgent}}
	if err := o.Headers.Set(header, "engine"); err != nil {
		return nil, err
	}
	if header.Get(userHeader) == "" {
		return nil, errors.New("the engine needs a header " + userHeader)
	}
	return header, nil
}

// transport returns the model of every session's transport, and when the client
// certificate ends. The engine lies inside the cluster: no proxy is used.
func (o Options) transport() (*http.Transport, time.Time, error) {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	t := &http.Transport{Protocols: protocols, MaxResponseHeaderBytes: 256 << 10, DisableKeepAlives: true}
	if !o.UseSSL {
		return t, time.Time{}, nil
	}
	config, expiry, err := o.Identity.TLS("engine")
	t.TLSClientConfig = config
	return t, expiry, err
}
