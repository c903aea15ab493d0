package checks

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"butler/config"
	"butler/internal/address"
	"butler/internal/apikey/keyfile"
	"butler/internal/destination/mqtt"
	"butler/internal/disk"
	"butler/internal/doctor"
	"butler/internal/journal/jetstream"
	"butler/internal/oserr"
	"butler/internal/udp"
	"butler/internal/wholefile"
)

// The checks of this machine.

// certificateChecks read the certificates that the service presents.
func certificateChecks(p *inspection) []doctor.Check {
	type one struct{ key, file, remedy string }
	var files []one
	if section := p.Config.QRS(); section.Enabled() && section.UseSSL {
		const remedy = "export the certificates again in the QMC, for this machine"
		files = append(files, one{"cert.clientCert", section.ClientCert, remedy}, one{"cert.clientCertCA", section.CA, remedy})
	}
	if section := p.Config.RESTServer(); section.Enable && section.TLS.Enable {
		files = append(files, one{"restServerConfig.tls.cert", section.TLS.Cert, "renew it; callers of the REST API refuse it from then on"})
	}
	var broker mqtt.Config
	if p.Config.Section("mqttConfig", &broker) == nil && broker.Enable {
		files = append(files, one{"client certificate of mqttConfig", p.Config.Path(broker.Broker().CertFile), "renew it; the broker refuses it from then on"})
	}
	files = slices.DeleteFunc(files, func(f one) bool { return f.file == "" })
	if len(files) == 0 {
		return nil
	}
	return []doctor.Check{{Name: "certificates", Run: func(context.Context) []doctor.Finding {
		var out []doctor.Finding
		for _, f := range files {
			const remedy = "name a PEM file that this user may read"
			ignored := p.Config.Ignored() // a refused value was replaced by the default, which is not what to check
			if at := slices.IndexFunc(ignored, func(one config.Problem) bool { return one.Path == f.key }); at >= 0 {
				out = append(out, doctor.Fail(f.key, ignored[at].Reason, remedy))
				continue
			}
			ends, err := certificateEnd(f.file)
			if err != nil {
				out = append(out, doctor.Fail(f.key, err.Error(), remedy))
				continue
			}
			out = append(out, doctor.Certificate(f.key, ends, time.Now(), f.remedy))
		}
		return out
	}}}
}

// certificateEnd returns when the first certificate of a PEM file ends.
func certificateEnd(file string) (time.Time, error) {
	if err := wholefile.Openable(file); err != nil {
		return time.Time{}, err
	}
	rest, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", file, err)
		}
		return parsed.NotAfter, nil
	}
	return time.Time{}, fmt.Errorf("%s holds no certificate", file)
}

// udpChecks check how task events reach the service.
func udpChecks(p *inspection) []doctor.Check {
	if !p.Config.UDP().Enable {
		return []doctor.Check{{Name: "udp", Run: func(context.Context) []doctor.Finding {
			return []doctor.Finding{doctor.Warn("", "no task events are received", "set udpServerConfig.enable to true")}
		}}}
	}
	return []doctor.Check{{Name: "udp", Run: p.udpFindings}}
}

func (p *inspection) udpFindings(ctx context.Context) []doctor.Finding {
	section := p.Config.UDP()
	subject := fmt.Sprintf("port %d", section.Port)
	options := udp.ListenOptions{Host: section.Host, Port: section.Port, ReceiveBuffer: section.ReceiveBuffer, MaxMessageSize: section.MaxMessageSize}
	socket, err := udp.Listen(ctx, options)
	var out []doctor.Finding
	switch state, runs := p.service(); {
	case err == nil:
		out = append(out, doctor.Good(subject, "is free"))
	case runs && state.component("udp") == "up":
		out = append(out, doctor.Good(subject, "the service receives task events on it"))
	default:
		out = append(out, doctor.Fail(subject, "cannot be opened: "+err.Error(), freePort(err, 'u', section.Port, "udpServerConfig.portTaskFailure")))
	}
	if err != nil { // the rest is the same on any port
		options.Port = 0
		if socket, err = udp.Listen(ctx, options); err != nil {
			return append(out, doctor.Fail("loop-back", err.Error(), "look at udpServerConfig.serverHost: it has to be an address of this machine"))
		}
	}
	defer socket.Close()
	return append(out, roundTrip(ctx, socket), buffer(socket.ReceiveBuffer(), section.ReceiveBuffer))
}

// roundTripTimeout bounds how long a datagram may take to this machine itself.
const roundTripTimeout = 2 * time.Second

// roundTrip sends a datagram to a socket of this process.
func roundTrip(ctx context.Context, socket *udp.Socket) doctor.Finding {
	const subject = "loop-back"
	const remedy = "look at the firewall of this machine (nft list ruleset, Windows Defender Firewall)"
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
	defer stop()
	token := "butler doctor " + rand.Text()
	began := time.Now()
	_, port, _ := net.SplitHostPort(socket.Addr().String())
	conn, err := new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(address.Reachable(socket.Addr().Addr().String()), port))
	if err != nil {
		return doctor.Fail(subject, err.Error(), remedy)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(token)); err != nil {
		return doctor.Fail(subject, err.Error(), remedy)
	}
	for {
		batch, err := socket.ReadBatch()
		if err != nil {
			return doctor.Fail(subject, fmt.Sprintf("a datagram to %s did not arrive within %s", conn.RemoteAddr(), roundTripTimeout), remedy)
		}
		for _, d := range batch {
			if string(d.Payload) == token {
				return doctor.Good(subject, "a datagram arrives after %d µs", time.Since(began).Microseconds())
			}
		}
	}
}

// enoughBuffer absorbs bursts at the highest rate that one socket can take. With the
// default of Linux, datagrams are lost from about 50,000 a second.
const enoughBuffer = 1 << 20

// buffer judges the receive buffer that the kernel has granted.
func buffer(granted, wanted int) doctor.Finding {
	wanted = cmp.Or(wanted, udp.DefaultReceiveBuffer)
	limit := kernelLimit()
	evidence := fmt.Sprintf("%s granted of %s", megabytes(uint64(granted)), megabytes(uint64(wanted)))
	if limit != "" {
		evidence += fmt.Sprintf(" (net.core.rmem_max is %s)", limit)
	}
	if most, err := strconv.Atoi(limit); err == nil && most < granted {
		evidence += ", which does not bind this user; it may bind that of the service"
	}
	if granted >= wanted {
		return doctor.Good("receive buffer", "%s", evidence)
	}
	remedy := fmt.Sprintf("sysctl -w net.core.rmem_max=%d, and the same line in /etc/sysctl.d/90-butler.conf; then restart the service", wanted)
	if granted < enoughBuffer {
		evidence += "; a burst of task events may be lost"
	}
	return doctor.Warn("receive buffer", evidence, remedy)
}

// kernelLimit returns the limit on receive buffers, "" where the system has no such file.
func kernelLimit() string {
	raw, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func megabytes(n uint64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	if n < 10<<30 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}

// How fast and how large a disk has to be. A record of the journal holds up to 128
// events, which are accepted once it is on disk: a local SSD takes 0.2 to 1 ms for a
// record, a magnetic disk about 10 ms.
const (
	eventsARecord = 128
	fsyncs        = 9
	slowDisk      = 20 * time.Millisecond
	badDisk       = 200 * time.Millisecond
	littleRoom    = 1 << 30
	noRoom        = 100 << 20
)

// diskChecks look at the directories that the service writes to.
func diskChecks(p *inspection) []doctor.Check {
	var out []doctor.Check
	if section := p.Config.Journal(); section.InMemory {
		out = append(out, doctor.Check{Name: "journal", Run: func(context.Context) []doctor.Finding {
			return []doctor.Finding{doctor.Warn("", "is in memory: what is not sent yet is lost with the process", "set journal.inMemory to false")}
		}})
	} else {
		out = append(out, doctor.Check{Name: "journal", Run: func(ctx context.Context) []doctor.Finding {
			out := append(ownerFindings(section.Directory), directoryFindings(ctx, section.Directory, "journal.directory")...)
			return append(out, speedFinding(ctx, section.Directory))
		}})
	}
	if section := p.Config.Log(); section.ToFiles {
		out = append(out, doctor.Check{Name: "log", Run: func(ctx context.Context) []doctor.Finding {
			return directoryFindings(ctx, section.Directory, "logDirectory")
		}})
	}
	written := func(name, directory, key string) {
		out = append(out, doctor.Check{Name: name, Run: func(ctx context.Context) []doctor.Finding {
			return []doctor.Finding{writableFinding(ctx, directory, key)}
		}})
	}
	if section := p.Config.LicenseRelease(); section.Enable {
		written("licence reports", section.ReportDirectory, "qlikSenseLicense.licenseRelease.reportDirectory")
	}
	if section := p.Config.Scheduler(); section.Enable {
		written("schedules", filepath.Dir(section.ConfigFile), "scheduler.configfile")
	}
	return out
}

// writableFinding says whether the service can write to a directory.
func writableFinding(ctx context.Context, directory, key string) doctor.Finding {
	at := disk.Nearest(directory)
	if _, err := disk.Try(ctx, at, 1); err != nil {
		return doctor.Fail("directory", err.Error(), unwritableRemedy(err, key))
	}
	if at != directory {
		return doctor.Good("directory", "%s is created when it is needed", directory)
	}
	return doctor.Good("directory", "%s can be written", directory)
}

// unwritableRemedy says what to do about a directory that cannot be written.
func unwritableRemedy(err error, key string) string {
	switch {
	case oserr.Is(err, syscall.ENOSPC):
		return "free some space, or move " + key + " to a larger disk"
	case errors.Is(err, context.DeadlineExceeded):
		return "the disk of " + key + " does not respond: examine it with other tools"
	}
	return "let the user of the service write there, or change " + key
}

// directoryFindings say whether a directory can be written and has free space.
func directoryFindings(ctx context.Context, directory, key string) []doctor.Finding {
	at := disk.Nearest(directory)
	out := []doctor.Finding{writableFinding(ctx, directory, key)}
	free, err := disk.Free(at)
	switch {
	case err != nil:
		out = append(out, doctor.Warn("free space", err.Error(), ""))
	case free < noRoom:
		out = append(out, doctor.Fail("free space", megabytes(free), "free some space now: without any, no event is accepted"))
	case free < littleRoom:
		out = append(out, doctor.Warn("free space", megabytes(free), "free some space, or move "+key+" to a larger disk"))
	default:
		out = append(out, doctor.Good("free space", "%s", megabytes(free)))
	}
	return out
}

// ownerFindings say when the journal belongs to another user, whose files nobody else
// may read. The superuser can read them, but then the checks say nothing about the
// rights of the service.
func ownerFindings(directory string) []doctor.Finding {
	const subject = "owner"
	owner := jetstream.Stranger(directory)
	switch {
	case owner == "":
		return nil
	case os.Geteuid() == 0:
		return []doctor.Finding{doctor.Warn(subject, "the journal belongs to the user "+owner+", whose rights are not those of this check",
			"run the check as that user: sudo -u '"+owner+"' butler doctor")}
	}
	return []doctor.Finding{doctor.Fail(subject, "the journal belongs to the user "+owner+", and its files cannot be read by this one",
		"give every file of "+directory+" to the user of the service, as with chown -R, or run the check as that user")}
}

// speedFinding measures how long it takes until a record is on disk.
func speedFinding(ctx context.Context, directory string) doctor.Finding {
	speed, err := disk.Try(ctx, disk.Nearest(directory), fsyncs)
	if err != nil {
		return doctor.Fail("disk speed", err.Error(), "see the finding about the directory")
	}
	return judgeSpeed(speed)
}

func judgeSpeed(speed disk.Speed) doctor.Finding {
	const subject, remedy = "disk speed", "put journal.directory on a local SSD, not on a network share"
	median := speed.Median
	if median <= 0 {
		return doctor.Good(subject, "a record is on disk sooner than the clock of this machine can tell")
	}
	evidence := fmt.Sprintf("a record is on disk after %s (slowest of %d: %s), enough for %d events a second",
		median.Round(10*time.Microsecond), fsyncs, speed.Slowest.Round(10*time.Microsecond), int64(eventsARecord*time.Second/median))
	switch {
	case median > badDisk:
		return doctor.Fail(subject, evidence, remedy)
	case median > slowDisk:
		return doctor.Warn(subject, evidence, remedy)
	}
	return doctor.Good(subject, "%s", evidence)
}

// accessChecks look at the keys of the REST API.
func accessChecks(p *inspection) []doctor.Check {
	section := p.Config.RESTServer()
	if !section.Enable || section.Auth.Mode != "keys" && section.Auth.Mode != "either" {
		return nil
	}
	return []doctor.Check{{Name: "api keys", Run: func(context.Context) []doctor.Finding {
		ring, err := keyfile.New(section.Auth.KeyFile).Read()
		if err != nil {
			return []doctor.Finding{doctor.Fail("", err.Error(), "let the user of the service read restServerConfig.auth.keyFile, and nobody write it but its owner")}
		}
		now := time.Now()
		var out []doctor.Finding
		good := 0
		for _, k := range ring.Keys() {
			switch {
			case k.Ended(now) != "":
			case !k.Expires.IsZero() && k.Ended(now.AddDate(0, 0, keySoon)) != "":
				out = append(out, doctor.Certificate("key of "+k.Name, k.Expires, now, "make another one with butler apikey create"))
				good++
			default:
				good++
			}
		}
		if good == 0 && section.Auth.Mode == "keys" {
			return []doctor.Finding{doctor.Warn("", "no key is valid, so nobody can call the REST API", "make one with butler apikey create")}
		}
		return append([]doctor.Finding{doctor.Good("", "%d are valid", good)}, out...)
	}}}
}

// keySoon is how many days before its expiry a key is reported.
const keySoon = 30
