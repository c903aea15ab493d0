package bench_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"butler/bench/target"
)

// fakeTarget, as the first argument, makes the test binary a target.
const fakeTarget = "fake-target"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == fakeTarget {
		if err := fake(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// fake is a target that calls a webhook for every datagram, with the faults that its
// options select.
func fake(args []string) error {
	options := flag.NewFlagSet(fakeTarget, flag.ContinueOnError)
	config := options.String("c", "", "configuration file")
	lose := options.Int("lose", 0, "lose every n-th event")
	repeat := options.Int("repeat", 0, "tell of every n-th event twice")
	delay := options.Duration("delay", 0, "wait before every call")
	sleep := options.Bool("sleep", false, "never read the socket")
	most := options.Int("most", 0, "serve a count of events, and call nobody; no more than n are counted")
	quit := options.Int("quit", 0, "end after n events")
	fail := options.Int("fail", 0, "end with an error after n events")
	crash := options.Bool("crash", false, "end at once")
	if err := options.Parse(args); err != nil {
		return err
	}
	if *crash {
		return os.ErrPermission
	}
	text, err := os.ReadFile(*config)
	if err != nil {
		return err
	}
	words := strings.Fields(string(text)) // port, webhook, port of the count
	conn, err := net.ListenPacket("udp4", "127.0.0.1:"+words[0])
	if err != nil {
		return err
	}
	if *sleep {
		select {}
	}
	if *most > 0 {
		return count(conn, words[2], *most)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	for n, datagram := 1, make([]byte, 2048); ; n++ {
		size, _, err := conn.ReadFrom(datagram)
		if err != nil {
			return err
		}
		const executionID = 9
		body := []byte(`{"id":"` + strings.Split(string(datagram[:size]), ";")[executionID] + `"}`)
		if n == *fail {
			return os.ErrPermission
		}
		if n == *quit {
			return conn.Close()
		}
		if *lose > 0 && n%*lose == 0 {
			continue
		}
		times := 1
		if *repeat > 0 && n%*repeat == 0 {
			times = 2
		}
		time.AfterFunc(*delay, func() {
			for range times {
				if answer, err := client.Post(words[1], "application/json", bytes.NewReader(body)); err == nil {
					answer.Body.Close()
				}
			}
		})
	}
}

// count serves the number of received datagrams, counting up to most.
func count(conn net.PacketConn, port string, most int) error {
	var stored atomic.Int64
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "stored", stored.Load()) }))
	}()
	for datagram := make([]byte, 2048); ; {
		if _, _, err := conn.ReadFrom(datagram); err != nil {
			return err
		}
		stored.Store(min(int64(most), stored.Load()+1))
	}
}

// fakeSpec describes the fake as a target.
func fakeSpec(options string) target.Spec {
	return target.Spec{
		Name: "fake", Command: os.Args[0] + " " + fakeTarget + " -c {config} " + options,
		Config: "{{.UDPPort}} {{.HTTP}}/webhook {{.OperationsPort}}",
	}
}
