package checks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/mqtt"
	"butler/internal/doctor"
	"butler/internal/expected"
	"butler/internal/qlik"
	tenant "butler/internal/qlik/cloud"
	"butler/internal/qlik/engine"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// The checks of Qlik Sense.

// absentID is an ID that no object has: a call with it needs the same rights as any
// other, and does nothing.
const absentID = "00000000-0000-0000-0000-000000000000"

const (
	// qrsCheckTimeout bounds all calls to the repository, qrsCallTimeout one.
	qrsCheckTimeout = 20 * time.Second
	qrsCallTimeout  = 5 * time.Second
)

// qrsChecks ask the repository, when there is one.
func qrsChecks(p *inspection) []doctor.Check {
	if !p.Config.QRS().Enabled() {
		return []doctor.Check{{Name: "qrs", Run: func(context.Context) []doctor.Finding {
			return []doctor.Finding{doctor.Warn("", "no repository is configured: alerts hold only what the event says, and no task can be started", "set configQRS.host")}
		}}}
	}
	return []doctor.Check{{Name: "qrs", Network: true, Timeout: qrsCheckTimeout, Run: p.qrsFindings}}
}

func (p *inspection) qrsFindings(ctx context.Context) []doctor.Finding {
	section := p.Config.QRS()
	if untried := p.withoutCertificates(section); untried != nil {
		return untried
	}
	options := p.Repository
	options.Timeout = min(cmp.Or(p.Config.Gate().Timeout, qrsCallTimeout), qrsCallTimeout)
	client, err := qrs.New(options)
	if err != nil {
		return []doctor.Finding{doctor.Fail("", err.Error(), "correct configQRS and cert")}
	}
	defer client.Close()
	before := time.Now()
	seen, err := client.Probe(ctx)
	after := time.Now()
	out := qrsConnection(seen, section.RejectUnauthorized, before, after)
	if err != nil {
		return append(out, qrsUnreachable(err))
	}
	out = append([]doctor.Finding{doctor.Good("", "%s answers in %d ms, version %s", client.Host(), after.Sub(before).Milliseconds(), cmp.Or(seen.Version, "unknown"))}, out...)
	return slices.Concat(out, p.rights(ctx, client), p.expected(ctx, client))
}

// expected reports what the configuration names and Qlik Sense does not have: a route
// that depends on it tells nobody.
func (p *inspection) expected(ctx context.Context, client *qrs.Client) []doctor.Finding {
	const remedy = "write it in the configuration as it is in the QMC, letter by letter, or make it there"
	site, err := expected.SiteOf(p.Config.Section, p.Built)
	if err != nil { // reported with the configuration
		return nil
	}
	var out []doctor.Finding
	for _, look := range site.Compare(ctx, client) {
		wrong := append(look.Missing, look.Odd...)
		switch {
		case look.Err != nil:
			out = append(out, doctor.Warn(look.Subject, look.Err.Error(), userRemedy+"the role RootAdmin, or a security rule that may read "+look.Subject))
		case len(wrong) == 0:
			out = append(out, doctor.Good(look.Subject, "all that the configuration names exist"))
		}
		for _, one := range wrong {
			out = append(out, doctor.Warn(look.Subject, one, remedy))
		}
	}
	return out
}

// withoutCertificates returns a finding that a server of Qlik Sense is skipped because
// the certificate files cannot be used; the check of the files says why.
func (p *inspection) withoutCertificates(section config.QlikServer) []doctor.Finding {
	if !section.UseSSL || p.Certified(section) {
		return nil
	}
	return []doctor.Finding{{Verdict: doctor.Skipped, Evidence: "not tried: the certificates cannot be read"}}
}

func qrsUnreachable(err error) doctor.Finding {
	remedy := "check whether configQRS.host and port are right, and whether a firewall lets this machine through to that port"
	if failed, ok := errors.AsType[*qrs.Error](err); ok && failed.Status() != 0 {
		remedy = "check whether configQRS is the repository itself, and whether X-Qlik-User in configQRS.headers.static names a user that it knows"
	} else if strings.Contains(err.Error(), "certificate") {
		remedy = "export the certificates again in the QMC (client.pem, client_key.pem, root.pem), write the host as its certificate names it, or see configQRS.rejectUnauthorized"
	}
	return doctor.Fail("", err.Error(), remedy)
}

// qrsConnection judges certificate and clock of the repository.
func qrsConnection(seen qrs.ProbeResult, verified bool, before, after time.Time) []doctor.Finding {
	var out []doctor.Finding
	if seen.TLS != "" {
		switch {
		case verified:
			out = append(out, doctor.Good("TLS", "%s, the certificate is trusted", seen.TLS))
		case seen.Untrusted == nil:
			out = append(out, doctor.Warn("TLS", seen.TLS+", the certificate is not verified, and could be", "set configQRS.rejectUnauthorized to true"))
		default:
			out = append(out, doctor.Warn("TLS", seen.TLS+", the certificate is not verified, and would not be trusted: "+seen.Untrusted.Error(),
				"set cert.clientCertCA to the root.pem of this site and write configQRS.host as the certificate names it; then set configQRS.rejectUnauthorized to true"))
		}
		out = append(out, doctor.Certificate("server certificate", seen.CertificateEnds, after, "renew the certificates of Qlik Sense"))
	}
	if !seen.Clock.IsZero() {
		out = append(out, doctor.Clock("clock", seen.Clock, before, after))
	}
	return out
}

// rights reports what the user of the service may do in Qlik Sense, as far as the
// configuration needs it.
func (p *inspection) rights(ctx context.Context, client *qrs.Client) []doctor.Finding {
	var needs destination.Needs
	for _, b := range p.Built {
		needs = needs.Or(b.Instance.Needs)
	}
	out := []doctor.Finding{visible(ctx, client, "tasks", "task")}
	if needs.App {
		out = append(out, visible(ctx, client, "apps", "app"))
	}
	if needs.Owner {
		out = append(out, visible(ctx, client, "users", "user"))
	}
	if needs.Execution || needs.FinalState {
		_, err := client.Execution(ctx, absentID, qlik.TaskReload)
		out = append(out, allowed("execution results", "may be read", "a security rule that may read reload tasks", err))
	}
	if needs.ScriptLog() {
		_, err := client.ScriptLogTicketByFile(ctx, absentID, absentID)
		out = append(out, allowed("script logs", "may be read", "the role RootAdmin, or a security rule for script logs", err))
	}
	if p.startsTasks() {
		err := client.StartTask(ctx, absentID)
		out = append(out, allowed("start tasks", "is not refused to this user; asked with an ID that no task has", "a security rule that may read and update tasks", err))
	}
	const licenceRule = "the role RootAdmin, or a security rule for licences"
	if p.Config.ServerLicenseMonitor().Enable {
		_, err := client.License(ctx)
		out = append(out, allowed("server licence", "may be read", licenceRule, err))
	}
	if p.Config.AccessLicenseMonitor().Enable || p.Config.LicenseRelease().Enable {
		_, err := client.AccessOverview(ctx)
		out = append(out, allowed("access licences", "may be read", licenceRule, err))
	}
	return out
}

const userRemedy = "give the user of configQRS.headers.static (X-Qlik-User) "

func visible(ctx context.Context, client *qrs.Client, subject, kind string) doctor.Finding {
	n, err := client.Count(ctx, kind)
	switch {
	case err != nil:
		return doctor.Fail("rights: "+subject, err.Error(), userRemedy+"the role RootAdmin, or a security rule that may read "+subject)
	case n == 0:
		return doctor.Warn("rights: "+subject, "the user sees none", userRemedy+"the role RootAdmin, or a security rule that may read "+subject+"; fine when there are none yet")
	}
	return doctor.Good("rights: "+subject, "the user sees %d", n)
}

// allowed judges the answer to a call with absentID: any answer but a refusal shows
// that the user has the right.
func allowed(subject, good, right string, err error) doctor.Finding {
	failed, ok := errors.AsType[*qrs.Error](err)
	answered := ok && failed.Status() != 0 && failed.Status() < http.StatusInternalServerError
	if err == nil || answered && !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, failed.Status()) {
		return doctor.Good("rights: "+subject, "%s", good)
	}
	return doctor.Fail("rights: "+subject, err.Error(), userRemedy+right)
}

// startsTasks reports whether anybody can start tasks through the service.
func (p *inspection) startsTasks() bool {
	if p.Config.Scheduler().Enable {
		return true
	}
	var broker mqtt.Config
	if p.Config.Section("mqttConfig", &broker) == nil && broker.Enable && broker.TaskStartTopic != "" {
		return true
	}
	return p.Config.RESTServer().Enable && slices.Contains(p.Endpoints, "senseStartTask")
}

// engineChecks open a session of the engine, if an endpoint needs it.
func engineChecks(p *inspection) []doctor.Check {
	if p.Engine == nil {
		return nil
	}
	return []doctor.Check{{Name: "engine", Network: true, Run: func(ctx context.Context) []doctor.Finding {
		remedy := fmt.Sprintf("look at configEngine and cert, and whether a firewall lets this machine through to port %d", p.Config.Engine().Server.Port)
		if untried := p.withoutCertificates(p.Config.Engine().Server); untried != nil {
			return untried
		}
		client, err := engine.New(*p.Engine)
		if err != nil {
			return []doctor.Finding{doctor.Fail("", err.Error(), remedy)}
		}
		defer client.Close()
		began := time.Now()
		if err := client.Ping(ctx); err != nil {
			return []doctor.Finding{doctor.Fail("", err.Error(), remedy)}
		}
		return []doctor.Finding{doctor.Good("", "%s opens a session in %d ms", client.Address(), time.Since(began).Milliseconds())}
	}}}
}

// cloudChecks ask the tenant of Qlik Cloud about a reload that does not exist.
func cloudChecks(p *inspection) []doctor.Check {
	if p.Tenant == nil {
		return nil
	}
	return []doctor.Check{{Name: "qlik cloud", Network: true, Run: func(ctx context.Context) []doctor.Finding {
		const remedy = "look at qlikSenseCloud.event.mqtt.tenant: tenantUrl and auth.jwt.token"
		client, err := tenant.New(*p.Tenant)
		if err != nil {
			return []doctor.Finding{doctor.Fail("", err.Error(), remedy)}
		}
		defer client.Close()
		began := time.Now()
		_, err = client.Record(ctx, absentID)
		if failed, ok := errors.AsType[*tenant.Error](err); err != nil && (!ok || failed.Failure().Kind != messages.FailureNotFound) {
			return []doctor.Finding{doctor.Fail("", err.Error(), remedy)}
		}
		return []doctor.Finding{doctor.Good("", "%s", fmt.Sprintf("the tenant accepts the token, in %d ms", time.Since(began).Milliseconds()))}
	}}}
}
