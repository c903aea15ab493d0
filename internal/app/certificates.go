package app

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"
)

// exposeCertificateExpiry sets the metrics of when the certificates of the service
// expire. Certificates are read with the configuration, so a renewed file counts from
// the next reload.
func (g *generation) exposeCertificateExpiry() {
	files := map[string]string{}
	if section := g.cfg.QRS(); section.Enabled() && section.UseSSL && !g.opts.Isolated {
		files["qlik_client"], files["qlik_ca"] = section.ClientCert, section.CA
	}
	if section := g.cfg.RESTServer(); section.Enable && section.TLS.Enable {
		files["rest_server"] = section.TLS.Cert
	}
	expiry := sharedMetrics(g.App, newCertificateExpiry)
	expiry.Reset()
	for purpose, file := range files {
		if end, ok := earliestExpiry(file); ok {
			expiry.WithLabelValues(purpose).Set(float64(end.Unix()))
		}
	}
}

// earliestExpiry returns when the first of the certificates in a PEM file expires. ok
// is false without one; problems of the file are reported by its users.
func earliestExpiry(file string) (first time.Time, ok bool) {
	if file == "" {
		return time.Time{}, false
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, false
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if !ok || certificate.NotAfter.Before(first) {
			first, ok = certificate.NotAfter, true
		}
	}
	return first, ok
}
