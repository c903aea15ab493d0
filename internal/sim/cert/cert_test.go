package cert_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"butler/internal/sim/cert"
)

func newAuthority(t *testing.T) *cert.Authority {
	t.Helper()
	authority, err := cert.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func parse(t *testing.T, pair cert.Pair) *x509.Certificate {
	t.Helper()
	loaded, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(loaded.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestAuthority_vouchesForServersAndClients(t *testing.T) {
	authority, stranger := newAuthority(t), newAuthority(t)
	server, err := authority.Server("sense.example.com")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("client")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		pair cert.Pair
		use  x509.ExtKeyUsage
		host string
		pool *x509.CertPool
		ok   bool
	}{
		{"server by name", server, x509.ExtKeyUsageServerAuth, "sense.example.com", authority.Pool(), true},
		{"server by address", server, x509.ExtKeyUsageServerAuth, "127.0.0.1", authority.Pool(), true},
		{"server as localhost", server, x509.ExtKeyUsageServerAuth, "localhost", authority.Pool(), true},
		{"another host", server, x509.ExtKeyUsageServerAuth, "evil.example.com", authority.Pool(), false},
		{"server as client", server, x509.ExtKeyUsageClientAuth, "", authority.Pool(), false},
		{"client", client, x509.ExtKeyUsageClientAuth, "", authority.Pool(), true},
		{"client as server", client, x509.ExtKeyUsageServerAuth, "", authority.Pool(), false},
		{"client elsewhere", client, x509.ExtKeyUsageClientAuth, "", stranger.Pool(), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(t, test.pair).Verify(x509.VerifyOptions{
				Roots: test.pool, DNSName: test.host, KeyUsages: []x509.ExtKeyUsage{test.use},
			})
			if (err == nil) != test.ok {
				t.Errorf("error = %v, want success %v", err, test.ok)
			}
		})
	}
}

func TestAuthority_writesAQlikExport(t *testing.T) {
	authority := newAuthority(t)
	dir := filepath.Join(t.TempDir(), "new", "cert")
	files, err := authority.WriteClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := cert.Files{
		Root: filepath.Join(dir, "root.pem"), Client: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client_key.pem"),
	}
	if files != want {
		t.Errorf("files %+v, want %+v", files, want)
	}
	if _, err := tls.LoadX509KeyPair(files.Client, files.ClientKey); err != nil {
		t.Error(err)
	}
	root, err := os.ReadFile(files.Root)
	if err != nil || string(root) != string(authority.RootPEM()) {
		t.Errorf("root.pem: %v", err)
	}
	if _, err := authority.WriteClient(filepath.Join(files.Root, "below a file")); err == nil {
		t.Error("a directory below a file was made")
	}
}
