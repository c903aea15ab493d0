package world

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"butler/internal/qlik"
)

// isoMillis is the date form of the QRS.
const isoMillis = "2006-01-02T15:04:05.000Z"

func iso(t time.Time) string { return t.UTC().Format(isoMillis) }

// productVersion is the product version in documents.
const productVersion = "12.2299.0"

func (w *World) fillSmallTables() {
	created := iso(w.epoch.AddDate(-3, 0, 0))
	for i, name := range demoStreams {
		id := w.identity.id(kindStream, uint64(i))
		if name == "Everyone" {
			id = everyoneStream
		}
		w.streams = append(w.streams, Stream{
			ID: id, CreatedDate: created, Name: name, Owner: w.userReference(10), SchemaPath: "Stream",
		})
	}
	for i, name := range demoTags {
		w.tags = append(w.tags, Tag{
			ID: w.identity.id(kindTag, uint64(i)), CreatedDate: created, Name: name, SchemaPath: "Tag",
		})
	}
	for i, d := range demoDefinitions {
		choices := d.choices
		if choices == nil {
			choices = []string{}
		}
		w.definitions = append(w.definitions, Definition{
			ID: w.identity.id(kindDefinition, uint64(i)), Name: d.name, ValueType: "Text",
			ChoiceValues: choices, ObjectTypes: d.objects, SchemaPath: "CustomPropertyDefinition",
		})
	}
	for i, name := range nodeNames {
		w.nodes = append(w.nodes, Node{
			ID: w.identity.id(kindNode, uint64(i)), Name: name, HostName: name + ".lab.example.com",
			IsCentral: i == 0, SchedulerEnabled: true, SchemaPath: "ServerNodeConfiguration",
		})
	}
}

func typeOf(number uint64) qlik.TaskType {
	if number < uint64(len(demoTasks)) {
		return demoTasks[number].kind
	}
	return bulkTypes[number%uint64(len(bulkTypes))]
}

func (w *World) buildTask(number uint64) Task {
	shape := w.taskShape(number)
	d := w.identity.dice(kindTask, number)
	created := w.epoch.AddDate(0, 0, -400-d.below(600))
	modified := w.epoch.Add(-time.Duration(d.below(200*24)) * time.Hour)
	task := Task{
		ID:                  w.identity.id(kindTask, number),
		CreatedDate:         iso(created),
		ModifiedDate:        iso(modified),
		ModifiedByUserName:  `LAB\` + demoUsers[d.below(5)].id,
		CustomProperties:    w.values(kindTask, number, shape.properties),
		IsManuallyTriggered: d.chance(15),
		Name:                shape.name,
		TaskType:            int(shape.kind),
		Enabled:             !d.chance(5) || number < uint64(len(demoTasks)),
		TaskSessionTimeout:  1440,
		MaxRetries:          d.below(3),
		Tags:                w.tagReferences(shape.tags),
		SchemaPath:          "ReloadTask",
	}
	w.addTypeFields(&task, shape)
	task.Operational = Operational{
		ID:                  w.identity.id(kindOperational, number),
		LastExecutionResult: w.resultOf(number, w.currentRun(number)),
		NextExecution:       w.nextExecution(&d),
	}
	for _, edit := range edits(w, w.taskEdits, number) {
		edit(&task)
	}
	return task
}

func (w *World) addTypeFields(task *Task, shape demoTask) {
	switch shape.kind {
	case qlik.TaskExternalProgram:
		task.SchemaPath = "ExternalProgramTask"
		task.Path, task.Parameters = new(shape.path), new(shape.parameters)
	case qlik.TaskUserSync:
		task.SchemaPath = "UserSyncTask"
		task.UserDirectories = []Reference{{ID: w.identity.id(kindDirectory, 0), Name: "LAB"}}
	default:
		task.App = new(w.appReference(uint64(shape.app)))
		task.IsPartialReload = new(false)
	}
}

// taskShape returns the description of a task, from the catalogue or generated.
func (w *World) taskShape(number uint64) demoTask {
	if number < uint64(len(demoTasks)) {
		return demoTasks[number]
	}
	d := w.identity.dice(kindTask, number)
	d.next()
	shape := demoTask{
		kind: typeOf(number),
		app:  int(number % w.apps),
		name: bulkSubjects[d.below(len(bulkSubjects))] + " " + bulkPlaces[d.below(len(bulkPlaces))] + " – " +
			bulkRhythms[d.below(len(bulkRhythms))] + " #" + strconv.FormatUint(number, 10),
		tags: []string{demoTags[d.below(len(demoTags))]},
	}
	if shape.kind == qlik.TaskExternalProgram {
		shape.path = fmt.Sprintf(`C:\jobs\job%d.cmd`, number)
	}
	if d.chance(20) {
		shape.properties = []demoValue{{"Butler_FailedAlertEnableEmail", "Yes"}}
	}
	return shape
}

func (w *World) nextExecution(d *dice) string {
	if d.chance(20) {
		return qlik.NeverDate
	}
	return iso(w.epoch.Add(time.Duration(1+d.below(48)) * time.Hour))
}

// appShape returns the description of an app, from the catalogue or generated.
func (w *World) appShape(number uint64) demoApp {
	if number < uint64(len(demoApps)) {
		return demoApps[number]
	}
	d := w.identity.dice(kindApp, number)
	return demoApp{
		name:        bulkSubjects[d.below(len(bulkSubjects))] + " " + bulkPlaces[d.below(len(bulkPlaces))] + " " + strconv.FormatUint(number, 10),
		description: "Generated app",
		owner:       d.below(int(w.users)),
		stream:      d.below(len(demoStreams)),
		department:  departments[d.below(len(departments))],
	}
}

// appReference returns the short form of an app. Most readers of a task need no more,
// so it is built without the rest of the app, unless the app has edits.
func (w *World) appReference(number uint64) AppReference {
	if len(edits(w, w.appEdits, number)) > 0 {
		app := w.buildApp(number)
		return app.reference()
	}
	app := w.appCore(number, w.appShape(number))
	return app.reference()
}

// appCore returns an app with only the fields of the short form.
func (w *World) appCore(number uint64, shape demoApp) App {
	app := App{
		ID:                    w.identity.id(kindApp, number),
		Name:                  shape.name,
		PublishTime:           qlik.NeverDate,
		SavedInProductVersion: productVersion,
	}
	if shape.stream >= 0 {
		d := w.identity.dice(kindStream, number)
		stream := &w.streams[shape.stream]
		app.Published = true
		app.PublishTime = iso(w.epoch.AddDate(-1, 0, -d.below(300)))
		app.Stream = &Reference{ID: stream.ID, Name: stream.Name}
	}
	return app
}

func (w *World) buildApp(number uint64) App {
	shape := w.appShape(number)
	app := w.appCore(number, shape)
	d := w.identity.dice(kindApp, number)
	app.CreatedDate = iso(w.epoch.AddDate(-2, 0, -d.below(300)))
	app.ModifiedDate = iso(w.epoch.Add(-time.Duration(1+d.below(72)) * time.Hour))
	app.ModifiedByUserName = `LAB\` + demoUsers[d.below(5)].id
	app.CustomProperties = w.values(kindApp, number, []demoValue{{"Department", shape.department}})
	app.Owner = w.userReference(shape.owner)
	app.Tags = w.tagReferences(shape.tags)
	app.Description = shape.description
	app.FileSize = int64(1+d.below(200)) << 19
	app.LastReloadTime = iso(w.epoch.Add(-time.Duration(1+d.below(72*60)) * time.Minute))
	app.SchemaPath = "App"
	for _, edit := range edits(w, w.appEdits, number) {
		edit(&app)
	}
	return app
}

func (w *World) buildUser(number uint64) User {
	d := w.identity.dice(kindUser, number)
	shape := demoUser{}
	if number < uint64(len(demoUsers)) {
		shape = demoUsers[number]
	} else {
		shape.id = fmt.Sprintf("user%06d", number)
		shape.directory = "LAB"
		shape.name = fmt.Sprintf("User %d", number)
		shape.emails = []string{shape.id + "@example.com"}
		shape.inactive = d.chance(5)
	}
	user := User{
		ID:                w.identity.id(kindUser, number),
		CreatedDate:       iso(w.epoch.AddDate(-2, 0, -d.below(300))),
		ModifiedDate:      iso(w.epoch.AddDate(0, 0, -d.below(100))),
		CustomProperties:  []PropertyValue{},
		UserID:            shape.id,
		UserDirectory:     shape.directory,
		Name:              shape.name,
		Roles:             []string{},
		Attributes:        []Attribute{},
		Inactive:          shape.inactive,
		RemovedExternally: shape.removed,
		Blacklisted:       shape.blacklisted,
		Tags:              []Reference{},
		SchemaPath:        "User",
	}
	if shape.keepLicence {
		user.CustomProperties = w.values(kindUser, number, []demoValue{{"LicencePolicy", "keep"}})
	}
	w.addAttributes(&user, number, "email", shape.emails)
	w.addAttributes(&user, number, "group", shape.groups)
	for _, edit := range edits(w, w.userEdits, number) {
		edit(&user)
	}
	return user
}

func (w *World) addAttributes(user *User, number uint64, kind string, values []string) {
	for _, value := range values {
		n := number<<8 | uint64(len(user.Attributes))
		user.Attributes = append(user.Attributes, Attribute{
			ID: w.identity.id(kindAttribute, n&indexMask), AttributeType: kind, AttributeValue: value,
		})
	}
}

func (w *World) userReference(number int) UserReference {
	user := w.buildUser(uint64(number))
	return user.reference()
}

func (w *World) tagReferences(names []string) []Reference {
	out := make([]Reference, 0, len(names))
	for _, name := range names {
		out = append(out, w.TagReference(name))
	}
	return out
}

// TagReference returns a reference to a tag as it is part of an object. For a name
// that is not a tag of the site it makes up an identifier.
func (w *World) TagReference(name string) Reference {
	for _, tag := range w.tags {
		if tag.Name == name {
			return Reference{ID: tag.ID, Name: tag.Name}
		}
	}
	return Reference{ID: w.identity.id(kindTag, hashText(name)), Name: name}
}

// PropertyValue returns a custom property value as it is part of an object. For a
// name that is not defined on the site it makes up a definition.
func (w *World) PropertyValue(name, value string) PropertyValue {
	v := PropertyValue{
		ID: w.identity.id(kindPropertyValue, hashText(name+"\x00"+value)), Value: value,
		SchemaPath: "CustomPropertyValue",
	}
	for i := range w.definitions {
		if w.definitions[i].Name == name {
			v.Definition = w.definitions[i].reference()
			return v
		}
	}
	v.Definition = DefinitionReference{
		ID: w.identity.id(kindDefinition, hashText(name)), Name: name, ValueType: "Text", ChoiceValues: []string{},
	}
	return v
}

func (w *World) values(owner kind, number uint64, list []demoValue) []PropertyValue {
	out := make([]PropertyValue, 0, len(list))
	for i, item := range list {
		if item.value == "" {
			continue
		}
		value := w.PropertyValue(item.name, item.value)
		value.ID = w.identity.id(kindPropertyValue, (uint64(owner)<<44|number<<4|uint64(i))&indexMask)
		out = append(out, value)
	}
	return out
}

// hashText returns the hash of a text (FNV-1a, cut to the range of an identifier).
func hashText(text string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, b := range []byte(strings.ToLower(text)) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h & indexMask
}
