// Package cert owns the throw-away certificates of the simulator: one
// authority, and the server and client certificates it signs.
//
// It guarantees that the files it writes have the names a Qlik certificate
// export has (root.pem, client.pem, client_key.pem), so a configuration points
// at them unchanged, and that keys are readable by the owner only. It must never
// be used to protect anything: the keys exist for the length of a simulation.
package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is how long a certificate is valid, including an hour in the past.
const lifetime = 30 * 24 * time.Hour

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// NewAuthority makes an authority with a key of its own.
func NewAuthority(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate authority key: %w", err)
	}
	template, err := newTemplate(name)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign authority certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse authority certificate: %w", err)
	}
	return &Authority{certificate: certificate, key: key, pem: encode("CERTIFICATE", der)}, nil
}

// Pool returns a pool with only this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// RootPEM returns the authority's certificate.
func (a *Authority) RootPEM() []byte { return a.pem }

// Pair is a certificate and its key, both as PEM.
type Pair struct {
	Certificate []byte
	Key         []byte
}

// TLS returns the pair in the form of crypto/tls.
func (p Pair) TLS() (tls.Certificate, error) { return tls.X509KeyPair(p.Certificate, p.Key) }

// Server signs a certificate for localhost, 127.0.0.1, ::1 and the extra names.
func (a *Authority) Server(names ...string) (Pair, error) {
	return a.issue("simulated server", x509.ExtKeyUsageServerAuth, func(t *x509.Certificate) {
		t.DNSNames = append([]string{"localhost"}, names...)
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	})
}

// ServerTLS returns the configuration of a server with a certificate of its own
// for the names that Server signs.
func (a *Authority) ServerTLS(names ...string) (*tls.Config, error) {
	pair, err := a.Server(names...)
	if err != nil {
		return nil, err
	}
	certificate, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("load server certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}, nil
}

// MutualTLS is ServerTLS for a server that requires a client certificate of a.
func (a *Authority) MutualTLS(names ...string) (*tls.Config, error) {
	config, err := a.ServerTLS(names...)
	if err != nil {
		return nil, err
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	return config, nil
}

// Client signs a client certificate.
func (a *Authority) Client(name string) (Pair, error) {
	return a.issue(name, x509.ExtKeyUsageClientAuth, func(*x509.Certificate) {})
}

func (a *Authority) issue(name string, use x509.ExtKeyUsage, adjust func(*x509.Certificate)) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generate key of %s: %w", name, err)
	}
	template, err := newTemplate(name)
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{use}
	adjust(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode key of %s: %w", name, err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", keyDER)}, nil
}

// Files are the paths of a written client identity.
type Files struct {
	Root      string
	Client    string
	ClientKey string
}

// WriteClient signs a client certificate and writes it into dir, which is created.
func (a *Authority) WriteClient(dir string) (Files, error) {
	pair, err := a.Client("simulated client")
	if err != nil {
		return Files{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Files{}, fmt.Errorf("create certificate directory: %w", err)
	}
	files := Files{
		Root:      filepath.Join(dir, "root.pem"),
		Client:    filepath.Join(dir, "client.pem"),
		ClientKey: filepath.Join(dir, "client_key.pem"),
	}
	for _, file := range []struct {
		path string
		data []byte
	}{{files.Root, a.pem}, {files.Client, pair.Certificate}, {files.ClientKey, pair.Key}} {
		if err := os.WriteFile(file.path, file.data, 0o600); err != nil {
			return Files{}, fmt.Errorf("write certificate file: %w", err)
		}
	}
	return files, nil
}

func newTemplate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(lifetime),
		BasicConstraintsValid: true,
	}, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
