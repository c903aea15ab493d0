package email

import "testing"

// The ports that go with TLS from the first byte and those that do not are often mixed up.
func TestSMTP_warnsOfAPortThatSpeaksAnotherTLS(t *testing.T) {
	for _, tt := range []struct {
		port   int
		secure bool
		warns  bool
	}{
		{0, true, true},
		{25, true, true},
		{587, true, true},
		{465, true, false},
		{2525, true, false},
		{0, false, false},
		{25, false, false},
		{587, false, false},
		{465, false, true},
	} {
		found := SMTP{Port: tt.port, Secure: tt.secure}.check()
		if got := len(found) == 1 && found[0].Path == "secure" && found[0].Warning; got != tt.warns {
			t.Errorf("port %d, secure %t: want a warning %t, got %v", tt.port, tt.secure, tt.warns, found)
		}
	}
}
