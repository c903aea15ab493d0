// Package support owns the support bundle: a zip file that shows somebody else
// how an installation is.
//
// It guarantees that everything in a bundle has gone through its Scrubber, that a
// bundle and each of its files is bounded in size, and that what could not be
// gathered is told in it instead of ending it. It reads files and changes none
// but the bundle. It must never look into private keys, nor know what the service does.
package support

import (
	"archive/zip"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bounds on what is in a bundle, in bytes before it is compressed.
const (
	maxFile   = 8 << 20
	maxBundle = 32 << 20
)

// Bundle is a bundle that is being made. Nobody else writes to it.
type Bundle struct {
	zip   *zip.Writer
	scrub Scrubber
	at    time.Time
	left  int
	// files are what is in it, for the README.
	files []entry
	err   error
}

type entry struct{ name, about string }

// New begins a bundle.
func New(out io.Writer, scrub Scrubber, at time.Time) *Bundle {
	return &Bundle{zip: zip.NewWriter(out), scrub: scrub, at: at, left: maxBundle}
}

// Add puts a text into the bundle; about says what it is.
func (b *Bundle) Add(name, about, text string) {
	most := min(maxFile, b.left)
	if len(text) > most {
		// At the end of a line: half of a secret would not be known any more.
		text = text[:strings.LastIndexByte(text[:most], '\n')+1]
		about += " (cut)"
	}
	text = b.scrub.Scrub(text)
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	b.left -= len(text)
	b.write(name, text)
	b.files = append(b.files, entry{name, about})
}

// Try puts into the bundle what gather returns. Where it returns an error, that is
// what the bundle tells.
func (b *Bundle) Try(name, about string, gather func() (string, error)) {
	text, err := gather()
	if err != nil {
		text += fmt.Sprintf("not complete: %v\n", err)
		about += " - not complete"
	}
	b.Add(name, about, text)
}

func (b *Bundle) write(name, text string) {
	if b.err != nil {
		return
	}
	file, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.at})
	if err == nil {
		_, err = io.WriteString(file, text)
	}
	b.err = err
}

// Close puts a README.txt with preface and the list of files into the bundle, and ends it.
func (b *Bundle) Close(preface string) error {
	var readme strings.Builder
	readme.WriteString(preface)
	readme.WriteString("\nFiles\n\n")
	for _, e := range b.files {
		fmt.Fprintf(&readme, "  %-28s %s\n", e.name, e.about)
	}
	b.write("README.txt", b.scrub.Scrub(readme.String()))
	if b.err != nil {
		return fmt.Errorf("write the bundle: %w", b.err)
	}
	if err := b.zip.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}
