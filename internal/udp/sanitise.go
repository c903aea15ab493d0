package udp

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const (
	// MaxCharacters is how many characters of a field are kept.
	MaxCharacters = 500
	// detailCharacters is how many characters of an offending text a Rejection has.
	detailCharacters = 200
)

// Sanitise applies the rules of the datagram format, which differ from those of package
// text: U+0000 to U+001F and U+007F are deleted, invalid UTF-8 becomes U+FFFD, and the
// first 500 characters are kept. It reports whether that changed anything.
func Sanitise(text []byte) (string, bool) {
	out, changed := appendSanitised(nil, text, MaxCharacters)
	return string(out), changed
}

// PossibleID reports whether id may be the ID of an execution: longer texts are cut when
// they are received.
func PossibleID(id string) bool { return id != "" && utf8.RuneCountInString(id) <= MaxCharacters }

// IsClean reports whether sanitising does not change the fields of a payload, except
// that it may cut them. Only then is every sanitised text a part of the payload.
func IsClean(payload []byte) bool {
	return isPlain(payload) || utf8.Valid(payload) && !bytes.ContainsFunc(payload, isControl)
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
	// Eight bytes at a time: the top bit of a byte is set where it is below 0x20 or
	// above 0x7e. What one byte carries into the next it only does when it is such a one.
	for ; len(text) >= 8; text = text[8:] {
		word := binary.LittleEndian.Uint64(text)
		if ((word-0x20*lowBits)|(word+lowBits)|word)&(0x80*lowBits) != 0 {
			return false
		}
	}
	for _, c := range text {
		if c-0x20 >= 0x7f-0x20 {
			return false
		}
	}
	return true
}

// lowBits has the lowest bit of every byte set.
const lowBits = 0x0101010101010101

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
