package bare

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/valyala/fasthttp"
)

// Handler is an HTTP server that does nothing but answer. It runs in a process of its
// own, like the server that it is compared with, because in the process of its clients
// it would share their threads.
type Handler struct {
	address string
	process *exec.Cmd
	stop    io.Closer
}

// StartHandler starts a command that calls Serve with its input and its output.
func StartHandler(ctx context.Context, command ...string) (*Handler, error) {
	if len(command) == 0 {
		return nil, errors.New("start the bare handler: no command")
	}
	h := &Handler{process: exec.CommandContext(ctx, command[0], command[1:]...)}
	h.process.Stderr = os.Stderr
	stop, err := h.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := h.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.process.Start(); err != nil {
		return nil, fmt.Errorf("start the bare handler: %w", err)
	}
	h.stop = stop
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the bare handler: %w", err), h.Close())
	}
	h.address = strings.TrimSpace(line)
	return h, nil
}

// Address returns host:port.
func (h *Handler) Address() string { return h.address }

// Close ends the process and waits for it.
func (h *Handler) Close() error {
	return errors.Join(h.stop.Close(), h.process.Wait())
}

// answered has the length of the answer of the service to a get and to a put.
const answered = `{"namespace":"etl","key":"lastRun","value":"2031-01-05","ttl":600000}`

// Serve answers on a free port of the loopback interface, and writes its host:port to
// out. It ends when in ends, and so with the process that holds the other end.
func Serve(in io.Reader, out io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json; charset=utf-8")
		ctx.SetBodyString(answered)
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	_, err = fmt.Fprintln(out, listener.Addr())
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	// Shutdown has no effect on a server that has not begun to serve.
	return errors.Join(err, listener.Close(), <-served)
}
