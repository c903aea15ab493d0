package world

// Null is what the QRS returns for privileges that were not requested: always a nil pointer.
type Null struct{}

// Reference is the short form of an object inside another one.
type Reference struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Privileges *Null  `json:"privileges"`
}

// Definition is a custom property definition.
type Definition struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	ValueType    string   `json:"valueType"`
	ChoiceValues []string `json:"choiceValues"`
	ObjectTypes  []string `json:"objectTypes"`
	Description  string   `json:"description"`
	Privileges   *Null    `json:"privileges"`
	SchemaPath   string   `json:"schemaPath"`
}

// DefinitionReference is the short form of a definition in a value.
type DefinitionReference struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	ValueType    string   `json:"valueType"`
	ChoiceValues []string `json:"choiceValues"`
	Privileges   *Null    `json:"privileges"`
}

// PropertyValue is one value of a custom property on an object.
type PropertyValue struct {
	ID         string              `json:"id"`
	Value      string              `json:"value"`
	Definition DefinitionReference `json:"definition"`
	SchemaPath string              `json:"schemaPath"`
}

// Task is a task of any type as a full document. The pointer fields exist for some
// types only.
type Task struct {
	ID                  string          `json:"id"`
	CreatedDate         string          `json:"createdDate"`
	ModifiedDate        string          `json:"modifiedDate"`
	ModifiedByUserName  string          `json:"modifiedByUserName"`
	CustomProperties    []PropertyValue `json:"customProperties"`
	App                 *AppReference   `json:"app,omitempty"`
	IsManuallyTriggered bool            `json:"isManuallyTriggered"`
	IsPartialReload     *bool           `json:"isPartialReload,omitempty"`
	Path                *string         `json:"path,omitempty"`
	Parameters          *string         `json:"parameters,omitempty"`
	UserDirectories     []Reference     `json:"userDirectories,omitempty"`
	Operational         Operational     `json:"operational"`
	Name                string          `json:"name"`
	TaskType            int             `json:"taskType"`
	Enabled             bool            `json:"enabled"`
	// TaskSessionTimeout is in minutes.
	TaskSessionTimeout int         `json:"taskSessionTimeout"`
	MaxRetries         int         `json:"maxRetries"`
	Tags               []Reference `json:"tags"`
	Privileges         *Null       `json:"privileges"`
	SchemaPath         string      `json:"schemaPath"`
}

// CondensedTask is a task in a condensed list.
type CondensedTask struct {
	ID                 string `json:"id"`
	Name               string `json:"name"`
	TaskType           int    `json:"taskType"`
	Enabled            bool   `json:"enabled"`
	TaskSessionTimeout int    `json:"taskSessionTimeout"`
	MaxRetries         int    `json:"maxRetries"`
	Privileges         *Null  `json:"privileges"`
}

// Condensed returns the short form.
func (t *Task) Condensed() any {
	return CondensedTask{
		ID: t.ID, Name: t.Name, TaskType: t.TaskType, Enabled: t.Enabled,
		TaskSessionTimeout: t.TaskSessionTimeout, MaxRetries: t.MaxRetries,
	}
}

// Operational is the scheduler's data of a task.
type Operational struct {
	ID                  string          `json:"id"`
	LastExecutionResult ExecutionResult `json:"lastExecutionResult"`
	NextExecution       string          `json:"nextExecution"`
	Privileges          *Null           `json:"privileges"`
}

// ExecutionResult is the last execution of a task at the time of reading.
type ExecutionResult struct {
	ID                string `json:"id"`
	ExecutingNodeName string `json:"executingNodeName"`
	Status            int    `json:"status"`
	StartTime         string `json:"startTime"`
	StopTime          string `json:"stopTime"`
	// Duration is in milliseconds.
	Duration           int64    `json:"duration"`
	FileReferenceID    string   `json:"fileReferenceID"`
	ScriptLogAvailable bool     `json:"scriptLogAvailable"`
	Details            []Detail `json:"details"`
	ScriptLogLocation  string   `json:"scriptLogLocation"`
	// ScriptLogSize is in bytes.
	ScriptLogSize int   `json:"scriptLogSize"`
	Privileges    *Null `json:"privileges"`
}

// Detail is one step of an execution.
type Detail struct {
	ID                string `json:"id"`
	DetailsType       int    `json:"detailsType"`
	Message           string `json:"message"`
	DetailCreatedDate string `json:"detailCreatedDate"`
	Privileges        *Null  `json:"privileges"`
}

// AppReference is the short form of an app in a task.
type AppReference struct {
	ID                    string     `json:"id"`
	Name                  string     `json:"name"`
	AppID                 string     `json:"appId"`
	Published             bool       `json:"published"`
	PublishTime           string     `json:"publishTime"`
	Stream                *Reference `json:"stream"`
	SavedInProductVersion string     `json:"savedInProductVersion"`
	MigrationHash         string     `json:"migrationHash"`
	AvailabilityStatus    int        `json:"availabilityStatus"`
	Privileges            *Null      `json:"privileges"`
}

// App is an app as a full document.
type App struct {
	ID                 string          `json:"id"`
	CreatedDate        string          `json:"createdDate"`
	ModifiedDate       string          `json:"modifiedDate"`
	ModifiedByUserName string          `json:"modifiedByUserName"`
	CustomProperties   []PropertyValue `json:"customProperties"`
	Owner              UserReference   `json:"owner"`
	Name               string          `json:"name"`
	AppID              string          `json:"appId"`
	PublishTime        string          `json:"publishTime"`
	Published          bool            `json:"published"`
	Tags               []Reference     `json:"tags"`
	Description        string          `json:"description"`
	Stream             *Reference      `json:"stream"`
	// FileSize is in bytes.
	FileSize              int64  `json:"fileSize"`
	LastReloadTime        string `json:"lastReloadTime"`
	Thumbnail             string `json:"thumbnail"`
	SavedInProductVersion string `json:"savedInProductVersion"`
	Privileges            *Null  `json:"privileges"`
	SchemaPath            string `json:"schemaPath"`
}

// Condensed returns the short form.
func (a *App) Condensed() any { return a.reference() }

func (a *App) reference() AppReference {
	return AppReference{
		ID: a.ID, Name: a.Name, Published: a.Published, PublishTime: a.PublishTime, Stream: a.Stream,
		SavedInProductVersion: a.SavedInProductVersion,
	}
}

// UserReference is the short form of a user in another object.
type UserReference struct {
	ID                         string `json:"id"`
	UserID                     string `json:"userId"`
	UserDirectory              string `json:"userDirectory"`
	UserDirectoryConnectorName string `json:"userDirectoryConnectorName"`
	Name                       string `json:"name"`
	Privileges                 *Null  `json:"privileges"`
}

// User is a user as a full document.
type User struct {
	ID                string          `json:"id"`
	CreatedDate       string          `json:"createdDate"`
	ModifiedDate      string          `json:"modifiedDate"`
	CustomProperties  []PropertyValue `json:"customProperties"`
	UserID            string          `json:"userId"`
	UserDirectory     string          `json:"userDirectory"`
	Name              string          `json:"name"`
	Roles             []string        `json:"roles"`
	Attributes        []Attribute     `json:"attributes"`
	Inactive          bool            `json:"inactive"`
	RemovedExternally bool            `json:"removedExternally"`
	Blacklisted       bool            `json:"blacklisted"`
	DeleteProhibited  bool            `json:"deleteProhibited"`
	Tags              []Reference     `json:"tags"`
	Privileges        *Null           `json:"privileges"`
	SchemaPath        string          `json:"schemaPath"`
}

// Condensed returns the short form.
func (u *User) Condensed() any { return u.reference() }

func (u *User) reference() UserReference {
	return UserReference{
		ID: u.ID, UserID: u.UserID, UserDirectory: u.UserDirectory,
		UserDirectoryConnectorName: u.UserDirectory, Name: u.Name,
	}
}

// Attribute is an attribute of a user from a user directory.
type Attribute struct {
	ID             string `json:"id"`
	AttributeType  string `json:"attributeType"`
	AttributeValue string `json:"attributeValue"`
	ExternalID     string `json:"externalId"`
}

// Stream is a stream of published apps.
type Stream struct {
	ID          string        `json:"id"`
	CreatedDate string        `json:"createdDate"`
	Name        string        `json:"name"`
	Owner       UserReference `json:"owner"`
	Privileges  *Null         `json:"privileges"`
	SchemaPath  string        `json:"schemaPath"`
}

// Condensed returns the short form.
func (s *Stream) Condensed() any { return Reference{ID: s.ID, Name: s.Name} }

// Tag is a tag of other objects.
type Tag struct {
	ID          string `json:"id"`
	CreatedDate string `json:"createdDate"`
	Name        string `json:"name"`
	Privileges  *Null  `json:"privileges"`
	SchemaPath  string `json:"schemaPath"`
}

// Condensed returns the short form.
func (t *Tag) Condensed() any { return Reference{ID: t.ID, Name: t.Name} }

// Condensed returns the short form.
func (d *Definition) Condensed() any { return d.reference() }

func (d *Definition) reference() DefinitionReference {
	return DefinitionReference{ID: d.ID, Name: d.Name, ValueType: d.ValueType, ChoiceValues: d.ChoiceValues}
}

// Node is a server of the site.
type Node struct {
	ID               string `json:"id"`
	Name             string `json:"name"`
	HostName         string `json:"hostName"`
	IsCentral        bool   `json:"isCentral"`
	SchedulerEnabled bool   `json:"schedulerEnabled"`
	Privileges       *Null  `json:"privileges"`
	SchemaPath       string `json:"schemaPath"`
}

// Condensed returns the short form.
func (n *Node) Condensed() any { return Reference{ID: n.ID, Name: n.Name} }

// AccessType is one professional or analyzer licence that a user holds.
type AccessType struct {
	ID            string        `json:"id"`
	LastUsed      string        `json:"lastUsed"`
	Excess        bool          `json:"excess"`
	Quarantined   bool          `json:"quarantined"`
	QuarantineEnd string        `json:"quarantineEnd"`
	User          UserReference `json:"user"`
	Privileges    *Null         `json:"privileges"`
	SchemaPath    string        `json:"schemaPath"`
}

// Condensed returns the short form, which is the full document.
func (a *AccessType) Condensed() any { return a }

// Licence is the server licence.
type Licence struct {
	ID              string `json:"id"`
	LEF             string `json:"lef"`
	Serial          string `json:"serial"`
	Key             string `json:"key"`
	KeyDetails      string `json:"keyDetails"`
	Name            string `json:"name"`
	Organization    string `json:"organization"`
	Product         int    `json:"product"`
	NumberOfCores   int    `json:"numberOfCores"`
	IsExpired       bool   `json:"isExpired"`
	ExpiredReason   string `json:"expiredReason"`
	IsBlacklisted   bool   `json:"isBlacklisted"`
	IsInvalid       bool   `json:"isInvalid"`
	IsSubscription  bool   `json:"isSubscription"`
	IsCloudServices bool   `json:"isCloudServices"`
	IsElastic       bool   `json:"isElastic"`
	Updated         string `json:"updated"`
	SchemaPath      string `json:"schemaPath"`
}

// TokenPool counts the use of one kind of token. Login access has unavailable
// tokens where user access has quarantined ones.
type TokenPool struct {
	Enabled           bool `json:"enabled"`
	TokenCost         int  `json:"tokenCost"`
	AllocatedTokens   int  `json:"allocatedTokens"`
	UsedTokens        int  `json:"usedTokens"`
	QuarantinedTokens *int `json:"quarantinedTokens,omitempty"`
	UnavailableTokens *int `json:"unavailableTokens,omitempty"`
}

// LicencePool counts the licences of one kind.
type LicencePool struct {
	Enabled     bool `json:"enabled"`
	Total       int  `json:"total"`
	Allocated   int  `json:"allocated"`
	Used        int  `json:"used"`
	Quarantined int  `json:"quarantined"`
	Available   int  `json:"available"`
	Excess      int  `json:"excess"`
}

// MinutePool counts the minutes of analyzer capacity.
type MinutePool struct {
	Enabled            bool `json:"enabled"`
	AllocatedMinutes   int  `json:"allocatedMinutes"`
	UsedMinutes        int  `json:"usedMinutes"`
	UnavailableMinutes int  `json:"unavailableMinutes"`
}

// AccessOverview is the licence use of the site.
type AccessOverview struct {
	TotalTokens        int         `json:"totalTokens"`
	AvailableTokens    int         `json:"availableTokens"`
	TokensEnabled      bool        `json:"tokensEnabled"`
	UserAccess         TokenPool   `json:"userAccess"`
	LoginAccess        TokenPool   `json:"loginAccess"`
	ProfessionalAccess LicencePool `json:"professionalAccess"`
	AnalyzerAccess     LicencePool `json:"analyzerAccess"`
	AnalyzerTimeAccess MinutePool  `json:"analyzerTimeAccess"`
	SchemaPath         string      `json:"schemaPath"`
}

// SystemInfo is the product's version document, served on a port of its own.
type SystemInfo struct {
	ContentHash              string `json:"contentHash"`
	SenseID                  string `json:"senseId"`
	Version                  string `json:"version"`
	DeploymentType           string `json:"deploymentType"`
	ReleaseLabel             string `json:"releaseLabel"`
	DeprecatedProductVersion string `json:"deprecatedProductVersion"`
	ProductName              string `json:"productName"`
	CopyrightYearRange       string `json:"copyrightYearRange"`
}
