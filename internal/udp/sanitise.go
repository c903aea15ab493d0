package udp

import "unicode/utf8"

const (
	// maxCharacters is how many characters of a field are kept.
	maxCharacters = 500
	// detailCharacters is how many characters of an offending text are told.
	detailCharacters = 200
)

// Sanitise applies the rules for text from the network: U+0000 to U+001F and
// U+007F are deleted, invalid UTF-8 becomes U+FFFD, and the first 500 characters
// are kept. It reports whether that changed anything.
func Sanitise(text []byte) (string, bool) {
	out, changed := appendSanitised(nil, text, maxCharacters)
	return string(out), changed
}

// Excerpt returns at most n characters of text, sanitised, for a log line.
func Excerpt(text []byte, n int) string {
	out, _ := appendSanitised(nil, text, n)
	return string(out)
}

// appendSanitised appends at most limit sanitised characters of text to dst and
// reports whether they differ from text.
func appendSanitised(dst, text []byte, limit int) ([]byte, bool) {
	if len(text) <= limit && isPlain(text) {
		return append(dst, text...), false
	}
	changed := false
	for kept := 0; len(text) > 0; {
		r, size := utf8.DecodeRune(text)
		switch {
		case isControl(r):
			changed = true
		case kept == limit:
			return dst, true
		default:
			changed = changed || r == utf8.RuneError && size == 1
			dst = utf8.AppendRune(dst, r)
			kept++
		}
		text = text[size:]
	}
	return dst, changed
}

// isPlain reports whether text is printable ASCII, the case that needs no decoding.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c-0x20 >= 0x7f-0x20 {
			return false
		}
	}
	return true
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
