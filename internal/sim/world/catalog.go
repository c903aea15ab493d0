package world

import "butler/internal/qlik"

// The catalogue is the part of a world that people look at: objects with individual
// names. All further objects are generated from their number.

type demoUser struct {
	id, directory, name string
	emails              []string
	groups              []string
	inactive            bool
	removed             bool
	blacklisted         bool
	keepLicence         bool
}

var demoUsers = [...]demoUser{
	{id: "asa.lind", directory: "LAB", name: "Åsa Lind", emails: []string{"asa.lind@example.com"}, groups: []string{"BI Team"}},
	{id: "mobrien", directory: "LAB", name: "Maeve O'Brien", emails: []string{"maeve.o'brien@example.com"}, groups: []string{"Finance"}},
	{id: "jortiz", directory: "LAB", name: "Joaquín Ortiz", emails: []string{"j.ortiz@example.com", "j.ortiz@example.org"}, groups: []string{"Sales & Marketing"}},
	{id: "twright", directory: "LAB", name: "Tom Wright", groups: []string{"Operations"}},
	{id: "yuki", directory: "LAB", name: "佐藤 ゆき", emails: []string{"yuki.sato@example.com"}, groups: []string{"Quality"}},
	{id: "nadia.k", directory: "CORP", name: "Nadia Kowalska", emails: []string{"nadia.kowalska@example.com"}, inactive: true},
	{id: "pwolf", directory: "CORP", name: "Peter Wolf", emails: []string{"peter.wolf@example.com"}, removed: true},
	{id: "contractor7", directory: "EXT", name: "Contractor No. 7", emails: []string{"c7@example.net"}, blacklisted: true},
	{id: "cfo", directory: "LAB", name: "Ingrid & Co. (CFO)", emails: []string{"cfo@example.com"}, keepLicence: true},
	{id: "sa_scheduler", directory: "INTERNAL", name: "sa_scheduler"},
	{id: "sa_repository", directory: "INTERNAL", name: "sa_repository"},
	{id: "zoe.b", directory: "LAB", name: "Zoë B.", emails: []string{"zoe@example.com"}, groups: []string{"BI Team"}},
}

// everyoneStream has the same identifier on every Qlik Sense site.
const everyoneStream = "aaec8d41-5201-43ab-809f-3063750dfafd"

var demoStreams = [...]string{"Everyone", "Finance", "Sales & Marketing", "Opérations 🏭"}

var demoTags = [...]string{
	"Production", "Test", "Finance", "startTask1", "R&D", "O'Malley's feeds", "critical 🔥", "100% automatic", "Sales",
}

type demoDefinition struct {
	name    string
	choices []string
	objects []string
}

var (
	yesNo       = []string{"Yes", "No"}
	onReload    = []string{"ReloadTask"}
	onTasks     = []string{"ReloadTask", "ExternalProgramTask", "UserSyncTask"}
	onApps      = []string{"App"}
	onUsers     = []string{"User"}
	departments = []string{"Finance", "Sales", "R&D", "Operations"}
)

var demoDefinitions = [...]demoDefinition{
	{name: "Butler_FailedAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_FailedAlertSendToEmail", objects: onReload},
	{name: "Butler_AbortedAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_AbortedAlertSendToEmail", objects: onReload},
	{name: "Butler_SuccessAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_SuccessAlertSendToEmail", objects: onReload},
	{name: "Butler_SuccessReloadTask_InfluxDB", choices: yesNo, objects: onReload},
	{name: "Butler_DistributeFailedAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_DistributeFailedAlertSendToEmail", objects: onReload},
	{name: "Butler_DistributeSuccessAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_DistributeSuccessAlertSendToEmail", objects: onReload},
	{name: "Butler_PreloadFailedAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_PreloadFailedAlertSendToEmail", objects: onReload},
	{name: "Butler_PreloadSuccessAlertEnableEmail", choices: yesNo, objects: onReload},
	{name: "Butler_PreloadSuccessAlertSendToEmail", objects: onReload},
	{name: "Butler_FailedTask_NewRelic", choices: []string{"First NR account", "Second NR account"}, objects: onReload},
	{name: "Butler_AbortedTask_NewRelic", choices: []string{"First NR account", "Second NR account"}, objects: onReload},
	{name: "startTask1CustomProperty", choices: []string{"startTask1Value", "it's value 2"}, objects: onTasks},
	{name: "Department", choices: departments, objects: onApps},
	{name: "LicencePolicy", choices: []string{"keep", "release"}, objects: onUsers},
}

type demoApp struct {
	name        string
	description string
	owner       int
	stream      int // index of demoStreams, -1 = not published
	department  string
	tags        []string
}

var demoApps = [...]demoApp{
	{"Sales Dashboard", "Key figures of the sales organisation", 2, 2, "Sales", []string{"Production", "Sales"}},
	{"Finance – Month End", "Closing, accruals & currency", 1, 1, "Finance", []string{"Production", "Finance"}},
	{"O'Brien's margin report", "Margin by product; Maeve's own", 1, -1, "Finance", nil},
	{"R&D + Quality (100%)", "Tests < limits > alerts", 4, 0, "R&D", []string{"R&D"}},
	{"Försäljning per månad", "Månadsrapport för Malmö", 0, 2, "Sales", []string{"Test"}},
	{"Factory floor 🏭", "Machines, shifts, downtime", 3, 3, "Operations", []string{"critical 🔥"}},
	{"Inventory {{draft}} <b>v2</b>", `Quotes "in" a description`, 11, -1, "Operations", []string{"Test"}},
	{"在庫レポート", "倉庫ごとの在庫", 4, 0, "Operations", nil},
}

type demoValue struct{ name, value string }

type demoTask struct {
	name       string
	kind       qlik.TaskType
	app        int
	tags       []string
	properties []demoValue
	path       string
	parameters string
}

var demoTasks = [...]demoTask{
	{name: "Daily Sales Reload", app: 0, tags: []string{"Production", "startTask1"}, properties: []demoValue{
		{"Butler_FailedAlertEnableEmail", "Yes"},
		{"Butler_AbortedAlertEnableEmail", "Yes"},
		{"Butler_SuccessReloadTask_InfluxDB", "Yes"},
		{"startTask1CustomProperty", "startTask1Value"},
	}},
	{name: "Nightly finance load 🌙", app: 1, tags: []string{"Production", "Finance"}, properties: []demoValue{
		{"Butler_FailedAlertSendToEmail", "finance-ops@example.com"},
		{"Butler_FailedAlertSendToEmail", "maeve.o'brien@example.com"},
		{"Butler_SuccessAlertEnableEmail", "Yes"},
		{"Butler_FailedTask_NewRelic", "First NR account"},
	}},
	{name: "O'Brien's margin report – hourly", app: 2, tags: []string{"O'Malley's feeds"}, properties: []demoValue{
		{"startTask1CustomProperty", "it's value 2"},
	}},
	{name: "R&D + Quality: cost & yield (100%)", app: 3, tags: []string{"R&D", "100% automatic"}},
	{name: "Försäljning per månad – Malmö", app: 4, tags: []string{"Test"}},
	{name: "Factory floor every 5 min 🏭🔥", app: 5, tags: []string{"critical 🔥", "Production"}, properties: []demoValue{
		{"Butler_AbortedAlertSendToEmail", "night.shift@example.com"},
	}},
	{name: "Inventory {{taskName}} <script>alert(1)</script>", app: 6, tags: []string{"Test"}},
	{name: "Run export script", kind: qlik.TaskExternalProgram, path: `C:\scripts\export.bat`, tags: []string{"Production"}},
	{name: `Copy "exports" to \\nas01\share #2`, kind: qlik.TaskExternalProgram, path: "robocopy", parameters: `C:\exports \\nas01\share /E`},
	{name: "Nightly user sync", kind: qlik.TaskUserSync, tags: []string{"Production"}},
	{name: "Partner directory ☁️", kind: qlik.TaskUserSync},
	{name: "Distribute Sales App", kind: qlik.TaskDistribute, app: 0, tags: []string{"Production"}, properties: []demoValue{
		{"Butler_DistributeFailedAlertEnableEmail", "Yes"},
	}},
	{name: "Distribute Finance & Budget", kind: qlik.TaskDistribute, app: 1, tags: []string{"Finance"}, properties: []demoValue{
		{"Butler_DistributeSuccessAlertSendToEmail", "budget@example.com"},
	}},
	{name: "Preload Sales", kind: qlik.TaskPreload, app: 0, tags: []string{"Production"}},
	{name: "Preload O'Brien's board", kind: qlik.TaskPreload, app: 2, properties: []demoValue{
		{"Butler_PreloadFailedAlertEnableEmail", "Yes"},
	}},
}

// bulkTypes are the types of generated tasks, in a cycle that is a typical site.
var bulkTypes = [...]qlik.TaskType{
	qlik.TaskReload, qlik.TaskReload, qlik.TaskExternalProgram, qlik.TaskReload, qlik.TaskReload,
	qlik.TaskUserSync, qlik.TaskReload, qlik.TaskReload, qlik.TaskDistribute, qlik.TaskReload,
	qlik.TaskReload, qlik.TaskReload, qlik.TaskPreload, qlik.TaskReload, qlik.TaskReload,
	qlik.TaskReload, qlik.TaskExternalProgram, qlik.TaskReload, qlik.TaskReload, qlik.TaskReload,
}

var (
	bulkSubjects = [...]string{
		"Sales", "Orders", "Invoices", "Stock", "Shipments", "Returns", "Payroll", "Energy", "Claims", "Visits",
		"Budget", "Suppliers", "Tickets", "Sensors", "Contracts", "Prices",
	}
	bulkPlaces = [...]string{
		"Oslo", "Malmö", "Tōkyō", "São Paulo", "Cork", "Graz", "Lyon", "Ōsaka", "Łódź", "Reno", "L'Aquila", "Bern & Biel",
	}
	bulkRhythms = [...]string{"hourly", "daily", "nightly", "weekly", "monthly", "on demand"}
)

var nodeNames = [...]string{"sense-server-01", "sense-server-02", "sense-server-03"}
