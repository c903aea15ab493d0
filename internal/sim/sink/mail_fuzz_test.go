package sink

import "testing"

func FuzzParseMail(f *testing.F) {
	for _, raw := range []string{
		"From: a@b.c\r\n\r\nx",
		"From: a@b.c\r\nSubject: =?UTF-8?Q?=F0=9F=8C=99?=\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--",
		"From: a@b.c\r\nContent-Transfer-Encoding: base64\r\n\r\neA==",
		"From: a@b.c\r\nContent-Type: multipart/mixed; boundary=\"\"\r\n\r\n----\r\n\r\n",
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		mail, err := parseMail(raw)
		if err == nil && mail.Sender == nil {
			t.Errorf("a mail without a sender is accepted: %q", raw)
		}
	})
}
