package app

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"
)

// The certificates of the service end one day, and nothing works any more then.

// noteCertificates exposes when the certificates end that the service uses. Each
// is read as it is used: a renewed file counts from the next reload on.
func (a *App) noteCertificates() error {
	files := map[string]string{}
	if section := a.cfg.QRS(); section.Enabled() && section.UseSSL && !a.opts.Isolated {
		files["qlik_client"], files["qlik_ca"] = section.ClientCert, section.CA
	}
	if section := a.cfg.RESTServer(); section.Enable && section.TLS.Enable {
		files["rest_server"] = section.TLS.Cert
	}
	expiry := once(a.core, newCertificateExpiry)
	expiry.Reset()
	for purpose, file := range files {
		if end, ok := firstEnd(file); ok {
			expiry.WithLabelValues(purpose).Set(float64(end.Unix()))
		}
	}
	return nil
}

// firstEnd returns when the first of the certificates in a file ends. What is
// wrong with the file is told by those who use it.
func firstEnd(file string) (first time.Time, ok bool) {
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
