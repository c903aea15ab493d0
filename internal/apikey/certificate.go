package apikey

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// CertificateGrant is what the configuration permits for a client certificate.
type CertificateGrant struct {
	CommonName string
	Scopes     []string
	Tags       []string
}

// Certificates are the known client certificates. The zero value knows none.
type Certificates struct {
	principals map[string]Principal
}

// Problem is what is wrong with a grant.
type Problem struct {
	// Path is below the list of grants: "[2].commonName".
	Path, Reason string
}

// NewCertificates returns the certificates of the grants, without those with a problem.
func NewCertificates(grants []CertificateGrant) (Certificates, []Problem) {
	c := Certificates{principals: make(map[string]Principal, len(grants))}
	var problems []Problem
	for i, g := range grants {
		scopes := make([]Scope, len(g.Scopes))
		for j, s := range g.Scopes {
			scopes[j] = Scope(s)
		}
		key, reason := "", ""
		if err := checkGrant(scopes, g.Tags); err != nil {
			key, reason = ".scopes", err.Error()
		}
		if _, taken := c.principals[g.CommonName]; taken {
			key, reason = ".commonName", "the same common name is there twice"
		}
		if g.CommonName == "" {
			key, reason = ".commonName", "the common name of the certificate is needed"
		}
		if reason != "" {
			problems = append(problems, Problem{Path: fmt.Sprintf("[%d]%s", i, key), Reason: reason})
			continue
		}
		c.principals[g.CommonName] = Principal{Name: g.CommonName, Credential: "certificate", Scopes: scopes, Tags: g.Tags}
	}
	return c, problems
}

// Verify returns the principal of the certificate of a connection. It uses only what
// the TLS handshake has verified, and must run for every call, because a connection
// may outlive its certificate. Its error is a Refusal.
func (c Certificates) Verify(connection *tls.ConnectionState, now time.Time) (Principal, error) {
	if connection == nil || len(connection.PeerCertificates) == 0 {
		return Principal{}, Refusal{Reason: Missing}
	}
	if len(connection.VerifiedChains) == 0 || len(connection.VerifiedChains[0]) == 0 {
		return Principal{}, Refusal{Reason: Unverified, Credential: "certificate"}
	}
	leaf := connection.VerifiedChains[0][0]
	refusal := Refusal{Credential: fmt.Sprintf("certificate of %.64q", leaf.Subject.CommonName)}
	principal, listed := c.principals[leaf.Subject.CommonName]
	switch {
	case now.After(leaf.NotAfter):
		refusal.Reason = Expired
	case !listed, commonNames(leaf) != 1:
		refusal.Reason = Unlisted
	default:
		return principal, nil
	}
	return Principal{}, refusal
}

// commonNames returns the number of common names of a subject. Of several, different
// programs may use different ones.
func commonNames(certificate *x509.Certificate) int {
	n := 0
	for _, attribute := range certificate.Subject.Names {
		if attribute.Type.String() == "2.5.4.3" {
			n++
		}
	}
	return n
}
