package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"butler/internal/sim/edge"
	receiver "butler/internal/sim/sink"
)

// providers are the simulated receivers of a script.
type providers struct {
	web  *receiver.HTTP
	mail *receiver.SMTP
	mqtt *receiver.MQTT
}

// providersKey finds them.
type providersKey struct{}

// startProviders starts a web server at $WEB, a mail server at $MAILHOST and
// $MAILPORT, and an MQTT broker at $MQTTHOST and $MQTTPORT, which take everything
// but mail to nobody@example.com. The paths /403,
// /422, /429 and /500 of the web server answer with that status, /hang never answers.
func startProviders(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: providers")
	}
	p := ts.Value(providersKey{}).(*providers)
	p.web, p.mail, p.mqtt = receiver.NewHTTP(receiver.HTTPOptions{}), receiver.NewSMTP(receiver.SMTPOptions{}), receiver.NewMQTT(receiver.MQTTOptions{})
	for _, one := range []interface {
		Start() error
		Stop()
	}{p.web, p.mail, p.mqtt} {
		ts.Check(one.Start())
		ts.Defer(one.Stop)
	}
	for _, status := range []int{403, 422, 429, 500} {
		path := "/" + strconv.Itoa(status)
		p.web.Faults().Set(edge.Rule{Name: path, Kind: edge.Status, PathPrefix: path, Status: status, RetryAfter: 7 * time.Second})
	}
	p.web.Faults().Set(edge.Rule{Name: "hang", Kind: edge.Hang, PathPrefix: "/hang"})
	p.mail.Reject("nobody@example.com", 550)
	ts.Setenv("WEB", p.web.URL())
	for name, address := range map[string]string{"MAIL": p.mail.Addr(), "MQTT": p.mqtt.Addr()} {
		host, port, err := net.SplitHostPort(address)
		ts.Check(err)
		ts.Setenv(name+"HOST", host)
		ts.Setenv(name+"PORT", port)
	}
}

// received writes what the providers have taken into a file, and forgets it.
func received(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: received file")
	}
	p := ts.Value(providersKey{}).(*providers)
	var out bytes.Buffer
	for _, r := range p.web.History().All() {
		fmt.Fprintf(&out, "%s %s %d %s\n", r.Method, r.Path, r.Status, r.Body)
	}
	for _, m := range p.mail.Messages().All() {
		fmt.Fprintf(&out, "mail to %v: %s\n%s\n", m.Recipients, m.Subject, m.Text)
	}
	for _, m := range p.mqtt.Publications().All() {
		fmt.Fprintf(&out, "%s %s\n", m.Topic, m.Payload)
	}
	p.mqtt.Publications().Clear()
	p.web.History().Clear()
	p.mail.Messages().Clear()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600))
}

// exitCode runs a command, which has to end with a code: exitcode 2 butler ...
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode code command [argument ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v: %v", args[1:], err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("%v: want exit code %d, got %d", args[1:], want, got)
	}
}
