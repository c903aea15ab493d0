package qrs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"butler/internal/qlik/identity"
)

// Options configure a Client. The zero value of everything but the address is usable.
type Options struct {
	// BaseURL is the address up to and including "/qrs/". When it is empty it
	// is made of Host, Port (4242) and UseSSL.
	BaseURL string
	Host    string
	Port    int
	UseSSL  bool

	// CertFile and KeyFile hold the client certificate in PEM; CertPEM and
	// KeyPEM are the same in memory and win. They are ignored without TLS.
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte
	// CAFile or CAPEM replaces the platform's trust store when set.
	CAFile string
	CAPEM  []byte
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool

	// Headers are added to every request and may replace the usual ones, the
	// request key excepted. X-Qlik-User belongs here.
	Headers   identity.Headers
	UserAgent string
	// Timeout bounds one request; 0 means 30 s.
	Timeout time.Duration
	// MaxConns is how many connections are kept for reuse; 0 means 16.
	MaxConns int
	// RetryWait is the pause before the first repetition; 0 means 200 ms.
	RetryWait time.Duration
	// Rand is where request keys and jitter come from; nil means the system's source.
	Rand io.Reader
	// Metadata keeps tasks and apps as the QRS writes them, beside what is read of them.
	Metadata bool
	// Metrics may be nil.
	Metrics *Metrics
}

const (
	defaultPort      = 4242
	defaultTimeout   = 30 * time.Second
	defaultMaxConns  = 16
	defaultRetryWait = 200 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.Port == 0 {
		o.Port = defaultPort
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	if o.RetryWait <= 0 {
		o.RetryWait = defaultRetryWait
	}
	if o.UserAgent == "" {
		o.UserAgent = "butler"
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	return o
}

// baseURL returns the address below which every path lies, ending in a slash.
func (o Options) baseURL() (*url.URL, error) {
	text := o.BaseURL
	if text == "" {
		if o.Host == "" || strings.ContainsAny(o.Host, "/@?# ") {
			return nil, fmt.Errorf("the QRS host name %q is not valid", o.Host)
		}
		scheme := "http"
		if o.UseSSL {
			scheme = "https"
		}
		text = scheme + "://" + net.JoinHostPort(strings.Trim(o.Host, "[]"), strconv.Itoa(o.Port)) + "/qrs/"
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("the QRS address must look like https://host:4242/qrs/")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the QRS address must hold neither a user nor parameters")
	}
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	return base, nil
}

// header returns the headers that every request has in common.
func (o Options) header() (http.Header, error) {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("Accept", "application/json, text/plain, */*")
	header.Set("User-Agent", o.UserAgent)
	return header, o.Headers.Set(header, "QRS")
}

// transport returns the pooled transport and when the client certificate ends.
// The QRS lies inside the cluster: no proxy is used. It speaks HTTP/1.1, where
// one connection carries one call, so the pool is as large as the concurrency.
func (o Options) transport(secure bool) (*http.Transport, time.Time, error) {
	dialer := &net.Dialer{Timeout: min(o.Timeout, 10*time.Second), KeepAlive: 30 * time.Second}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		Protocols:              protocols,
		MaxIdleConns:           o.MaxConns,
		MaxIdleConnsPerHost:    o.MaxConns,
		IdleConnTimeout:        5 * time.Minute,
		TLSHandshakeTimeout:    min(o.Timeout, 10*time.Second),
		MaxResponseHeaderBytes: 256 << 10,
	}
	if !secure {
		return t, time.Time{}, nil
	}
	config, expiry, err := o.identity().TLS("QRS")
	if err != nil {
		return nil, time.Time{}, err
	}
	t.TLSClientConfig = config
	return t, expiry, nil
}

// identity returns the part of the options that says who calls.
func (o Options) identity() identity.Files {
	return identity.Files{
		CertFile: o.CertFile, KeyFile: o.KeyFile, CertPEM: o.CertPEM, KeyPEM: o.KeyPEM,
		CAFile: o.CAFile, CAPEM: o.CAPEM, InsecureSkipVerify: o.InsecureSkipVerify,
	}
}
