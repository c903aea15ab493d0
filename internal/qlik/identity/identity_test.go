package identity_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/qlik/identity"
	"butler/internal/qlik/qliktest"
)

func TestFiles_readsFromMemoryAndFromFiles(t *testing.T) {
	authority := qliktest.NewAuthority(t)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name  string
		files identity.Files
	}{
		{"memory", identity.Files{CertPEM: authority.Cert, KeyPEM: authority.Key, CAPEM: authority.CA}},
		{"files", identity.Files{
			CertFile: write("client.pem", authority.Cert), KeyFile: write("client_key.pem", authority.Key), CAFile: write("root.pem", authority.CA),
		}},
		{"memory wins", identity.Files{
			CertPEM: authority.Cert, KeyPEM: authority.Key, CAPEM: authority.CA, CertFile: "no.pem", KeyFile: "no.pem", CAFile: "no.pem",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, expiry, err := test.files.TLS("engine")
			if err != nil {
				t.Fatal(err)
			}
			if len(config.Certificates) != 1 || config.RootCAs == nil || config.InsecureSkipVerify || config.MinVersion != tls.VersionTLS12 {
				t.Errorf("configuration %+v", config)
			}
			if until := time.Until(expiry); until < 23*time.Hour || until > 24*time.Hour {
				t.Errorf("the certificate ends in %v, want about a day", until)
			}
		})
	}
}

func TestFiles_withoutAnyTrustThePlatform(t *testing.T) {
	config, expiry, err := identity.Files{}.TLS("engine")
	if err != nil || config.RootCAs != nil || len(config.Certificates) != 0 || !expiry.IsZero() {
		t.Errorf("%+v, %v, %v; want an empty configuration", config, expiry, err)
	}
}

func TestFiles_namesWhatCannotWork(t *testing.T) {
	authority := qliktest.NewAuthority(t)
	locked := strings.Replace(string(authority.Key), "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", 2)
	tests := []struct {
		name  string
		files identity.Files
		want  string
	}{
		{"no such certificate", identity.Files{CertFile: "nix.pem", KeyPEM: authority.Key}, "nix.pem"},
		{"no such key", identity.Files{CertPEM: authority.Cert, KeyFile: "nix.pem"}, "certificate key"},
		{"no such authority", identity.Files{CAFile: "nix.pem"}, "certificate authority"},
		{"a certificate without its key", identity.Files{CertPEM: authority.Cert}, "both the certificate and its key"},
		{"a key with a password", identity.Files{CertPEM: authority.Cert, KeyPEM: []byte(locked)}, "password"},
		{"an authority that is no PEM", identity.Files{CAPEM: []byte("secret")}, "no certificate in PEM"},
		{"a key of another certificate", identity.Files{CertPEM: authority.Cert, KeyPEM: qliktest.NewAuthority(t).Key}, "client certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := test.files.TLS("engine")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "engine") {
				t.Fatalf("error %v, want one of the engine that says %q", err, test.want)
			}
			if strings.Contains(err.Error(), "BEGIN") || strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows what a file holds: %v", err)
			}
		})
	}
}
