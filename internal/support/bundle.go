// Package support owns the support bundle: a zip file that describes an installation
// to others.
//
// It guarantees that everything in a bundle has passed its Scrubber, that a bundle and
// each of its files are bounded in size, and that a part that could not be gathered is
// noted in the bundle and does not end it. It must never write any file except the bundle,
// parse private keys, or depend on the rest of the service.
package support

import (
	"archive/zip"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bounds on the content of a bundle, in bytes before compression.
const (
	maxFile   = 8 << 20
	maxBundle = 32 << 20
)

// Bundle is a bundle in the making, with a single writer.
type Bundle struct {
	zip   *zip.Writer
	scrub Scrubber
	at    time.Time
	left  int
	// files lists the content, for the README.
	files []entry
	err   error
}

type entry struct{ name, about string }

// New begins a bundle.
func New(out io.Writer, scrub Scrubber, at time.Time) *Bundle {
	return &Bundle{zip: zip.NewWriter(out), scrub: scrub, at: at, left: maxBundle}
}

// Add adds a text to the bundle; about describes it.
func (b *Bundle) Add(name, about, text string) {
	most := min(maxFile, b.left)
	if len(text) > most {
		// Cut at the end of a line: half a secret would not be recognised.
		text = text[:strings.LastIndexByte(text[:most], '\n')+1]
		about += " (cut)"
	}
	text = b.scrub.Scrub(text)
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	b.left -= len(text)
	b.write(name, text)
	b.files = append(b.files, entry{name, about})
}

// Try adds the result of gather to the bundle, with its error if there is one.
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

// Close adds a README.txt with preface and the list of files, and ends the bundle.
func (b *Bundle) Close(preface string) error {
	var readme strings.Builder
	readme.WriteString(b.scrub.Scrub(preface + "\nFiles\n\n"))
	for _, e := range b.files {
		// As in the archive: a name in which a short secret is masked finds no file.
		fmt.Fprintf(&readme, "  %-28s %s\n", e.name, b.scrub.Scrub(e.about))
	}
	b.write("README.txt", readme.String())
	if b.err != nil {
		return fmt.Errorf("write the bundle: %w", b.err)
	}
	if err := b.zip.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}
