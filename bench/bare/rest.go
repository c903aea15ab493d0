package bare

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// callers is the default number of open connections, each with one call at a time, as
// with wrk.
const callers = 64

// Call is a call of an HTTP interface, for repetition.
type Call struct {
	Name           string
	Method, Target string
	Body           string
	// Callers is the number of open connections; 0 means 64.
	Callers int
}

// Rate is the number of answers to a call a second, and its ratio to that of a handler
// that only answers, with the same method.
type Rate struct {
	Name        string
	Rate, Ratio float64
}

// Calls compares calls of a server with a handler that does nothing but answer, with
// the same library and the same clients, in turns of a given length. The order
// alternates from round to round. The results are the medians of the rates and of the
// ratios of two successive turns, because other load on the machine changes more slowly
// than the turns.
func Calls(address string, handler *Handler, calls []Call, turn time.Duration, rounds int) ([]Rate, error) {
	rates, ratios := make([][]float64, len(calls)), make([][]float64, len(calls))
	sides := [2]string{handler.Address(), address}
	for round := range rounds {
		for i, c := range calls {
			var rate [len(sides)]float64
			for n := range sides {
				side := (n + round) % len(sides)
				var err error
				if rate[side], err = c.repeat(sides[side], turn); err != nil {
					return nil, fmt.Errorf("%s: %w", c.Name, err)
				}
			}
			rates[i], ratios[i] = append(rates[i], rate[1]), append(ratios[i], rate[1]/rate[0])
		}
	}
	out := make([]Rate, len(calls))
	for i, c := range calls {
		out[i] = Rate{Name: c.Name, Rate: median(rates[i]), Ratio: median(ratios[i])}
	}
	return out, nil
}

// median returns the median, the lower one of two in the middle.
func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[(len(of)-1)/2]
}

// request returns the bytes of a request for the call. Its Host header is the address,
// because a server may accept no other name.
func (c Call) request(address string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.Method, c.Target, address, len(c.Body), c.Body)
}

// repeat makes the call on all connections for d and returns the number of answers a
// second.
func (c Call) repeat(address string, d time.Duration) (float64, error) {
	request := c.request(address)
	var calls atomic.Int64
	var clients sync.WaitGroup
	failed := make([]error, cmp.Or(c.Callers, callers))
	began := time.Now()
	until := began.Add(d)
	for i := range failed {
		clients.Go(func() { failed[i] = client(address, request, until, &calls) })
	}
	clients.Wait()
	return float64(calls.Load()) / time.Since(began).Seconds(), errors.Join(failed...)
}

func client(address string, request []byte, until time.Time, calls *atomic.Int64) error {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for time.Now().Before(until) {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if err := readAnswer(answers); err != nil {
			return err
		}
		calls.Add(1)
	}
	return nil
}

var lengthHeader = []byte("Content-Length: ")

// readAnswer reads one answer of the 2xx class.
func readAnswer(from *bufio.Reader) error {
	line, err := from.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 2")) {
		return fmt.Errorf("answered %s", bytes.TrimSpace(line))
	}
	length := 0
	for len(bytes.TrimSpace(line)) > 0 {
		if line, err = from.ReadSlice('\n'); err != nil {
			return err
		}
		if value, ok := bytes.CutPrefix(line, lengthHeader); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	_, err = from.Discard(length)
	return err
}
