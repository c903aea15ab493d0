package mqttconn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
)

// sieve is a connection that protects the library from what a broker should not send:
// messages that are too large are skipped, and other packets that are too large or
// invalid, on which the library would allocate too much or panic, end the connection.
type sieve struct {
	net.Conn
	in      *bufio.Reader
	max     int
	skipped func(size int)
	header  []byte // of the packet that is being read
	left    int    // of its body
}

func newSieve(conn net.Conn, limit int, skipped func(size int)) *sieve {
	return &sieve{Conn: conn, in: bufio.NewReader(conn), max: limit, skipped: skipped}
}

// Types of packets, in the upper half of their first byte.
const (
	packetPublish = 3
	packetPuback  = 4
	packetSuback  = 9
)

// subackLength is the length of a SUBACK for one filter. The library does not check it.
const subackLength = 3

// Read implements net.Conn.
func (s *sieve) Read(p []byte) (int, error) {
	if len(s.header) == 0 && s.left == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	if len(s.header) > 0 {
		n := copy(p, s.header)
		s.header = s.header[n:]
		return n, nil
	}
	n, err := s.in.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// next reads the header of the next packet that is not skipped.
func (s *sieve) next() error {
	for {
		header, length, err := s.readHeader()
		if err != nil {
			return err
		}
		packet := header[0] >> 4
		switch {
		case packet == packetPublish && length > s.max:
			s.skipped(length)
			if err := s.skip(header[0], length); err != nil {
				return err
			}
			continue
		case length > s.max:
			return fmt.Errorf("the broker sends a packet of %d bytes", length)
		case packet == packetSuback && length != subackLength:
			return errors.New("the broker answers a subscription that nobody asked for")
		}
		s.header, s.left = header, length
		return nil
	}
}

// skip discards the body of a message, and acknowledges it if the broker expects that;
// otherwise the broker would send it again and again.
func (s *sieve) skip(first byte, length int) error {
	if qos := first >> 1 & 3; qos != 1 {
		return s.discard(length)
	}
	var number [2]byte
	if _, err := io.ReadFull(s.in, number[:]); err != nil {
		return err
	}
	name := int(binary.BigEndian.Uint16(number[:]))
	rest := length - len(number) - name - len(number)
	if rest < 0 {
		return errors.New("the broker sends a message that is shorter than its topic")
	}
	if err := s.discard(name); err != nil {
		return err
	}
	if _, err := io.ReadFull(s.in, number[:]); err != nil {
		return err
	}
	if err := s.discard(rest); err != nil {
		return err
	}
	_, err := s.Write([]byte{packetPuback << 4, byte(len(number)), number[0], number[1]})
	return err
}

func (s *sieve) discard(n int) error {
	_, err := io.CopyN(io.Discard, s.in, int64(n))
	return err
}

// maxLengthBytes is the largest number of bytes in the length of a packet.
const maxLengthBytes = 4

// readHeader reads the type of a packet and the length of its body in bytes.
func (s *sieve) readHeader() (header []byte, length int, err error) {
	first, err := s.in.ReadByte()
	if err != nil {
		return nil, 0, err
	}
	header = append(header, first)
	for shift := 0; shift < 7*maxLengthBytes; shift += 7 {
		b, err := s.in.ReadByte()
		if err != nil {
			return nil, 0, err
		}
		header = append(header, b)
		length |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			return header, length, nil
		}
	}
	return nil, 0, errors.New("the broker sends a packet without a length")
}

func (c *Conn) countSkipped(size int) {
	if c.inbox != nil {
		c.inbox.receiver.Metrics.drop(c.inbox.receiver.Name, tooLarge)
	}
	if n, due := c.skipped.add(time.Now()); due {
		c.log.Warn("incoming MQTT messages are skipped, because they are too large", zap.Int("bytes", size), logx.Count(n))
	}
}
