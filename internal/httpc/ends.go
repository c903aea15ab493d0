package httpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ReadEnds reads a text. Of a text longer than limit bytes it returns the beginning and
// the end, in whole lines where possible, with a line between them that says how many
// bytes are left out.
func ReadEnds(body io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil || int64(len(text)) <= limit {
		return text, err
	}
	half := int(limit / 2)
	head, tail := text[:half], bytes.Clone(text[half:])
	total := int64(len(text))
	chunk := make([]byte, 64<<10)
	for {
		n, err := body.Read(chunk)
		total += int64(n)
		if tail = append(tail, chunk[:n]...); len(tail) > 2*half+len(chunk) {
			tail = append(tail[:0], tail[len(tail)-half:]...)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	tail = tail[len(tail)-half:]
	if at := bytes.LastIndexByte(head, '\n'); at >= 0 {
		head = head[:at+1]
	}
	if at := bytes.IndexByte(tail, '\n'); at >= 0 {
		tail = tail[at+1:]
	}
	end := "\n"
	if bytes.Contains(head, []byte("\r\n")) {
		end = "\r\n"
	}
	gap := fmt.Sprintf("[%d bytes of this log are left out]%s", total-int64(len(head)+len(tail)), end)
	return append(append(bytes.Clone(head), gap...), tail...), nil
}
