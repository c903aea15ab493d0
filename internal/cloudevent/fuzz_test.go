package cloudevent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// FuzzSigned checks that only the signature made from secret and body is accepted, and
// none if the secret is empty.
func FuzzSigned(f *testing.F) {
	f.Add("key", []byte("body"), "sha256=")
	f.Add("", []byte(nil), "")
	f.Add("k", []byte{0}, strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, secret string, body []byte, signature string) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		right := hex.EncodeToString(mac.Sum(nil))
		if got := Signed(secret, body, right); got != (secret != "") {
			t.Errorf("the right signature counts: %v", got)
		}
		same := strings.EqualFold(signature, right) || strings.EqualFold(signature, "sha256="+right)
		if Signed(secret, body, signature) && (secret == "" || !same) {
			t.Errorf("%q counts as a signature", signature)
		}
		if secret != "" && Signed(secret, append([]byte{1}, body...), right) {
			t.Error("the signature of another body counts")
		}
	})
}
