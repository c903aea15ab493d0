package mqttconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/coder/websocket"
)

// dial opens the network connection to the broker: TCP, TLS or a WebSocket.
func (c *Conn) dial(ctx context.Context) (net.Conn, error) {
	var settings *tls.Config
	if c.o.TLS != nil {
		var err error
		if settings, err = c.o.TLS(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.o.WebSocket != "":
		return c.dialWebSocket(ctx, settings)
	case settings != nil:
		return (&tls.Dialer{Config: settings}).DialContext(ctx, "tcp", c.o.Address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", c.o.Address)
}

// dialWebSocket opens a WebSocket, through the proxy of the environment if there is one.
func (c *Conn) dialWebSocket(ctx context.Context, settings *tls.Config) (net.Conn, error) {
	scheme, transport := "ws://", &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: settings}
	if settings != nil {
		scheme = "wss://"
	}
	defer transport.CloseIdleConnections()
	//nolint:bodyclose // the library closes it
	socket, answer, err := websocket.Dial(ctx, scheme+c.o.Address+c.o.WebSocket, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the broker redirects, which its address should not")
		}},
		Subprotocols: []string{"mqtt"},
	})
	if err != nil {
		if answer != nil {
			err = fmt.Errorf("the WebSocket answers HTTP %d", answer.StatusCode)
		}
		return nil, err
	}
	// The context of the socket must outlive that of the attempt.
	return websocket.NetConn(context.WithoutCancel(ctx), socket, websocket.MessageBinary), nil
}

// TLSFiles are the names of PEM files, "" for none.
type TLSFiles struct {
	// CA holds the authorities that verify the broker; "" means those of the platform.
	CA string
	// Cert and Key are the certificate that the client shows.
	Cert, Key string
}

// Settings reads the files and returns the TLS settings of a client.
func (f TLSFiles) Settings() (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("CA of the broker: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA of the broker: %s holds no certificate", f.CA)
		}
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}
