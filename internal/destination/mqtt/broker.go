package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strconv"

	"butler/internal/destination"
	"butler/internal/mqttconn/topic"
	"butler/internal/secret"
)

// Broker describes the connection: the broker, the login and the protection.
type Broker struct {
	// Address is host:port.
	Address string
	// ClientID is "" for a random one. With KeepSession the broker keeps messages for it.
	ClientID    string
	KeepSession bool
	User        string
	Password    secret.String
	// TLS protects the connection; the files are "" for none.
	TLS                   bool
	CA, CertFile, KeyFile string
	// WebSocket is its path; "" means plain TCP.
	WebSocket string
	// ListenerTopic gets the status of the receiver of task events; "" for none.
	ListenerTopic string
}

// Broker returns the connection that the section describes, with file paths as written.
func (c Config) Broker() Broker {
	b := Broker{
		Address: net.JoinHostPort(c.BrokerHost, strconv.Itoa(c.BrokerPort)), ListenerTopic: c.TaskFailureServerStatusTopic,
		ClientID: c.ClientID, KeepSession: !c.CleanSession, User: c.Username, Password: c.Password,
	}
	if c.TLS.Enable {
		b.TLS, b.CertFile, b.KeyFile = true, c.TLS.Cert, c.TLS.Key
	}
	if c.WebSocket.Enable {
		b.WebSocket = c.WebSocket.Path
	}
	if grid := c.AzureEventGrid; grid.Enable {
		b.ClientID, b.User, b.Password = grid.ClientID, grid.ClientID, ""
		b.TLS, b.CertFile, b.KeyFile = true, grid.ClientCertFile, grid.ClientKeyFile
	}
	if b.TLS {
		b.CA = c.TLS.CA
	}
	return b
}

// checkBroker lists the problems of the connection and of incoming messages.
func checkBroker(c Config, d destination.Deps) destination.Problems {
	var p destination.Problems
	if status := c.TaskFailureServerStatusTopic; status != "" {
		if err := topic.Check(status); err != nil {
			p.Warn("mqttConfig.taskFailureServerStatusTopic", err.Error(), "write a topic such as qliksense/butler/task_failure_server")
		}
	}
	checkFiles(c, d, &p)
	if !c.CleanSession && c.Broker().ClientID == "" {
		p.Wrong("mqttConfig.cleanSession", "is false, but the client ID is a random one, so the broker would keep messages for nobody",
			"set mqttConfig.clientId to a name that no other client has")
	}
	if path := c.WebSocket.Path; c.WebSocket.Enable && path == "" {
		p.Wrong("mqttConfig.webSocket.path", "is empty", "write the path of the broker's WebSocket, often /mqtt")
	}
	checkIncoming(c, &p)
	return p
}

// checkFiles notes certificates that cannot be used. Each connection reads them
// again, so these are warnings.
func checkFiles(c Config, d destination.Deps, p *destination.Problems) {
	const until = "there is no connection until it is"
	b := c.Broker()
	if b.TLS && b.CA != "" {
		pem, err := os.ReadFile(d.Path(b.CA))
		switch {
		case err != nil:
			p.Warn("mqttConfig.tls.ca", err.Error(), until+" there")
		case !x509.NewCertPool().AppendCertsFromPEM(pem):
			p.Warn("mqttConfig.tls.ca", "holds no certificate", until+" a PEM file")
		}
	}
	key := "mqttConfig.tls.cert"
	if c.AzureEventGrid.Enable {
		key = "mqttConfig.azureEventGrid.clientCertFile"
	}
	if b.CertFile == "" && b.KeyFile == "" {
		return
	}
	if _, err := tls.LoadX509KeyPair(d.Path(b.CertFile), d.Path(b.KeyFile)); err != nil {
		p.Warn(key, err.Error(), "nothing is published until the certificate and its key are there")
	}
}

// checkIncoming notes what prevents messages from coming in.
func checkIncoming(c Config, p *destination.Problems) {
	root, start := c.SubscriptionRootTopic, c.TaskStartTopic
	if root != "" {
		if err := topic.CheckFilter(root); err != nil {
			p.Wrong("mqttConfig.subscriptionRootTopic", err.Error(), "write a filter such as qliksense/#")
			return
		}
	}
	if start == "" {
		return
	}
	if err := topic.Check(start); err != nil {
		p.Wrong("mqttConfig.taskStartTopic", err.Error(), "write a topic such as qliksense/start_task")
		return
	}
	if !topic.Matches(root, start) {
		p.Warn("mqttConfig.taskStartTopic", "is not part of what is subscribed to, so no message starts a task",
			"widen mqttConfig.subscriptionRootTopic, or empty the topic when no message is to start tasks")
	}
}
