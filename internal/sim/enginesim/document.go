package enginesim

import (
	"fmt"

	"butler/internal/sim/world"
)

// Document is the content of an app, without its data.
type Document struct {
	Properties map[string]any
	Script     string
	Lineage    []Lineage
	// Objects are the app's objects by type: sheet, story, masterobject, appprops.
	Objects    map[string][]Object
	Dimensions []Object
	Measures   []Object
	Bookmarks  []Object
	Snapshots  []Object
	Variables  []Object
	// Media and Fields are lists of plain items.
	Media       []Item
	Fields      []Item
	Connections []Connection
}

// Item is an element of a list.
type Item map[string]any

// Lineage is one source of data.
type Lineage struct {
	Discriminator string `json:"qDiscriminator"`
	Statement     string `json:"qStatement"`
}

// Connection is one data connection.
type Connection struct {
	ID     string `json:"qId"`
	Name   string `json:"qName"`
	String string `json:"qConnectionString"`
	Type   string `json:"qType"`
}

// Object is an object that is listed, and opened by its ID.
type Object struct {
	ID string
	// InList is what its list shows in addition to the ID.
	InList Item
	// Properties is the answer to GetProperties, and the root of the property tree.
	Properties map[string]any
	// Selections is the bookmark part of a bookmark's layout.
	Selections map[string]any
}

func (o Object) object(kind string) object {
	layout := map[string]any{"qInfo": info(o.ID, kind)}
	if o.Selections != nil {
		layout["qBookmark"] = o.Selections
	}
	return object{
		kind: kind, layout: layout, properties: o.Properties,
		tree: map[string]any{"qProperty": o.Properties, "qChildren": []any{}, "qEmbeddedSnapshotRef": nil},
	}
}

func (o Object) item(kind string) Item {
	item := Item{"qInfo": info(o.ID, kind), "qMeta": map[string]any{}, "qData": map[string]any{}}
	for name, value := range o.InList {
		item[name] = value
	}
	return item
}

func info(id, kind string) map[string]any { return map[string]any{"qId": id, "qType": kind} }

// objects returns the objects that the method that opens a kind of object can find.
func (d Document) objects(kind string) []Object {
	switch kind {
	case "GenericDimension":
		return d.Dimensions
	case "GenericMeasure":
		return d.Measures
	case "GenericBookmark":
		return append(append([]Object(nil), d.Bookmarks...), d.Snapshots...)
	case "GenericVariable":
		return d.Variables
	}
	var all []Object
	for _, list := range d.Objects {
		all = append(all, list...)
	}
	return all
}

// listDefinition is the definition of a session object that lists things.
type listDefinition struct {
	Info struct {
		ID   string `json:"qId"`
		Type string `json:"qType"`
	} `json:"qInfo"`
	AppObjects *typed    `json:"qAppObjectListDef"`
	Dimensions *typed    `json:"qDimensionListDef"`
	Measures   *typed    `json:"qMeasureListDef"`
	Bookmarks  *typed    `json:"qBookmarkListDef"`
	Media      *struct{} `json:"qMediaListDef"`
	Fields     *struct {
		System    bool `json:"qShowSystem"`
		Hidden    bool `json:"qShowHidden"`
		Tables    bool `json:"qShowSrcTables"`
		Semantics bool `json:"qShowSemantic"`
	} `json:"qFieldListDef"`
	Variables *struct {
		Type     string `json:"qType"`
		Reserved bool   `json:"qShowReserved"`
		Config   bool   `json:"qShowConfig"`
	} `json:"qVariableListDef"`
}

type typed struct {
	Type string `json:"qType"`
}

// layout returns the list that a definition requests.
func (l listDefinition) layout(d Document) map[string]any {
	layout := map[string]any{"qInfo": info(l.Info.ID, l.Info.Type)}
	list := func(name, kind string, objects []Object) map[string]any {
		items := []Item{}
		for _, one := range objects {
			items = append(items, one.item(kind))
		}
		layout[name] = map[string]any{"qItems": items}
		return layout
	}
	plain := func(name string, items []Item) map[string]any {
		layout[name] = map[string]any{"qItems": append([]Item{}, items...)}
		return layout
	}
	switch {
	case l.AppObjects != nil:
		return list("qAppObjectList", l.AppObjects.Type, d.Objects[l.AppObjects.Type])
	case l.Dimensions != nil:
		return list("qDimensionList", "dimension", d.Dimensions)
	case l.Measures != nil:
		return list("qMeasureList", "measure", d.Measures)
	case l.Bookmarks != nil && l.Bookmarks.Type == "snapshot":
		return list("qBookmarkList", "snapshot", d.Snapshots)
	case l.Bookmarks != nil:
		return list("qBookmarkList", "bookmark", d.Bookmarks)
	case l.Media != nil:
		return plain("qMediaList", d.Media)
	case l.Fields != nil:
		return plain("qFieldList", shownFields(d.Fields, l.Fields.System, l.Fields.Hidden))
	case l.Variables != nil:
		return list("qVariableList", "variable", shownVariables(d.Variables, l.Variables.Reserved, l.Variables.Config))
	}
	return layout
}

func shownFields(all []Item, system, hidden bool) []Item {
	var out []Item
	for _, one := range all {
		if (one["qIsSystem"] != true || system) && (one["qIsHidden"] != true || hidden) {
			out = append(out, one)
		}
	}
	return out
}

func shownVariables(all []Object, reserved, config bool) []Object {
	var out []Object
	for _, one := range all {
		if (one.InList["qIsReserved"] != true || reserved) && (one.InList["qIsConfig"] != true || config) {
			out = append(out, one)
		}
	}
	return out
}

// DemoDocument returns a document with some of everything.
func DemoDocument(app world.App) Document {
	object := func(kind string, n int) Object {
		id := fmt.Sprintf("%s-%d", kind, n)
		return Object{ID: id, Properties: map[string]any{
			"qInfo": info(id, kind), "qMetaDef": map[string]any{"title": fmt.Sprintf("%s %s %d", app.Name, kind, n)},
		}}
	}
	several := func(kind string, count int) []Object {
		out := make([]Object, count)
		for i := range out {
			out[i] = object(kind, i+1)
		}
		return out
	}
	bookmark := object("bookmark", 1)
	bookmark.Selections = map[string]any{"qStateData": []any{map[string]any{"qStateName": "$"}}}
	variable := object("variable", 1)
	reserved := object("variable", 2)
	reserved.InList = Item{"qName": "ThousandSep", "qIsReserved": true, "qIsScriptCreated": true}
	return Document{
		Properties: map[string]any{"qTitle": app.Name, "qThumbnail": map[string]any{}, "description": app.Description},
		Script:     "///$tab Main\r\nSET ThousandSep=',';\r\nLOAD * FROM [lib://Data/sales.qvd] (qvd);\r\n",
		Lineage:    []Lineage{{"lib://Data/sales.qvd", ""}, {"INLINE", ""}},
		Objects: map[string][]Object{
			"sheet": several("sheet", 3), "story": several("story", 1),
			"masterobject": several("masterobject", 2), "appprops": several("appprops", 1),
		},
		Dimensions: several("dimension", 2), Measures: several("measure", 2),
		Bookmarks: []Object{bookmark}, Snapshots: several("snapshot", 1),
		Variables: []Object{variable, reserved},
		Media:     []Item{{"qUrlDef": "/media/logo.png", "qUrl": "/media/logo.png"}, {"qUrlDef": "https://example.com/x.png"}},
		Fields: []Item{
			{"qName": "Region", "qCardinal": 12, "qTags": []string{"$text"}},
			{"qName": "$Field", "qCardinal": 2, "qIsSystem": true},
			{"qName": "%Key", "qCardinal": 9, "qIsHidden": true},
		},
		Connections: []Connection{{ID: "c-1", Name: "Data", String: `\\nas01\qvd\`, Type: "folder"}},
	}
}
