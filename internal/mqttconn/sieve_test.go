package mqttconn

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// stream is a connection that reads from a text and keeps what is written.
type stream struct {
	net.Conn
	io.Reader
	written *bytes.Buffer
}

func (s stream) Write(p []byte) (int, error) { return s.written.Write(p) }

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// sift returns what passes, byte by byte, and the sizes that were skipped.
func sift(in []byte, limit int) (out []byte, skipped []int, err error) {
	s := newSieve(stream{Reader: bytes.NewReader(in), written: new(bytes.Buffer)}, limit, func(size int) { skipped = append(skipped, size) })
	out, err = io.ReadAll(iotest.OneByteReader(s))
	return out, skipped, err
}

func TestSieve_letsThroughWhatABrokerMaySend(t *testing.T) {
	const limit = 200
	packet := func(first byte, length ...byte) []byte { return append([]byte{first}, length...) }
	body := func(n int) []byte { return bytes.Repeat([]byte{0xff}, n) }
	pong, small := []byte{0xd0, 0}, append(packet(0x30, 5), body(5)...)
	large := append(packet(0x30, 0xc9, 0x01), body(201)...)
	full := append(packet(0x30, 0xc8, 0x01), body(200)...)
	for _, row := range []struct {
		name    string
		in      [][]byte
		out     [][]byte
		skipped int
		broken  bool
	}{
		{name: "small packets", in: [][]byte{pong, small, pong}, out: [][]byte{pong, small, pong}},
		{name: "the largest message", in: [][]byte{full, pong}, out: [][]byte{full, pong}},
		{name: "a message that is too large", in: [][]byte{small, large, pong}, out: [][]byte{small, pong}, skipped: 1},
		{name: "a large packet of another type", in: [][]byte{append(packet(0x40, 0xc9, 0x01), body(201)...)}, broken: true},
		{name: "an answer to a subscription", in: [][]byte{{0x90, 3, 0, 1, 0}}, out: [][]byte{{0x90, 3, 0, 1, 0}}},
		{name: "an answer to two subscriptions", in: [][]byte{{0x90, 4, 0, 1, 0, 0}}, broken: true},
		{name: "a length without an end", in: [][]byte{{0x30, 0xff, 0xff, 0xff, 0xff, 0x01}}, broken: true},
		{name: "half a header", in: [][]byte{pong, {0x30, 0x80}}, out: [][]byte{pong}},
		{name: "half a body", in: [][]byte{{0x30, 5, 1, 2}}, out: [][]byte{{0x30, 5, 1, 2}}},
		{name: "half of what is too large", in: [][]byte{large[:50]}, skipped: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, skipped, err := sift(bytes.Join(row.in, nil), limit)
			if want := bytes.Join(row.out, nil); !bytes.Equal(out, want) {
				t.Errorf("want % x, got % x", want, out)
			}
			if (err != nil) != row.broken || len(skipped) != row.skipped {
				t.Errorf("want an error %v and %d skipped, got %v and %d", row.broken, row.skipped, err, len(skipped))
			}
		})
	}
}

func TestSieve_acknowledgesWhatItSkips(t *testing.T) {
	message := func(first, length byte, topic string) []byte {
		out := append([]byte{first, length | 0x80, 1, 0, byte(len(topic))}, topic...)
		return append(append(out, 0x12, 0x34), bytes.Repeat([]byte{'x'}, 300)...)[:3+int(length)+128]
	}
	for _, row := range []struct {
		name   string
		in     []byte
		want   []byte
		broken bool
	}{
		{"with QoS 1", message(0x32, 0x49, "a/b"), []byte{0x40, 2, 0x12, 0x34}, false},
		{"with QoS 0", message(0x30, 0x49, "a/b"), nil, false},
		{"whose topic does not end", append([]byte{0x32, 0xc9, 0x01, 0xff, 0xff}, bytes.Repeat([]byte{'x'}, 199)...), nil, true},
		{"that does not end", message(0x32, 0x49, "a/b")[:100], nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			written := new(bytes.Buffer)
			s := newSieve(stream{Reader: bytes.NewReader(row.in), written: written}, 200, func(int) {})
			_, err := io.ReadAll(s)
			if !bytes.Equal(written.Bytes(), row.want) || (err != nil) != row.broken {
				t.Errorf("want % x and an error %v, got % x and %v", row.want, row.broken, written.Bytes(), err)
			}
		})
	}
}

func FuzzSieve_passesOnNothingThatWasNotSent(f *testing.F) {
	f.Add([]byte{0xd0, 0, 0x30, 2, 1, 2})
	f.Add([]byte{0x30, 0xff, 0xff, 0x7f, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		out, skipped, _ := sift(in, 16)
		if len(skipped) == 0 && !bytes.HasPrefix(in, out) {
			t.Fatalf("% x becomes % x", in, out)
		}
		if len(out) > len(in) {
			t.Fatalf("%d bytes become %d", len(in), len(out))
		}
	})
}
