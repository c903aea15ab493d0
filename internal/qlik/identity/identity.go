// Package identity owns how this service identifies itself to Qlik Sense servers, the
// repository service and the engine alike: the client certificate and its key, the
// headers of every call, and the certificate authorities that it trusts.
//
// It guarantees that files which cannot be used are reported when they are read, by
// name and never by content. It must never connect.
package identity

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// Files name the certificates of a client. The zero value is a client without a
// certificate, which trusts the authorities of the platform.
type Files struct {
	// CertFile and KeyFile hold the client certificate in PEM; CertPEM and
	// KeyPEM are the same in memory and win.
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte
	// CAFile or CAPEM replaces the platform's trust store when set.
	CAFile string
	CAPEM  []byte
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool
}

// sessions is how many TLS sessions are kept for resumption.
const sessions = 16

// TLS reads the files and returns the TLS configuration of a client, and when its
// certificate expires: the zero time without one. Errors name the server as given.
func (f Files) TLS(server string) (*tls.Config, time.Time, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		InsecureSkipVerify: f.InsecureSkipVerify, // the operator's explicit choice
	}
	ca, err := fileOr(f.CAPEM, f.CAFile)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the %s certificate authority: %w", server, err)
	}
	if ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, time.Time{}, fmt.Errorf("%s certificate authority %s: no certificate in PEM format", server, f.CAFile)
		}
	}
	pair, err := f.client(server)
	if err != nil || pair == nil {
		return config, time.Time{}, err
	}
	config.Certificates = []tls.Certificate{*pair}
	return config, pair.Leaf.NotAfter, nil
}

// client reads certificate and key; nil when neither is configured.
func (f Files) client(server string) (*tls.Certificate, error) {
	cert, err := fileOr(f.CertPEM, f.CertFile)
	if err != nil {
		return nil, fmt.Errorf("read the %s client certificate: %w", server, err)
	}
	key, err := fileOr(f.KeyPEM, f.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the %s client certificate key: %w", server, err)
	}
	switch {
	case cert == nil && key == nil:
		return nil, nil //nolint:nilnil // no client certificate is a valid configuration
	case cert == nil || key == nil:
		return nil, errors.New("the " + server + " client certificate needs both the certificate and its key")
	}
	if block, _ := pem.Decode(key); block != nil && (block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "") {
		return nil, fmt.Errorf("%s client certificate key %s: the key is protected by a password; export it without one", server, f.KeyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s client certificate %s with key %s: %w", server, f.CertFile, f.KeyFile, err)
	}
	return &pair, nil
}

// fileOr returns the bytes given, else what the file holds, else nil.
func fileOr(given []byte, path string) ([]byte, error) {
	if len(given) > 0 || path == "" {
		return given, nil
	}
	return os.ReadFile(path)
}
