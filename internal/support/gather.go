package support

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"butler/internal/wholefile"
)

// LogFile is the end of a log file.
type LogFile struct{ Name, Text string }

// Logs returns the ends of the newest files in a directory whose names match pattern,
// newest first, at most most bytes in total.
func Logs(dir, pattern string, most int) ([]LogFile, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	names, err := fs.Glob(root.FS(), pattern)
	if err != nil {
		return nil, err
	}
	slices.Sort(names) // the day is in the name
	slices.Reverse(names)
	var out []LogFile
	for _, name := range names {
		if most <= 0 {
			break
		}
		text, err := tail(root, name, most)
		if err != nil {
			return out, err
		}
		most -= len(text)
		out = append(out, LogFile{Name: name, Text: text})
	}
	return out, nil
}

// tail returns the last whole lines of a file.
func tail(root *os.Root, name string, most int) (string, error) {
	// Opening anything else with the name of a log file could block.
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%s is not a regular file", name))
	}
	file, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return Tail(file, most)
}

// Tail returns the last whole lines of from, at most most bytes. A line that is cut is
// left out, because it could hold the rest of a secret.
func Tail(from io.Reader, most int) (string, error) {
	if seeker, ok := from.(io.Seeker); ok {
		if size, err := seeker.Seek(0, io.SeekEnd); err == nil {
			if _, err := seeker.Seek(max(0, size-int64(most)-1), io.SeekStart); err != nil {
				return "", err
			}
		}
	}
	kept := make([]byte, 0, 64<<10)
	cut := false
	for chunk := make([]byte, 64<<10); ; {
		n, err := from.Read(chunk)
		kept = append(kept, chunk[:n]...)
		if len(kept) > 2*most+len(chunk) {
			kept = append(kept[:0], kept[len(kept)-most-1:]...)
			cut = true
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	if cut || len(kept) > most {
		kept = kept[max(0, len(kept)-most-1):]
		_, rest, _ := strings.Cut(string(kept), "\n")
		return rest, nil
	}
	return string(kept), nil
}

// maxListed bounds a list of files.
const maxListed = 2000

// List describes the files below a directory: mode, size, time and path.
func List(dir string) (string, error) {
	var out strings.Builder
	count, bytes := 0, int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintf(&out, "%s: %v\n", path, err)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // it was removed in the meantime
		}
		if count++; count > maxListed {
			return filepath.SkipAll
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		fmt.Fprintf(&out, "%s %12d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), filepath.ToSlash(name))
		return nil
	})
	if count > maxListed {
		fmt.Fprintf(&out, "... only the first %d are listed\n", maxListed)
	}
	fmt.Fprintf(&out, "%d bytes in the listed files\n", bytes)
	return out.String(), err
}

// NamedFile is a file and the key that names it.
type NamedFile struct{ Key, Path string }

// maxPEM bounds a file that may hold certificates.
const maxPEM = 1 << 20

// Certificates describes the certificates in the files that hold some. Private keys are
// listed without their content.
func Certificates(files []NamedFile, now time.Time) string {
	var out strings.Builder
	for _, file := range files {
		info, err := os.Stat(file.Path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxPEM {
			continue // cannot hold certificates
		}
		body, _, err := wholefile.Read(file.Path, maxPEM)
		if err != nil {
			fmt.Fprintf(&out, "%s: %s cannot be read: %v\n", file.Key, filepath.Base(file.Path), err)
			continue
		}
		for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
			fmt.Fprintf(&out, "%s: %s, mode %s: %s\n", file.Key, filepath.Base(file.Path), info.Mode(), describe(block, now))
		}
	}
	return cmp.Or(out.String(), "no file in the configuration contains certificates\n")
}

func describe(block *pem.Block, now time.Time) string {
	if block.Type != "CERTIFICATE" {
		return strings.ToLower(block.Type) + ", not checked"
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Sprintf("a certificate that cannot be read: %v", err)
	}
	state := "valid"
	switch {
	case now.After(certificate.NotAfter):
		state = "EXPIRED"
	case now.Before(certificate.NotBefore):
		state = "NOT VALID YET"
	}
	return fmt.Sprintf("certificate of %q, issued by %q, from %s to %s, %s", certificate.Subject, certificate.Issuer,
		certificate.NotBefore.UTC().Format(time.DateOnly), certificate.NotAfter.UTC().Format(time.DateOnly), state)
}
