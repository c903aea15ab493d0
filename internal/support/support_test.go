package support_test

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/support"
)

func TestScrubber_masksKnownSecretsInEveryEscapedForm(t *testing.T) {
	s := support.NewScrubber([]string{`p&ss "w<rd"/é`, "tiny", "x", "first line\nsecond line"})
	for _, text := range []string{
		`p&ss "w<rd"/é`, `p&ss \"w<rd\"/é`, `p\u0026ss \"w\u003crd\"/é`, "p%26ss+%22w%3Crd%22%2F%C3%A9", "p&ss%20%22w%3Crd%22%2F%C3%A9",
		"p&amp;ss &#34;w&lt;rd&#34;/é", "cCZzcyAidzxyZCIvw6k=", "tiny", "second line",
	} {
		if got := s.Scrub("before " + text + " after"); got != "before *** after" {
			t.Errorf("%s: got %q", text, got)
		}
	}
	if got := s.Scrub("xylophone x"); got != "xylophone x" {
		t.Errorf("a secret of one letter must not take words apart, got %q", got)
	}
}

func TestScrubber_masksTextThatLooksLikeASecret(t *testing.T) {
	s := support.NewScrubber(nil)
	for text, want := range map[string]string{
		"Authorization: Bearer 0123456789abcdef.xyz":                           "Authorization: Bearer ***",
		"with Bearer 0123456789abcdef.xyz done":                                "with Bearer *** done",
		`{"password":"hunter2","user":"joe"}`:                                  `{"password":"***","user":"joe"}`,
		`{\"password\":\"hunter2\"}`:                                           `{\"password\":\"***\"}`,
		"GET https://joe:hunter2@example.com/a":                                "GET https://***@example.com/a",
		"https://x.example.com/a?sig=abc&b=1":                                  "https://x.example.com/a?sig=***&b=1",
		"POST https://hooks.slack.com/services/T0/B0/k3y: 404":                 "POST https://hooks.slack.com/*** 404",
		"eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl":                                     "***",
		"butler_a1_" + strings.Repeat("0f", 32):                                "***",
		"-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----": "***",
		"-----BEGIN PRIVATE KEY-----\nMHcCAQ":                                  "***",
		"butler_events_total{reason=\"bad_token\"} 3":                          "butler_events_total{reason=\"bad_token\"} 3",
		"a\x1b[31m\u202eb\n":                                                   "a?[31m?b\n",
	} {
		if got := s.Scrub(text); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
	if got := s.Scrub(strings.Repeat("é", 20_000) + "\nnext"); len(got) > 17<<10 || !strings.HasSuffix(got, " … cut\nnext") {
		t.Errorf("want a line cut, got %d bytes that end in %q", len(got), got[len(got)-20:])
	}
}

func unzipped(t *testing.T, body []byte) map[string]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range archive.File {
		file, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

func TestBundle_isBoundedAndListsItsContent(t *testing.T) {
	var body bytes.Buffer
	b := support.New(&body, support.NewScrubber([]string{"hunter2"}), time.Now())
	b.Try("a.txt", "something", func() (string, error) { return "half\n", errors.New("no hunter2 here") })
	long := strings.Repeat("0123456\n", 2<<20) // 16 MiB
	for i := range 5 {
		b.Add(fmt.Sprintf("long-%d.txt", i), "long", long)
	}
	if err := b.Close("Read me: hunter2\n"); err != nil {
		t.Fatal(err)
	}
	files := unzipped(t, body.Bytes())
	if want := "half\nnot complete: no *** here\n"; files["a.txt"] != want {
		t.Errorf("want %q, got %q", want, files["a.txt"])
	}
	size := 0
	for name, text := range files {
		size += len(text)
		if len(text) > 8<<20 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
	if size > 33<<20 {
		t.Errorf("the bundle holds %d bytes", size)
	}
	for _, part := range []string{"Read me: ***\n", "a.txt", "something - not complete", "long (cut)"} {
		if !strings.Contains(files["README.txt"], part) {
			t.Errorf("want %q in the README, got\n%s", part, files["README.txt"])
		}
	}
}

func TestBundle_namesItsFilesAsTheyAreWhateverIsSecret(t *testing.T) {
	var body bytes.Buffer
	b := support.New(&body, support.NewScrubber([]string{"json"}), time.Now())
	b.Add("service/health.json", "no json secret", "a json secret\n")
	if err := b.Close(""); err != nil {
		t.Fatal(err)
	}
	files := unzipped(t, body.Bytes())
	if readme := files["README.txt"]; !strings.Contains(readme, "service/health.json ") || !strings.Contains(readme, "no *** secret") {
		t.Errorf("want the name of the file, and the rest masked, got\n%s", readme)
	}
	if got := files["service/health.json"]; got != "a *** secret\n" {
		t.Errorf("want it masked, got %q", got)
	}
}

func TestLogs_areTheNewestWholeLines(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"butler.2026-05-01.log": "old\n", "butler.2026-05-02.log": "first secret-of-the-first-line\nsecond\nthird\n", "butler.2026-05-03.log": "new\n", "other.txt": "no",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := support.Logs(dir, "butler.*.log", 4+20)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 2 || got[0].Text != "new\n" || got[1].Name != "butler.2026-05-02.log" || got[1].Text != "second\nthird\n" {
		t.Errorf("want the newest file and the whole last lines of the one before, got %q", got)
	}
	// A reader that cannot seek is read completely.
	text, err := support.Tail(io.MultiReader(strings.NewReader(strings.Repeat("line\n", 100_000)), strings.NewReader("last\n")), 12)
	if err != nil || text != "line\nlast\n" {
		t.Errorf("want the last whole lines, got %q, %v", text, err)
	}
}

func TestCertificates_haveSubjectAndExpiryButNoKeys(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sense\nforged line"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, -1),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, SerialNumber: big.NewInt(2)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "client.pem")
	private := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), private...), 0o600); err != nil {
		t.Fatal(err)
	}
	got := support.Certificates([]support.NamedFile{{Key: "cert.clientCert", Path: path}, {Key: "gone", Path: path + ".gone"}}, now)
	for _, want := range []string{"cert.clientCert: client.pem, mode -rw-------: certificate of ", "2026-05-05, EXPIRED\n", "ec private key, not checked\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
	if strings.Count(got, "\n") != 2 || strings.Contains(got, strings.Split(string(private), "\n")[1]) {
		t.Errorf("want two lines and no key, got\n%s", got)
	}
}
