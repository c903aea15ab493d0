package apikey

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// certificate returns a certificate with the common names, which expires an hour after noon.
func certificate(names ...string) *x509.Certificate {
	c := &x509.Certificate{NotAfter: noon.Add(time.Hour)}
	for _, name := range names {
		c.Subject.CommonName = name
		c.Subject.Names = append(c.Subject.Names, pkix.AttributeTypeAndValue{Type: commonName, Value: name})
	}
	return c
}

func verified(c *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
}

func TestCertificates_knowWhoIsListed(t *testing.T) {
	known, problems := NewCertificates([]CertificateGrant{
		{CommonName: "scheduler", Scopes: []string{"start"}, Tags: []string{"finance"}},
		{CommonName: "backup", Scopes: []string{"read", "files"}},
	})
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	got, err := known.Verify(verified(certificate("scheduler")), noon)
	want := Principal{Name: "scheduler", Credential: "certificate", Scopes: []Scope{Start}, Tags: []string{"finance"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, row := range map[string]struct {
		connection *tls.ConnectionState
		at         time.Time
		want       Refusal
	}{
		"no TLS":              {nil, noon, Refusal{Missing, ""}},
		"no certificate":      {&tls.ConnectionState{}, noon, Refusal{Missing, ""}},
		"not verified":        {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate("backup")}}, noon, Refusal{Unverified, "certificate"}},
		"not listed":          {verified(certificate("intern")), noon, Refusal{Unlisted, `certificate of "intern"`}},
		"another letter case": {verified(certificate("Backup")), noon, Refusal{Unlisted, `certificate of "Backup"`}},
		"a look-alike":        {verified(certificate("b\u0430ckup")), noon, Refusal{Unlisted, "certificate of \"b\u0430ckup\""}},
		"a zero byte":         {verified(certificate("backup\x00")), noon, Refusal{Unlisted, `certificate of "backup\x00"`}},
		"no name":             {verified(certificate()), noon, Refusal{Unlisted, `certificate of ""`}},
		"two names":           {verified(certificate("intern", "backup")), noon, Refusal{Unlisted, `certificate of "backup"`}},
		"a connection that outlived its certificate": {verified(certificate("backup")), noon.Add(2 * time.Hour), Refusal{Expired, `certificate of "backup"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := known.Verify(row.connection, row.at)
			wantRefusal(t, err, row.want)
		})
	}
}

func TestCertificates_sayWhatIsWrongWithAGrant(t *testing.T) {
	known, got := NewCertificates([]CertificateGrant{
		{CommonName: "backup", Scopes: []string{"read"}},
		{Scopes: []string{"read"}},
		{CommonName: "b", Scopes: []string{"root"}},
		{CommonName: "c"},
		{CommonName: "backup", Scopes: []string{"admin"}},
		{CommonName: "d", Scopes: []string{"kv"}, Tags: []string{"x"}},
	})
	want := []Problem{
		{"[1].commonName", "the common name of the certificate is needed"},
		{"[2].scopes", `the scope "root" is none of read, start, kv, files, events, admin`},
		{"[3].scopes", "a scope is needed: read, start, kv, files, events, admin"},
		{"[4].commonName", "the same common name is there twice"},
		{"[5].scopes", "tags are for the scope start, which is not there"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if p, err := known.Verify(verified(certificate("backup")), noon); err != nil || p.Has(Admin) {
		t.Errorf("want the first grant to count, got %v, %v", p, err)
	}
}
