package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/all"
	"butler/internal/files"
	"butler/internal/qlik/qrs"
	"butler/internal/udp"
	"butler/internal/wholefile"
)

// Inspection checks a configuration for what its schema cannot express: settings that
// a destination refuses, and files that are missing or unusable. It reads files and
// makes no connections.
type Inspection struct {
	// Isolated skips the checks of the connection to Qlik Sense.
	Isolated bool
	// Elsewhere reports missing certificate files as warnings, because the configuration
	// may be meant for another machine.
	Elsewhere bool
}

// Findings implements config.Options.Inspect.
func (i Inspection) Findings(cfg *config.Config) []config.Finding {
	deps := dependencies(cfg, zap.NewNop())
	problems, err := destination.CheckRoutes(cfg.Section, all.Definitions()...)
	out := findings("routes", problems, err)
	for _, d := range all.Definitions() {
		problems, err := d.Check(cfg.Section, deps)
		out = append(out, findings(d.Section, problems, err)...)
	}
	out = append(out, templateFindings(cfg, out)...)
	out = append(out, sourceFindings(cfg.UDP().AllowedSources)...)
	if section := cfg.Journal(); !section.InMemory {
		out = append(out, directoryFindings("journal.directory", section.Directory)...)
	}
	if section := cfg.Log(); section.ToFiles {
		out = append(out, directoryFindings("logDirectory", section.Directory)...)
	}
	out = append(out, restFindings(cfg)...)
	out = append(out, monitorFindings(cfg, i.Isolated)...)
	out = append(out, heartbeatFindings(cfg.Heartbeat())...)
	out = append(out, cloudFindings(cfg)...)
	out = append(out, pageFindings(cfg.Page())...)
	out = append(out, startFilterFindings(cfg)...)
	out = append(out, schedulerFindings(cfg)...)
	out = append(out, misplacedFindings(cfg)...)
	out = append(out, serviceFindings(cfg.ServiceMonitor())...)
	out = append(out, choiceFindings(cfg)...)
	if section := cfg.QRS(); section.Enabled() && !i.Isolated {
		out = append(out, i.repository(section)...)
	}
	if !i.Isolated {
		out = append(out, i.engine(cfg)...)
	}
	return out
}

// findings converts problems to findings. A non-nil err says why the section could not
// be read, and becomes a finding too.
func findings(section string, problems destination.Problems, err error) []config.Finding {
	var out []config.Finding
	if err != nil {
		out = append(out, config.Finding{Path: section, Reason: err.Error()})
	}
	for _, p := range problems {
		out = append(out, config.Finding(p))
	}
	return out
}

// restFindings returns what keeps the REST API from working or from being safe.
func restFindings(cfg *config.Config) []config.Finding {
	section := cfg.RESTServer()
	if !section.Enable {
		return nil
	}
	var out []config.Finding
	const mode = "restServerConfig.auth.mode"
	if section.Auth.Mode == "none" && cfg.Source(mode).Kind == config.FromDefault && !config.IsLoopback(section.Host) {
		out = append(out, config.Finding{
			Path: "restServerConfig.serverHost", Reason: "can be reached from other machines without authentication",
			Suggestion: "use localhost, or set " + mode + " to keys (see butler apikey), or to none if that is intended",
		})
	}
	if section.Auth.Mode == "certificates" && (!section.TLS.Enable || section.TLS.CA == "") {
		out = append(out, config.Finding{Path: mode, Reason: "requires client certificates, but there is no CA to verify them", Suggestion: "set restServerConfig.tls.enable and restServerConfig.tls.ca"})
	}
	for i, host := range section.AllowedHosts {
		if host == "" || strings.ContainsAny(host, "/:*? ") {
			out = append(out, config.Finding{
				Path: fmt.Sprintf("restServerConfig.allowedHosts[%d]", i), Reason: fmt.Sprintf("%q is not a host name", host),
				Suggestion: "write the name alone, like butler.example.com, without scheme, port and wildcards",
			})
		}
	}
	enabled, err := endpoints(cfg)
	out = append(out, findings(endpointKeys, nil, err)...)
	out = append(out, approvedFindings(cfg, enabled)...)
	out = append(out, postFindings(cfg, enabled)...)
	_, problems := certificateHolders(section.Auth)
	for _, p := range problems {
		out = append(out, config.Finding{Path: "restServerConfig.auth.certificates" + p.Path, Reason: p.Reason})
	}
	out = append(out, httpsFindings(section)...)
	return append(out, keyValueFindings(cfg, enabled)...)
}

// httpsFindings reports files with which HTTPS cannot be served. Required files that
// are not named are reported by the schema.
func httpsFindings(section config.RESTServer) []config.Finding {
	named := section.TLS
	if !named.Enable {
		return nil
	}
	var out []config.Finding
	look := func(key, file string) {
		if file == "" {
			return
		}
		if err := wholefile.Openable(file); err != nil {
			out = append(out, config.Finding{Path: "restServerConfig.tls." + key, Reason: fmt.Sprintf("cannot be read: %v", err), Suggestion: "name a PEM file"})
		}
	}
	look("cert", named.Cert)
	look("key", named.Key)
	look("ca", named.CA)
	if len(out) > 0 || named.Cert == "" || named.Key == "" {
		return out
	}
	if _, err := serverTLS(section); err != nil {
		out = append(out, config.Finding{Path: "restServerConfig.tls", Reason: err.Error(), Suggestion: "name a certificate with its own key, and a CA where clients have certificates, as PEM files"})
	}
	return out
}

// keyValueFindings warns when keyValueStore.enable differs from the switch of the
// endpoint, which is the only one that has an effect.
func keyValueFindings(cfg *config.Config, enabled []string) []config.Finding {
	const key = "keyValueStore.enable"
	var on bool
	if err := cfg.Section(key, &on); err != nil {
		return findings(key, nil, err)
	}
	served := slices.Contains(enabled, "keyValueStore")
	if on == served || cfg.Source(key).Kind == config.FromDefault {
		return nil
	}
	return []config.Finding{{
		Path: key, Reason: fmt.Sprintf("has no effect: %s is %t", keyValueKey, served),
		Suggestion: fmt.Sprintf("set that to %t, or this to %t", on, served), Warning: true,
	}}
}

// approvedFindings warns of approved directories that approve nothing or everything, and
// of those that do not exist: every operation in them fails.
func approvedFindings(cfg *config.Config, enabled []string) []config.Finding {
	section := cfg.Files()
	wanted := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(enabled, name) })
	}
	var out []config.Finding
	look := func(path, directory string) {
		if reason, remedy := files.Check(directory); reason != "" {
			out = append(out, config.Finding{Warning: true, Path: path, Reason: reason, Suggestion: remedy})
			return
		}
		// With the separators of this system, as package files converts them.
		place := filepath.Clean(filepath.FromSlash(strings.ReplaceAll(directory, `\`, "/")))
		if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
			return
		}
		finding := config.Finding{Warning: true, Path: path, Reason: fmt.Sprintf("%q is approved and does not exist", place), Suggestion: "create it"}
		if written, relative := strings.CutPrefix(directory, cfg.BaseDir()+string(filepath.Separator)); relative && isWindowsPath(written) {
			finding.Reason = fmt.Sprintf("%q is a path of Windows: here it is relative, and stands for %q, which does not exist", written, place)
			finding.Suggestion = "write the path at which this system has the directory"
		}
		out = append(out, finding)
	}
	pairs := func(path string, list []config.DirectoryPair) {
		for i, p := range list {
			look(fmt.Sprintf("%s[%d].fromDirectory", path, i), p.From)
			look(fmt.Sprintf("%s[%d].toDirectory", path, i), p.To)
		}
	}
	if wanted("fileCopy", "createDir") {
		pairs("fileCopyApprovedDirectories", section.Copy)
	}
	if wanted("fileMove", "createDir") {
		pairs("fileMoveApprovedDirectories", section.Move)
	}
	if wanted("fileDelete", "createDir") {
		for i, directory := range section.Delete {
			look(fmt.Sprintf("fileDeleteApprovedDirectories[%d]", i), directory)
		}
	}
	if wanted("createDirQVD", "createDir") && section.QVD != "" {
		look("configDirectories.qvdPath", section.QVD)
	}
	return out
}

// isWindowsPath reports whether a path begins with a drive or a backslash, and so is
// absolute on Windows only.
func isWindowsPath(path string) bool {
	drive, rest, ok := strings.Cut(path, ":")
	return strings.HasPrefix(path, `\`) ||
		ok && len(drive) == 1 && unicode.IsLetter(rune(drive[0])) && (rest == "" || strings.ContainsAny(rest[:1], `/\`))
}

// directoryFindings reports a path that exists and is not a directory. A missing
// directory is created by the service.
func directoryFindings(path, name string) []config.Finding {
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		return nil
	}
	return []config.Finding{{Path: path, Reason: "is not a directory", Suggestion: "name a directory; it is created if it does not exist"}}
}

// sourceFindings checks each entry of the allow-list as the intake parses it.
func sourceFindings(entries []string) []config.Finding {
	var out []config.Finding
	for i, entry := range entries {
		if _, err := udp.NewAllowList([]string{entry}, nil); err != nil {
			out = append(out, config.Finding{
				Path: fmt.Sprintf("udpServerConfig.allowedSources[%d]", i), Reason: "is not an address, a network or a host name",
				Suggestion: "write it like 10.0.0.5, 10.0.0.0/8, fd00::/8 or sense-1.example.com",
			})
		}
	}
	return out
}

// repository checks the headers and certificates for the repository separately, by
// making a client with each of them.
func (i Inspection) repository(section config.QlikServer) []config.Finding {
	bare := repositoryOptions(section)
	bare.UseSSL, bare.CertFile, bare.KeyFile, bare.CAFile = false, "", "", ""
	out := clientFindings(bare, "configQRS.headers.static")
	if !section.UseSSL {
		return out
	}
	return append(out, i.certificates(section)...)
}

// certificates checks separately the client certificate and the CA for a server of
// Qlik Sense.
func (i Inspection) certificates(section config.QlikServer) []config.Finding {
	bare := qrs.Options{Host: section.Host, UseSSL: true}
	certificate, authority := bare, bare
	certificate.CertFile, certificate.KeyFile = section.ClientCert, section.ClientKey
	authority.CAFile = section.CA

	var out []config.Finding
	missing := i.unreadable("cert.clientCert", section.ClientCert)
	missing = append(missing, i.unreadable("cert.clientCertKey", section.ClientKey)...)
	if len(missing) == 0 {
		out = append(out, clientFindings(certificate, "cert.clientCert")...)
	}
	out = append(out, missing...)
	if missing = i.unreadable("cert.clientCertCA", section.CA); len(missing) == 0 {
		return append(out, clientFindings(authority, "cert.clientCertCA")...)
	}
	return append(out, missing...)
}

// clientFindings reports at path why no client can be made with the options.
func clientFindings(o qrs.Options, path string) []config.Finding {
	client, err := qrs.New(o)
	if err != nil {
		return []config.Finding{{Path: path, Reason: err.Error()}}
	}
	client.Close()
	return nil
}

// unreadable reports why a file cannot be read. An empty file name is no finding.
func (i Inspection) unreadable(path, file string) []config.Finding {
	if file == "" {
		return nil
	}
	err := wholefile.Openable(file)
	if err == nil {
		return nil
	}
	f := config.Finding{
		Path: path, Reason: fmt.Sprintf("cannot be read: %v", err),
		Suggestion: "export the certificates in the QMC, or leave configQRS.host empty",
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Suggestion = "let the account of the service read it"
	case i.Elsewhere && errors.Is(err, fs.ErrNotExist):
		f.Warning, f.Suggestion = true, "the service does not start on this machine; "+f.Suggestion
	}
	return []config.Finding{f}
}
