package config

// The sections of the monitors.

// Poll says whether a monitor runs, and when.
type Poll struct {
	Enable bool
	// Frequency is a schedule text, such as "every 6 hours".
	Frequency string
}

// VersionMonitor watches the version of Qlik Sense.
type VersionMonitor struct {
	Poll               `mapstructure:",squash"`
	Host               string
	Port               int
	RejectUnauthorized bool
}

// LicenseMonitor watches the server licence.
type LicenseMonitor struct {
	Poll  `mapstructure:",squash"`
	Alert struct{ ThresholdDays int }
}

// LicenseRelease takes access licences from users who do not use them.
type LicenseRelease struct {
	Poll   `mapstructure:",squash"`
	DryRun bool
	// MaxPerRun is how many one run releases at most; 0 means any number.
	MaxPerRun int
	// ReportDirectory is absolute.
	ReportDirectory string
	LicenseType     struct{ Professional, Analyzer ReleaseType }
	NeverRelease    NeverRelease
}

// ReleaseType says whether a type of licence is released, and after how many days without use.
type ReleaseType struct {
	Enable               bool
	ReleaseThresholdDays int
}

// NeverRelease says whose licences are kept.
type NeverRelease struct {
	User           []LicenseUser
	Tag            []string
	CustomProperty []Property
	UserDirectory  []string
	// Inactive, Blocked and RemovedExternally are yes, no or ignore.
	Inactive, Blocked, RemovedExternally string
}

// LicenseUser is a user of Qlik Sense.
type LicenseUser struct{ UserDir, UserID string }

// VersionMonitor returns the section qlikSenseVersion.versionMonitor.
func (c *Config) VersionMonitor() VersionMonitor { return c.core.QlikSenseVersion.VersionMonitor }

// ServerLicenseMonitor returns the section qlikSenseLicense.serverLicenseMonitor.
func (c *Config) ServerLicenseMonitor() LicenseMonitor {
	return c.core.QlikSenseLicense.ServerLicenseMonitor
}

// AccessLicenseMonitor returns the section qlikSenseLicense.licenseMonitor.
func (c *Config) AccessLicenseMonitor() Poll { return c.core.QlikSenseLicense.LicenseMonitor }

// LicenseRelease returns the section qlikSenseLicense.licenseRelease. Its lists
// belong to the configuration and must not be changed.
func (c *Config) LicenseRelease() LicenseRelease {
	r := c.core.QlikSenseLicense.LicenseRelease
	r.ReportDirectory = c.Path(r.ReportDirectory)
	return r
}
