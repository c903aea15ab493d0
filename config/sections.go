package config

import (
	"time"

	"butler/internal/secret"
)

// The sections of the service itself. They are plain values: a caller gets a
// copy and may keep it. Paths in them are absolute.

// Log is the logging section.
type Log struct {
	// Level is one of error, warn, info, verbose, debug, silly.
	Level string `mapstructure:"logLevel"`
	// ToFiles also logs to a file per day in Directory.
	ToFiles   bool   `mapstructure:"fileLogging"`
	Directory string `mapstructure:"logDirectory"`
}

// Header is a header of every call to a server.
type Header struct {
	Name  string
	Value secret.String
}

// QlikServer says where a server of Qlik Sense is and how to log in.
type QlikServer struct {
	// Host is empty when no such server is configured.
	Host               string
	Port               int
	UseSSL             bool
	RejectUnauthorized bool
	// Headers hold X-Qlik-User at least. Frozen.
	Headers []Header
	// ClientCert, ClientKey and CA are PEM files.
	ClientCert, ClientKey, CA string
}

// Enabled reports whether there is a server to ask.
func (q QlikServer) Enabled() bool { return q.Host != "" }

// Engine says where the Qlik engine is, and limits the load on it.
type Engine struct {
	Server QlikServer
	// MaxReloads is how many apps may be reloaded at once.
	MaxReloads    int
	ReloadTimeout time.Duration
	DumpTimeout   time.Duration
	MaxDumpBytes  int64
}

// UDP says where events arrive and which are accepted.
type UDP struct {
	Enable bool
	Host   string `mapstructure:"serverHost"`
	// Port is 0 for any free one.
	Port            int `mapstructure:"portTaskFailure"`
	MaxMessageSize  int
	ValidateSources bool `mapstructure:"enableSourceValidation"`
	// AllowedSources are addresses, networks and host names. Frozen.
	AllowedSources    []string
	ReceiveBuffer     int `mapstructure:"receiveBufferBytes"`
	RecoverSemicolons bool
	Queue             Queue         `mapstructure:"messageQueue"`
	RateLimit         RateLimit     `mapstructure:"rateLimit"`
	Deduplication     Deduplication `mapstructure:"deduplication"`
}

// Queue holds the limits for warnings about events that wait for a decision.
type Queue struct {
	MaxSize int
	// BackpressurePercent of MaxSize is when a warning is given, 0 to 100.
	BackpressurePercent float64 `mapstructure:"backpressureThreshold"`
}

// RateLimit bounds incoming events.
type RateLimit struct {
	Enable    bool
	PerMinute int `mapstructure:"maxMessagesPerMinute"`
}

// Deduplication says for how long a repeated event is recognised.
type Deduplication struct {
	Enable     bool
	TTLMinutes float64
}

// longestTTL caps the TTL, because a time.Duration cannot hold much more.
const longestTTL = 100 * 365 * 24 * time.Hour

// TTL returns the time for which an event is remembered.
func (d Deduplication) TTL() time.Duration {
	return time.Duration(min(d.TTLMinutes, longestTTL.Minutes()) * float64(time.Minute))
}

// Links are the addresses that messages show.
type Links struct {
	QMC        string
	Hub        string
	AppBaseURL string
	// Generic are the operator's own links. Frozen.
	Generic []GenericURL
}

// GenericURL is one link of the operator's own.
type GenericURL struct{ ID, LinkText, Comment, URL string }

// Journal says what is remembered on disk.
type Journal struct {
	Directory string
	MaxBytes  int64
	KeepFor   time.Duration
	KeepBytes int64
	// TrailFor and TrailBytes bound what is kept to explain what was done.
	TrailFor   time.Duration
	TrailBytes int64
	InMemory   bool
}

// Execution says how an event becomes alerts.
type Execution struct {
	DegradedAfter          time.Duration
	DistributePollInterval time.Duration
	DistributeMaxAge       time.Duration
	FinalStateAttempts     int
	FinalStateInterval     time.Duration
	Shards                 int
}

// Gate limits the load on the repository (section qrs).
type Gate struct {
	MaxConcurrent   int
	Timeout         time.Duration
	CacheTTL        time.Duration
	StaleFor        time.Duration
	BreakerFailures int
	BreakerOpenFor  time.Duration
}

// Delivery says how notices are sent.
type Delivery struct {
	RetryInitial    time.Duration
	RetryMax        time.Duration
	ParkAfter       time.Duration
	ParkedKeepFor   time.Duration
	ParkedMaxBytes  int64
	MaxInFlight     int
	BreakerFailures int
	BreakerOpenFor  time.Duration
	ShutdownTimeout time.Duration
}

// Operations says where metrics, health and administration are served.
type Operations struct {
	Enable bool
	Host   string
	// Port is 0 for any free one.
	Port        int
	TaskMetrics TaskMetrics
}

// TaskMetrics choose the tasks that have metrics of their own: none, unless some
// are named. The lists are frozen.
type TaskMetrics struct {
	// Tasks are IDs.
	Tasks, TaskTags []string
	MaxTasks        int
}

// Page says where the page of the configuration is served.
type Page struct {
	Enable bool
	Host   string
	// Port is 0 for any free one.
	Port int
	// Obfuscate also masks private data: see MaskPrivate.
	Obfuscate bool
}

// Heartbeat says which address to call regularly, to show that the service is alive.
type Heartbeat struct {
	Enable    bool
	RemoteURL secret.String
	// Frequency is a schedule text.
	Frequency string
}

// UptimeMonitor says when uptime and memory are reported.
type UptimeMonitor struct {
	Enable bool
	// Frequency is a schedule text.
	Frequency string
	// LogLevel is one of those of Log.
	LogLevel string
}

// HealthCheck says where health checks of containers are answered, on this machine.
type HealthCheck struct {
	Enable bool
	Port   int
}

// RESTServer says where the REST API is served, and to whom.
type RESTServer struct {
	Enable bool
	Host   string `mapstructure:"serverHost"`
	// Port is 0 for any free one.
	Port int `mapstructure:"serverPort"`
	// MaxCallsPerMinute is how many calls one client may make; 0 means no limit.
	MaxCallsPerMinute int
	TLS               TLS `mapstructure:"tls"`
	// AllowedHosts are names of the server beside its own. Frozen.
	AllowedHosts []string
	Auth         Auth `mapstructure:"auth"`
}

// TLS are the files of an HTTPS server.
type TLS struct {
	Enable bool
	// Cert and Key are PEM files. CA vouches for client certificates.
	Cert, Key, CA string
}

// Auth says how a caller has to authenticate.
type Auth struct {
	// Mode is none, keys, certificates or either.
	Mode string
	// KeyFile holds the API keys.
	KeyFile string
	// Certificates are the holders of client certificates. Frozen.
	Certificates []CertificateHolder
}

// CertificateHolder is who a client certificate stands for.
type CertificateHolder struct {
	CommonName string
	// Scopes and Tags are frozen.
	Scopes, Tags []string
}

// Files are the directories that file operations may reach. The lists are frozen.
type Files struct {
	Copy, Move []DirectoryPair
	Delete     []string
	// QVD is the directory below which directories for QVD files are made.
	QVD string
}

// DirectoryPair approves operations from one directory to another.
type DirectoryPair struct {
	From string `mapstructure:"fromDirectory"`
	To   string `mapstructure:"toDirectory"`
}

// StartFilter is what may be started from outside (section startTaskFilter). The lists are frozen.
type StartFilter struct {
	Enable    bool
	AllowTask struct {
		TaskID, Tag    []string
		CustomProperty []Property
	}
}

// Scheduler starts tasks by the clock.
type Scheduler struct {
	Enable bool
	// ConfigFile holds the schedules.
	ConfigFile string
}

// Property is a value of a custom property.
type Property struct{ Name, Value string }

// ServiceMonitor says which Windows services are watched, and how.
type ServiceMonitor struct {
	Enable bool
	// Frequency is a schedule text.
	Frequency string
	// Timeout is how long one host may take to answer.
	Timeout     time.Duration
	FlapDamping FlapDamping
	// Hosts are in the order of the file. Frozen.
	Hosts []ServiceHost `mapstructure:"monitor"`
}

// FlapDamping limits the alerts about a service that starts and stops repeatedly.
type FlapDamping struct {
	// Changes is how many changes within Within are alerted; 0 means all.
	Changes int
	Within  time.Duration
	// Quiet is how long the state has to be stable before changes are alerted again.
	Quiet time.Duration
}

// ServiceHost is a host with the services on it that are watched.
type ServiceHost struct {
	Host     string
	Services []NamedService
}

// NamedService is a service with the operator's own name for it.
type NamedService struct{ Name, FriendlyName string }

// core is everything above, as it is decoded.
type core struct {
	Log          Log `mapstructure:",squash"`
	Cert         struct{ ClientCert, ClientCertKey, ClientCertCA string }
	ConfigQRS    qlikServer
	ConfigEngine struct {
		Server        qlikServer `mapstructure:",squash"`
		MaxReloads    int
		ReloadTimeout time.Duration
		DumpTimeout   time.Duration
		MaxDumpBytes  int64
	}
	UDPServerConfig UDP
	QlikSenseURLs   struct{ QMC, Hub, AppBaseURL string }
	GenericURLs     []GenericURL
	Journal         Journal
	Execution       Execution
	QRS             Gate
	Delivery        Delivery
	Operations      Operations
	Reload          struct{ OnFileChange bool }

	ConfigVisualisation Page
	DockerHealthCheck   HealthCheck
	SystemInfo          struct{ Enable bool }
	Heartbeat           Heartbeat
	UptimeMonitor       UptimeMonitor

	RESTServerConfig RESTServer
	KeyValueStore    struct{ MaxKeysPerNamespace int }

	StartTaskFilter StartFilter
	Scheduler       Scheduler
	ServiceMonitor  ServiceMonitor

	QlikSenseVersion struct{ VersionMonitor VersionMonitor }
	QlikSenseLicense struct {
		ServerLicenseMonitor LicenseMonitor
		LicenseMonitor       Poll
		LicenseRelease       LicenseRelease
	}

	FileCopyApprovedDirectories   []DirectoryPair
	FileMoveApprovedDirectories   []DirectoryPair
	FileDeleteApprovedDirectories []string
	ConfigDirectories             struct{ QVDPath string }
}

// qlikServer is a QlikServer as it is decoded.
type qlikServer struct {
	Host               string
	Port               int
	UseSSL             bool
	RejectUnauthorized bool
	Headers            struct{ Static []Header }
}
