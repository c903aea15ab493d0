package mqtt

import (
	"butler/internal/destination"
	"butler/internal/mqttconn/topic"
	"butler/internal/secret"
	"butler/messages"
)

// Config is the section mqttConfig, with the switches of the monitors.
type Config struct {
	Enable     bool
	BrokerHost string
	BrokerPort int
	// ClientID is "" for a random one.
	ClientID string
	// CleanSession false asks the broker to keep messages while the program is not connected.
	CleanSession bool
	Username     string
	Password     secret.String
	TLS          TLS
	WebSocket    WebSocket
	// AzureEventGrid replaces the login.
	AzureEventGrid AzureEventGrid
	// SubscriptionRootTopic is the subscribed filter, TaskStartTopic the topic within it
	// that starts tasks. If empty, nothing is received.
	SubscriptionRootTopic, TaskStartTopic string
	// The topics of the sections. Nothing is published to an empty one.
	TaskFailureTopic, TaskFailureFullTopic                         string
	TaskAbortedTopic, TaskAbortedFullTopic                         string
	TaskFailureSendFull, TaskAbortedSendFull                       bool
	TaskFailureServerStatusTopic                                   string
	ServiceRunningTopic, ServiceStoppedTopic, ServiceStatusTopic   string
	QlikSenseServerLicenseTopic, QlikSenseServerLicenseExpireTopic string
	QlikSenseCloudAppReloadFailureTopic                            string

	services serviceSwitch
	license  licenseSwitches
}

// AzureEventGrid is a connection over TLS with a client certificate.
type AzureEventGrid struct {
	Enable         bool
	ClientID       string
	ClientCertFile string
	ClientKeyFile  string
}

// TLS protects the connection.
type TLS struct {
	Enable        bool
	CA, Cert, Key string
}

// WebSocket speaks MQTT over a WebSocket.
type WebSocket struct {
	Enable bool
	Path   string
}

// Settings are what one use publishes.
type Settings struct {
	Topic string
	// Full sends a JSON document instead of one line of text.
	Full bool

	// perService appends the host and the service to the topic.
	perService bool
	// inSection means that the path of the use is the key of the topic itself.
	inSection bool
}

// serviceSwitch is the MQTT section of the service monitor.
type serviceSwitch struct{ Enable bool }

// licenseSwitches are the MQTT section of the licence monitor.
type licenseSwitches struct {
	Enable        bool
	SendRecurring struct{ Enable bool }
	SendAlert     struct{ Enable bool }
}

// readSwitches reads which data of the monitors are published.
func readSwitches(read destination.Decode, c *Config) error {
	if err := read("serviceMonitor.alertDestination.mqtt", &c.services); err != nil {
		return err
	}
	return read("qlikSenseLicense.serverLicenseMonitor.destination.mqtt", &c.license)
}

// uses lists what the section publishes, with an instance per kind and form so that
// none waits for another.
func uses(c Config) []destination.Use[Settings] {
	if !c.Enable {
		return nil
	}
	recurring, alert := c.license.Enable && c.license.SendRecurring.Enable, c.license.Enable && c.license.SendAlert.Enable
	var out []destination.Use[Settings]
	for _, u := range []struct {
		kind     messages.AlertKind
		form     string
		key      string
		on       bool
		settings Settings
	}{
		{messages.ReloadTaskFailed, "", "taskFailureTopic", true, Settings{Topic: c.TaskFailureTopic}},
		{messages.ReloadTaskFailed, "/full", "taskFailureFullTopic", c.TaskFailureSendFull, Settings{Topic: c.TaskFailureFullTopic, Full: true}},
		{messages.ReloadTaskAborted, "", "taskAbortedTopic", true, Settings{Topic: c.TaskAbortedTopic}},
		{messages.ReloadTaskAborted, "/full", "taskAbortedFullTopic", c.TaskAbortedSendFull, Settings{Topic: c.TaskAbortedFullTopic, Full: true}},
		{messages.ServiceStopped, "", "serviceStoppedTopic", c.services.Enable, Settings{Topic: c.ServiceStoppedTopic, Full: true, perService: true}},
		{messages.ServiceStarted, "", "serviceRunningTopic", c.services.Enable, Settings{Topic: c.ServiceRunningTopic, Full: true, perService: true}},
		{messages.ServiceStatus, "", "serviceStatusTopic", c.services.Enable, Settings{Topic: c.ServiceStatusTopic, Full: true, perService: true}},
		{messages.LicenseStatus, "", "qlikSenseServerLicenseTopic", recurring, Settings{Topic: c.QlikSenseServerLicenseTopic, Full: true}},
		{messages.LicenseExpiring, "", "qlikSenseServerLicenseExpireTopic", alert, Settings{Topic: c.QlikSenseServerLicenseExpireTopic}},
		{messages.CloudReloadFailed, "", "qlikSenseCloudAppReloadFailureTopic", true, Settings{Topic: c.QlikSenseCloudAppReloadFailureTopic, Full: true}},
	} {
		if !u.on || u.settings.Topic == "" {
			continue
		}
		u.settings.inSection = true
		out = append(out, destination.Use[Settings]{
			Name: string(u.kind) + u.form, Path: "mqttConfig." + u.key, Kinds: []messages.AlertKind{u.kind}, Settings: u.settings,
		})
	}
	return out
}

// checkTopic lists the problems of a use's topic.
func checkTopic(_ Config, u destination.Use[Settings], _ destination.Deps) destination.Problems {
	var p destination.Problems
	key := "topic"
	if u.Settings.inSection {
		key = ""
	}
	if err := topic.Check(u.Settings.Topic); err != nil {
		p.Wrong(key, err.Error(), "write a topic such as qliksense/task_failure")
	}
	return p
}
