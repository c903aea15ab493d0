package mqttconn_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"butler/internal/mqttconn"
	"butler/internal/secret"
	"butler/internal/sim/cert"
	"butler/internal/sim/sink"
)

func TestProbe_connectsAndTakesLeave(t *testing.T) {
	authority, err := cert.NewAuthority("Broker CA")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := authority.ServerTLS("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	trusting := func() (*tls.Config, error) {
		return &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"}, nil
	}
	for name, row := range map[string]struct {
		broker sink.MQTTOptions
		change func(*mqttconn.Options)
		want   string // of the detail, or of the error after a "!"
	}{
		"plain":          {sink.MQTTOptions{}, func(*mqttconn.Options) {}, "not encrypted, the broker accepts the client"},
		"with a login":   {sink.MQTTOptions{User: "u", Password: "s3cret-of-u"}, func(o *mqttconn.Options) { o.User, o.Password = "u", "s3cret-of-u" }, "accepts the client"},
		"wrong password": {sink.MQTTOptions{User: "u", Password: "s3cret-of-u"}, func(o *mqttconn.Options) { o.User, o.Password = "u", "wr0ng-secret" }, "!"},
		"TLS":            {sink.MQTTOptions{TLS: shown}, func(o *mqttconn.Options) { o.TLS = trusting }, "TLS 1.3, the broker"},
		"not trusted": {sink.MQTTOptions{TLS: shown}, func(o *mqttconn.Options) {
			o.TLS = mqttconn.TLSFiles{}.Settings
		}, "!certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			broker := sink.NewMQTT(row.broker)
			if err := broker.Start(); err != nil {
				t.Fatal(err)
			}
			defer broker.Stop()
			r := prepare(t, broker.Addr(), row.change, nil)
			seen, err := r.Probe().Run(t.Context())
			if want, fails := strings.CutPrefix(row.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wr0ng-secret") {
					t.Errorf("want a refusal with %q and without the password, got %v", want, err)
				}
				return
			}
			if err != nil || !strings.Contains(seen.Detail, row.want) || seen.CertificateEnds.IsZero() != (row.broker.TLS == nil) {
				t.Errorf("got %+v, %v", seen, err)
			}
			if n := broker.Publications().Total(); n > 0 {
				t.Errorf("%d messages were published", n)
			}
		})
	}
}

func TestProbe_ofASilentBrokerEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := prepare(t, listener.Addr().String(), func(o *mqttconn.Options) { o.Password = secret.String("s3cret") }, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Probe().Run(ctx); err == nil {
		t.Error("a broker that says nothing has accepted the client")
	}
}
