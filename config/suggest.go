package config

import (
	"path"
	"strings"

	"butler/internal/text"
)

// renamed lists names that documents or older files use for a key that is
// called something else; "*" stands for any text.
var renamed = []struct{ pattern, use string }{
	{"influxDb.instanceTag", useInstanceTag},
	{"uptimeMonitor.storeInInfluxdb.instanceTag", useInstanceTag},
	{"uptimeMonitor.storeInInfluxdb.hostIP", useInfluxDB},
	{"uptimeMonitor.storeInInfluxdb.hostPort", useInfluxDB},
	{"uptimeMonitor.storeInInfluxdb.auth", useInfluxDB},
	{"uptimeMonitor.storeInInfluxdb.dbName", useInfluxDB},
	{"uptimeMonitor.storeInInfluxdb.retentionPolicy", useInfluxDB},
	{"configQRS.headerKey", useHeaders},
	{"configQRS.headerValue", useHeaders},
	{"config*.headers.X-*", useHeaders},
	{"configEngine.server", "it is called host"},
	{"configEngine.serverPort", "it is called port"},
	{"configEngine.isSecure", "it is called useSSL"},
	{"config*.cert", "it belongs at cert.clientCert"},
	{"config*.key", "it belongs at cert.clientCertKey"},
	{"config*.ca", "it belongs at cert.clientCertCA"},
	{"*ServerConfig.serverIP", "it is called serverHost"},
	{"mqttConfig.brokerIP", "it is called brokerHost"},
	{"slackConfig", "it is called slackNotification, with a section for each event"},
	{"teamsConfig", "it is called teamsNotification, with a section for each event"},
	{"qlikSenseLicense.licenseRelease.neverReleaseUsers", "it is called neverRelease.user"},
	{"incidentTool.newRelic.reloadTaskFailure.attribute", "it belongs at incidentTool.newRelic.reloadTaskFailure.sharedSettings.attribute"},
	{"incidentTool.newRelic.reloadTaskAborted.attribute", "it belongs at incidentTool.newRelic.reloadTaskAborted.sharedSettings.attribute"},
	{"*Notification.userSessionEvents", noSessions},
	{"mqttConfig.session*Topic", noSessions},
	{"mqttConfig.connection*Topic", noSessions},
	{"mqttConfig.activeUser*Topic", noSessions},
	{"udpServerConfig.portSessionConnectionEvents", noSessions},
	{"restServerEndpointsEnable.activeUser*", noSessions},
	{"restServerEndpointsEnable.apiListEnbledEndpoints", "it is called apiListEnabledEndpoints"},
	{"emailNotification.*.alertEnableByEmailAddress", "it is called alertEnabledByEmailAddress"},
	{"mqttConfig.serviceStartedTopic", "it is called serviceRunningTopic"},
	{"mqttConfig.serviceStateTopic", "it is called serviceStatusTopic"},
	{"udpServerConfig.deduplicationEnable", "it is called deduplication.enable"},
	{"udpServerConfig.deduplicationTtlMinutes", "it is called deduplication.ttlMinutes"},
	{"*enabled", "it is called enable"},
}

// Suggestions that several of them share.
const (
	useInstanceTag = `use an entry of influxDb.tag.static with the name "butler_instance"`
	useInfluxDB    = "remove it: the database is the one of influxDb"
	useHeaders     = `write an entry of headers.static instead: {name: X-Qlik-User, value: "UserDirectory=...; UserId=..."}`
	noSessions     = "remove it: user sessions are not followed"
)

// suggestKey suggests what an unknown key below a section may have been meant for; ""
// when that cannot be guessed.
func suggestKey(in *node, name string) string {
	full := strings.TrimPrefix(in.path+"."+name, ".")
	for _, r := range renamed {
		if match, _ := path.Match(strings.ToLower(r.pattern), strings.ToLower(full)); match {
			return r.use
		}
	}
	names := make([]string, len(in.children))
	for i, c := range in.children {
		names[i] = c.name
	}
	if near := text.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	var deeper []string
	in.named(name, &deeper)
	switch {
	case len(deeper) == 1:
		return "it belongs at " + deeper[0]
	case len(deeper) > 1 && len(deeper) <= maxPlaces:
		return "it belongs deeper, such as at " + deeper[0]
	}
	return ""
}

// maxPlaces is how many keys may share a name before it is no help to suggest one.
const maxPlaces = 6

// named appends the path of every key of that name below n.
func (n *node) named(name string, found *[]string) {
	for _, c := range n.children {
		if strings.EqualFold(c.name, name) {
			*found = append(*found, c.path)
		}
		c.named(name, found)
	}
}
