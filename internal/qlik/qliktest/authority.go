package qliktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Authority is a certificate authority that lives as long as a test.
type Authority struct {
	// CA, Cert and Key are PEM: what the client needs.
	CA, Cert, Key []byte

	server tls.Certificate
	pool   *x509.CertPool
}

// NewAuthority creates an authority with a server certificate for 127.0.0.1 and a client certificate.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	key := newKey(tb)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := sign(tb, template, template, &key.PublicKey, key)
	root, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("parse the authority: %v", err)
	}
	a := &Authority{CA: encode("CERTIFICATE", der), pool: x509.NewCertPool()}
	a.pool.AddCert(root)
	serverCert, serverKey := issue(tb, root, key, 2, x509.ExtKeyUsageServerAuth)
	if a.server, err = tls.X509KeyPair(serverCert, serverKey); err != nil {
		tb.Fatalf("pair the server certificate: %v", err)
	}
	a.Cert, a.Key = issue(tb, root, key, 3, x509.ExtKeyUsageClientAuth)
	return a
}

func (a *Authority) serverConfig() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.server}, MinVersion: tls.VersionTLS12,
		ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

func issue(tb testing.TB, root *x509.Certificate, rootKey *ecdsa.PrivateKey, serial int64, usage x509.ExtKeyUsage) (cert, keyPEM []byte) {
	tb.Helper()
	key := newKey(tb)
	der := sign(tb, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, root, &key.PublicKey, rootKey)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		tb.Fatalf("encode a key: %v", err)
	}
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", keyDER)
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("generate a key: %v", err)
	}
	return key
}

func sign(tb testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) []byte {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		tb.Fatalf("sign a certificate: %v", err)
	}
	return der
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
