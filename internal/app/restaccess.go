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

// Authentication and HTTPS of the REST API.

// serverTLS returns the settings of an HTTPS server, nil when it serves plain HTTP.
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

// access returns the function that authenticates callers, nil when none is needed.
func (g *generation) access(section config.Auth) (api.Access, error) {
	certificates, _ := certificateHolders(section) // restFindings reports its problems
	byCertificate := func(_ string, connection *tls.ConnectionState) (apikey.Principal, error) {
		return certificates.Verify(connection, time.Now())
	}
	switch section.Mode {
	case "none":
		return nil, nil
	case "certificates":
		return byCertificate, nil
	}
	keys, err := keyfile.Open(keyfile.New(section.KeyFile), g.log.Named("apikey"))
	if err != nil {
		return nil, err
	}
	report := func() { g.keyFileHealth(keys) }
	g.add(part{name: "file of API keys", components: []string{keysComponent}, open: report})
	return func(key string, connection *tls.ConnectionState) (apikey.Principal, error) {
		if key == "" && section.Mode == "either" {
			return byCertificate(key, connection)
		}
		defer report()
		return keys.Verify(key)
	}, nil
}

// keysComponent is the health of the file of API keys.
const keysComponent = "api keys"

// keyFileHealth sets the health by whether the file of API keys can be read. The file
// is read when a key is verified, so this runs after every call.
func (a *App) keyFileHealth(keys *keyfile.Store) {
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
