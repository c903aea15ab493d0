package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"butler/api"
	"butler/config"
	"butler/internal/apikey"
	"butler/internal/apikey/keyfile"
	"butler/supervisors"
)

// Who may call the REST API, and over what.

// serverTLS returns the settings of an HTTPS server, nil for HTTP.
func serverTLS(section config.RESTServer) (*tls.Config, error) {
	if !section.TLS.Enable {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(section.TLS.Cert, section.TLS.Key)
	if err != nil {
		return nil, err
	}
	out := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if section.TLS.CA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(section.TLS.CA)
	if err != nil {
		return nil, err
	}
	out.ClientCAs = x509.NewCertPool()
	if !out.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", section.TLS.CA)
	}
	out.ClientAuth = tls.VerifyClientCertIfGiven
	return out, nil
}

// access returns how callers are known, nil when everybody may call.
func (a *App) access(section config.Auth) (api.Access, error) {
	certificates, _ := certificateHolders(section) // the inspection has told of what is wrong
	byCertificate := func(_ string, connection *tls.ConnectionState) (apikey.Principal, error) {
		return certificates.Verify(connection, time.Now())
	}
	switch section.Mode {
	case "none":
		return nil, nil
	case "certificates":
		return byCertificate, nil
	}
	keys, err := keyfile.Open(keyfile.New(section.KeyFile), a.log.Named("apikey"))
	if err != nil {
		return nil, err
	}
	a.tellKeys = func() { a.keysHealth(keys) }
	a.tellKeys()
	return func(key string, connection *tls.ConnectionState) (apikey.Principal, error) {
		if key == "" && section.Mode == "either" {
			return byCertificate(key, connection)
		}
		defer a.tellKeys()
		return keys.Verify(key)
	}, nil
}

// keysComponent is the health of the file of API keys.
const keysComponent = "api keys"

// keysHealth shows whether the file of API keys can be read. Calls are what looks
// at it, so every one of them tells.
func (a *App) keysHealth(keys *keyfile.Store) {
	if err := keys.Err(); err != nil {
		a.health.Set(keysComponent, supervisors.Degraded, err.Error())
		return
	}
	a.health.Set(keysComponent, supervisors.Up, "")
}

func certificateHolders(section config.Auth) (apikey.Certificates, []apikey.Problem) {
	grants := make([]apikey.CertificateGrant, 0, len(section.Certificates))
	for _, c := range section.Certificates {
		grants = append(grants, apikey.CertificateGrant(c))
	}
	return apikey.NewCertificates(grants)
}
