package files

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// system is the operating system whose path rules apply.
type system int

const (
	posix system = iota
	windows
)

// Maximum lengths of a path, in bytes, and of a name in it: see nameLength.
const (
	maxPath = 4096
	maxName = 255
)

// location is an absolute path in canonical form: separated by slashes, none of them
// doubled, and without "." and "..".
type location struct {
	system system
	// volume is "", "C:" or "//server/share".
	volume string
	names  []string
}

func (l location) String() string { return l.volume + "/" + strings.Join(l.names, "/") }

// native returns the path with the separators of the operating system.
func (l location) native() string { return filepath.FromSlash(l.String()) }

// under returns the path of l relative to directory, "." for directory itself; ok is
// false if l is elsewhere.
func (l location) under(directory location) (rel string, ok bool) {
	count := len(directory.names)
	if len(l.names) < count || !l.same(l.volume, directory.volume) || !slices.EqualFunc(l.names[:count], directory.names, l.same) {
		return "", false
	}
	return path.Join(append([]string{"."}, l.names[count:]...)...), true
}

func (l location) same(a, b string) bool {
	if l.system == windows {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// parse converts an absolute path from a caller or the configuration. It resolves "."
// and ".." textually, because the disk must not be accessed before the path is approved,
// and takes everything else literally: "%2e%2e" is a name.
func parse(raw string, on system) (location, *Error) {
	if err := checkText(raw); err != nil {
		return location{}, err
	}
	text := strings.ReplaceAll(raw, `\`, "/")
	volume, rest, err := splitVolume(raw, text, on)
	if err != nil {
		return location{}, err
	}
	names, _ := clean(rest)
	if err := checkNames(raw, names, on); err != nil {
		return location{}, err
	}
	return bounded(raw, location{system: on, volume: volume, names: names})
}

// bounded refuses a location whose canonical form is too long although raw is not: a
// slash is added to a share without a path.
func bounded(raw string, l location) (location, *Error) {
	if len(l.String()) > maxPath {
		return location{}, tooLong(raw)
	}
	return l, nil
}

func tooLong(raw string) *Error {
	return invalid(raw, "is longer than 4096 bytes", "shorten it")
}

// below converts a path from a caller relative to directory; "" is directory itself.
func below(directory location, raw string) (location, *Error) {
	if raw == "" {
		return directory, nil
	}
	if err := checkText(raw); err != nil {
		return location{}, err
	}
	text := strings.ReplaceAll(raw, `\`, "/")
	if isUNC(text) {
		return location{}, invalid(raw, "names a network share", "send a path below the directory")
	}
	names, escaped := clean(text)
	if escaped {
		return location{}, refuse(NotApproved, raw, "leads out of the directory that it starts at", "leave out the .. in it")
	}
	if err := checkNames(raw, names, directory.system); err != nil {
		return location{}, err
	}
	directory.names = slices.Concat(directory.names, names)
	return bounded(raw, directory)
}

func checkText(raw string) *Error {
	switch {
	case raw == "":
		return invalid(raw, "is empty", "send a path")
	case len(raw) > maxPath:
		return tooLong(raw)
	case strings.ContainsRune(raw, 0):
		return invalid(raw, "has a NUL character in it", "take it out")
	}
	return nil
}

// splitVolume splits an absolute path into its volume and the rest.
func splitVolume(raw, text string, on system) (volume, rest string, err *Error) {
	switch {
	case isUNC(text) && on != windows:
		return "", "", invalid(raw, "is a UNC path, which only Windows knows", "send the path where the share is mounted")
	case isUNC(text):
		parts := strings.FieldsFunc(text, func(r rune) bool { return r == '/' })
		if slices.ContainsFunc(parts[:2], badOnWindows) {
			return "", "", invalid(raw, "names no server and share", `send \\server\share\... or a path with a drive`)
		}
		return "//" + parts[0] + "/" + parts[1], strings.Join(parts[2:], "/"), nil
	case on != windows && text[0] == '/':
		return "", text, nil
	case on == windows && len(text) > 2 && isLetter(text[0]) && text[1:3] == ":/":
		return text[:2], text[2:], nil
	}
	return "", "", invalid(raw, "is not an absolute path", "send the whole path, from the root or drive on")
}

// isUNC reports whether text has at least two slashes at its start, and two names.
func isUNC(text string) bool {
	if !strings.HasPrefix(text, "//") {
		return false
	}
	server, share, _ := strings.Cut(strings.TrimLeft(text, "/"), "/")
	return server != "" && strings.TrimLeft(share, "/") != ""
}

// clean splits text into names and resolves "." and "..". At the start, ".." has no
// effect; escaped reports whether there was one.
func clean(text string) (names []string, escaped bool) {
	for name := range strings.SplitSeq(text, "/") {
		switch {
		case name == "" || name == ".":
		case name != "..":
			names = append(names, name)
		case len(names) > 0:
			names = names[:len(names)-1]
		default:
			escaped = true
		}
	}
	return names, escaped
}

func checkNames(raw string, names []string, on system) *Error {
	for _, name := range names {
		if nameLength(name, on) > maxName {
			return invalid(raw, "has a name in it that is longer than 255 characters", "shorten it")
		}
		if on == windows && badOnWindows(name) {
			return invalid(raw, "has the name "+quoted(name)+" in it, which Windows keeps for itself", "use another name")
		}
	}
	return nil
}

// nameLength returns the length as file systems count it: UTF-16 units on Windows, bytes
// elsewhere.
func nameLength(name string, on system) int {
	if on == windows {
		return len(utf16.Encode([]rune(name)))
	}
	return len(name)
}

// badOnWindows reports whether a name is not that of a file on Windows: a device, an
// alternate data stream, a pattern, or a name that Windows changes.
func badOnWindows(name string) bool {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`<>:"|?*`, r) }) {
		return true
	}
	if strings.TrimRight(name, ". ") != name {
		return true
	}
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, serial := strings.CutPrefix(stem, "COM")
	port, parallel := strings.CutPrefix(port, "LPT")
	return serial != parallel && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
