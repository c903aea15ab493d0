package files

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("n", maxName)
	tests := []struct {
		name string
		on   system
		raw  string
		want string // "" for an error
	}{
		{"plain", posix, "/data/in/a.qvd", "/data/in/a.qvd"},
		{"root", posix, "/", "/"},
		{"backslashes are slashes", posix, `/data\in\a.qvd`, "/data/in/a.qvd"},
		{"doubled slashes", posix, "/data//in///a.qvd", "/data/in/a.qvd"},
		{"slash at the end", posix, "/data/in/", "/data/in"},
		{"dots", posix, "/data/./in/../out/a.qvd", "/data/out/a.qvd"},
		{"dots above the root", posix, "/../../etc/passwd", "/etc/passwd"},
		{"dots with backslashes", posix, `/data/in\..\..\etc`, "/etc"},
		{"encoded dots are a name", posix, "/data/%2e%2e/x", "/data/%2e%2e/x"},
		{"encoded slashes are a name", posix, "/data/..%2f..%2fetc", "/data/..%2f..%2fetc"},
		{"three dots are a name", posix, "/data/.../x", "/data/.../x"},
		{"a tilde is a name", posix, "/data/~root", "/data/~root"},
		{"device names of others are names", posix, "/data/NUL", "/data/NUL"},
		{"two slashes and one name", posix, "//data", "/data"},
		{"UNC", posix, "//srv/share/a", ""},
		{"UNC with backslashes", posix, `\\srv\share`, ""},
		{"UNC with more slashes", posix, "////srv//share", ""},
		{"relative", posix, "data/a", ""},
		{"relative with a dot", posix, "./data/a", ""},
		{"drive", posix, "C:/data", ""},
		{"empty", posix, "", ""},
		{"NUL", posix, "/data/a\x00.qvd", ""},
		{"longest name", posix, "/data/" + long, "/data/" + long},
		{"name too long", posix, "/data/" + long + "n", ""},
		{"path too long", posix, strings.Repeat("/n", maxPath/2) + "/", ""},

		{"drive", windows, `C:\data\a.qvd`, "C:/data/a.qvd"},
		{"drive alone", windows, `C:\`, "C:/"},
		{"dots above the drive", windows, `C:\data\..\..\x`, "C:/x"},
		{"drive without root", windows, `C:data`, ""},
		{"root without drive", windows, `\data`, ""},
		{"UNC", windows, `\\srv\share\in\a.qvd`, "//srv/share/in/a.qvd"},
		{"UNC in slashes", windows, "//srv/share", "//srv/share/"},
		{"dots above the share", windows, `\\srv\share\..\..\elsewhere\x`, "//srv/share/elsewhere/x"},
		{"dots for a share", windows, `\\srv\..\x`, ""},
		{"device path", windows, `\\?\C:\data`, ""},
		{"device name space", windows, `\\.\PhysicalDrive0`, ""},
		{"device", windows, `C:\data\NUL`, ""},
		{"device with extension", windows, `C:\data\con.txt`, ""},
		{"device with blanks", windows, `C:\data\aux .txt`, ""},
		{"port", windows, `C:\data\COM1`, ""},
		{"port in superscript", windows, `C:\data\lpt².log`, ""},
		{"device as directory", windows, `C:\prn\a`, ""},
		{"no device", windows, `C:\data\console.COM11.nul1`, "C:/data/console.COM11.nul1"},
		{"no port", windows, `C:\data\COMLPT1`, "C:/data/COMLPT1"},
		{"stream", windows, `C:\data\a.qvd:hidden`, ""},
		{"pattern", windows, `C:\data\*.qvd`, ""},
		{"blank at the end", windows, `C:\data\.. \x`, ""},
		{"dot at the end", windows, `C:\data\a.qvd.`, ""},
		{"longest name in letters of more bytes", windows, `C:\` + strings.Repeat("ж", maxName), "C:/" + strings.Repeat("ж", maxName)},
	}
	for _, tt := range tests {
		got, err := parse(tt.raw, tt.on)
		switch {
		case tt.want == "" && (err == nil || err.Kind != Invalid):
			t.Errorf("%s: want %q invalid, got %q, %v", tt.name, tt.raw, got, err)
		case tt.want != "" && (err != nil || got.String() != tt.want):
			t.Errorf("%s: want %q, got %q, %v", tt.name, tt.want, got, err)
		}
	}
}

func TestUnder(t *testing.T) {
	tests := []struct {
		name            string
		on              system
		path, directory string
		want            string // "" if it is not under the directory
	}{
		{"file in it", posix, "/data/in/a", "/data/in", "a"},
		{"deep below", posix, "/data/in/a/b", "/data", "in/a/b"},
		{"itself", posix, "/data/in", "/data/in/", "."},
		{"name that goes on", posix, "/data/input/a", "/data/in", ""},
		{"above", posix, "/data", "/data/in", ""},
		{"left by dots", posix, "/data/in/../a", "/data/in", ""},
		{"everything", posix, "/etc/passwd", "/", "etc/passwd"},
		{"upper case", posix, "/DATA/in/a", "/data", ""},
		{"upper case", windows, `c:\DATA\in\a`, `C:\data`, "in/a"},
		{"other drive", windows, `D:\data\a`, `C:\data`, ""},
		{"share", windows, `\\SRV\share\in\a`, `//srv/Share/in`, "a"},
		{"other share", windows, `\\srv\pool\in\a`, `\\srv\share\in`, ""},
		{"share for a drive", windows, `\\srv\c\a`, `C:\`, ""},
	}
	for _, tt := range tests {
		path, err := parse(tt.path, tt.on)
		directory, err2 := parse(tt.directory, tt.on)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got, _ := path.under(directory); got != tt.want {
			t.Errorf("%s: want %q of %q below %q, got %q", tt.name, tt.want, tt.path, tt.directory, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"/data/in/a.qvd", `C:\data\..\a`, `\\srv\share\x`, "//?/C:/x", "/a/%2e%2e/./..//b", "a\x00", "\\/\\/..", "NUL."} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, raw string, onWindows bool) {
		on := posix
		if onWindows {
			on = windows
		}
		at, err := parse(raw, on)
		if err != nil {
			if err.Kind != Invalid || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Fatalf("want one line that says what is invalid, got %v", err)
			}
			return
		}
		wantOneSpelling(t, at)
		again, err := parse(at.String(), on)
		if err != nil || again.String() != at.String() {
			t.Fatalf("want %q to mean itself, got %q, %v", at, again, err)
		}
		if lower, err := below(at, raw); err == nil {
			if again, err := parse(lower.String(), on); err != nil || again.String() != lower.String() {
				t.Fatalf("want %q to mean itself, got %q, %v", lower, again, err)
			}
			wantOneSpelling(t, lower)
			if _, ok := lower.under(at); !ok {
				t.Fatalf("want %q below %q", lower, at)
			}
		}
	})
}

func wantOneSpelling(t *testing.T, at location) {
	t.Helper()
	for _, name := range at.names {
		if slices.Contains([]string{"", ".", ".."}, name) || strings.ContainsAny(name, "/\\\x00") {
			t.Fatalf("want names only in %q, got %q", at, name)
		}
	}
}
