package email

import (
	"errors"
	"net"
)

// maxAnswer bounds what a server may send in response to one write, in bytes: a multi-line
// answer, or its certificates. The library does not limit the length of a line.
const maxAnswer = 256 << 10

// errEndless is the error for an answer longer than maxAnswer.
var errEndless = errors.New("the answer of the server does not end")

// boundedConn is a connection that fails when the server sends more than maxAnswer bytes
// between two writes. It is for protocols in which every request waits for its answer.
type boundedConn struct {
	net.Conn
	said int
}

// Read fails with errEndless at the limit.
func (b *boundedConn) Read(p []byte) (int, error) {
	if b.said >= maxAnswer {
		return 0, errEndless
	}
	n, err := b.Conn.Read(p[:min(len(p), maxAnswer-b.said)])
	b.said += n
	return n, err
}

// Write resets the limit.
func (b *boundedConn) Write(p []byte) (int, error) {
	b.said = 0
	return b.Conn.Write(p)
}
