package config

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"butler/internal/fspath"
)

// reference matches "${env:NAME}" and "${file:PATH}", and both with a second dollar,
// which escapes them.
var reference = regexp.MustCompile(`\$?\$\{(env|file):([^}]*)\}`)

// maxReferencedBytes bounds a file that holds one value.
const maxReferencedBytes = 64 << 10

// references resolves what values refer to.
type references struct {
	environment map[string]string
	baseDir     string
	// files collects the files that are referred to; nil collects nothing.
	files *[]string
}

// expand replaces every reference in text. used reports that there was one: the result
// is a secret then. A fault names the reference, never its value.
func (r references) expand(text string) (result string, used bool, bad *fault) {
	if !strings.Contains(text, "${") {
		return text, false, nil
	}
	result = reference.ReplaceAllStringFunc(text, func(match string) string {
		if literal, escaped := strings.CutPrefix(match, "$$"); escaped {
			return "$" + literal
		}
		used = true
		parts := reference.FindStringSubmatch(match)
		value, f := r.look(parts[1], parts[2])
		if f != nil && bad == nil {
			bad = f
		}
		return value
	})
	return result, used, bad
}

// look returns the text behind one reference.
func (r references) look(scheme, name string) (string, *fault) {
	if scheme == "file" {
		return r.file(name)
	}
	value, ok := r.environment[name]
	if !ok {
		return "", faultf("set it before the start", "refers to the environment variable %s, which is not set", printable(name))
	}
	return value, nil
}

// file returns the content of a small file without the line end.
func (r references) file(name string) (string, *fault) {
	path := fspath.Absolute(r.baseDir, name)
	if r.files != nil {
		*r.files = append(*r.files, path)
	}
	refuse := func(why string) (string, *fault) {
		return "", faultf("check the path and the permissions", "refers to the file %s: %s", printable(name), why)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return refuse(reasonOf(err))
	case !info.Mode().IsRegular():
		return refuse("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return refuse(reasonOf(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReferencedBytes+1))
	switch {
	case err != nil:
		return refuse(reasonOf(err))
	case len(data) > maxReferencedBytes:
		return refuse(fmt.Sprintf("larger than %d KiB", maxReferencedBytes>>10))
	}
	text, ok := textOf(data)
	if !ok {
		return "", faultf("save the file as UTF-8", "refers to the file %s: its text is not UTF-8", printable(name))
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// textOf returns the text of a file, which is UTF-8, or UTF-16 with a byte order mark
// as Windows tools write it. It returns false for anything else.
func textOf(data []byte) (string, bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		return string(data), utf8.Valid(data)
	}
	units := make([]uint16, len(data)/2-1)
	for i := range units {
		units[i] = order.Uint16(data[2*i+2:])
	}
	return string(utf16.Decode(units)), len(data)%2 == 0
}
