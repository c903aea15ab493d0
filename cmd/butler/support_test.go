package main

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// unpack unpacks name.zip into a directory name.
func unpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unpack name.zip")
	}
	archive, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer archive.Close()
	dir := strings.TrimSuffix(ts.MkAbs(args[0]), ".zip")
	for _, f := range archive.File {
		file, err := f.Open()
		ts.Check(err)
		text, err := io.ReadAll(file)
		ts.Check(err)
		if strings.Contains(string(text), ts.Getenv("SMTP_PASSWORD")) && ts.Getenv("SMTP_PASSWORD") != "" {
			ts.Fatalf("%s holds the password", f.Name)
		}
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		if strings.HasPrefix(f.Name, "logs/butler.") {
			path = filepath.Join(dir, "logs", "today.log")
		}
		ts.Check(os.WriteFile(path, text, 0o600))
	}
}
