package email

import (
	"errors"
	"net"
)

// maxAnswer is how much a server may say, in bytes, before it is spoken to again:
// an answer of many lines, or its certificates. The library reads a line whole,
// however long it is.
const maxAnswer = 256 << 10

// errEndless is an answer that goes on and on.
var errEndless = errors.New("the answer of the server does not end")

// bounded is a connection on which the other side may say maxAnswer bytes in one
// go, and no more. It serves one conversation: whoever speaks waits for the answer.
type bounded struct {
	net.Conn
	said int
}

// Read fails with errEndless once too much has been said.
func (b *bounded) Read(p []byte) (int, error) {
	if b.said >= maxAnswer {
		return 0, errEndless
	}
	n, err := b.Conn.Read(p[:min(len(p), maxAnswer-b.said)])
	b.said += n
	return n, err
}

// Write lets the other side answer.
func (b *bounded) Write(p []byte) (int, error) {
	b.said = 0
	return b.Conn.Write(p)
}
