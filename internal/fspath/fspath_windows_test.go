package fspath_test

import (
	"testing"

	"butler/internal/fspath"
)

func TestAbsolute_aPathWithoutADriveIsOnThatOfTheDirectory(t *testing.T) {
	for path, want := range map[string]string{
		`\certs\client.pem`:       `D:\certs\client.pem`,
		"/certs/client.pem":       `D:\certs\client.pem`,
		"certs/client.pem":        `D:\butler\certs\client.pem`,
		`E:\certs\client.pem`:     `E:\certs\client.pem`,
		`\\server\share\a.pem`:    `\\server\share\a.pem`,
		`C:/ProgramData/Qlik/pem`: `C:/ProgramData/Qlik/pem`,
	} {
		if got := fspath.Absolute(`D:\butler`, path); got != want {
			t.Errorf("%q: want %q, got %q", path, want, got)
		}
	}
}
