package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/engine"
	"butler/internal/sim/enginesim"
	"butler/internal/sim/world"
)

func TestClient_dumpAsksForListsAsTheInterfaceDescribes(t *testing.T) {
	object := func(kind string) string {
		return fmt.Sprintf(`[{"qAppObjectListDef":{"qType":%[1]q,"qData":{"id":"/qInfo/qId"}},`+
			`"qInfo":{"qId":"%[1]sList","qType":"%[1]sList"},"qMetaDef":{},"qExtendsId":""}]`, kind)
	}
	list := func(id, kind, definition string) string {
		return fmt.Sprintf(`[{"qInfo":{"qId":%q,"qType":%q},%s}]`, id, kind, definition)
	}
	const data = `"qData":{"info":"/qDimInfos"},"qMeta":{}`
	want := []string{
		object("sheet"), object("story"), object("masterobject"), object("appprops"),
		list("DimensionList", "DimensionList", `"qDimensionListDef":{"qType":"dimension",`+data+`}`),
		list("MeasureList", "MeasureList", `"qMeasureListDef":{"qType":"measure",`+data+`}`),
		list("BookmarkList", "BookmarkList", `"qBookmarkListDef":{"qType":"bookmark",`+data+`}`),
		list("mediaList", "MediaList", `"qMediaListDef":{}`),
		list("SnapshotList", "BookmarkList", `"qBookmarkListDef":{"qType":"snapshot",`+data+`}`),
		list("FieldList", "FieldList", `"qFieldListDef":{"qShowSystem":true,"qShowHidden":true,"qShowSrcTables":true,"qShowSemantic":true}`),
		list("VariableList", "VariableList", `"qVariableListDef":{"qType":"variable","qShowReserved":true,"qShowConfig":true,`+data+`}`),
	}
	r := start(t, nil, nil)
	r.dump()
	var got []any
	for _, call := range r.server.Calls().All() {
		if call.Method == "CreateSessionObject" {
			got = append(got, decoded(t, []byte(call.Params)))
		}
	}
	var wanted []any
	for _, text := range want {
		wanted = append(wanted, decoded(t, []byte(text)))
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
	if open := r.server.Calls().All()[0]; open.Method != "OpenDoc" || open.Params != `["`+r.appID()+`","","","",true]` {
		t.Errorf("the dump begins with %s%s, want OpenDoc without data", open.Method, open.Params)
	}
}

func TestClient_dumpWritesWhileItReads(t *testing.T) {
	r := start(t, func(o *enginesim.Options) {
		o.Document = func(app world.App) enginesim.Document {
			d := enginesim.DemoDocument(app)
			for i := range 40 {
				d.Objects["story"] = append(d.Objects["story"], enginesim.Object{
					ID: fmt.Sprint(i), Properties: map[string]any{"text": strings.Repeat("x", 1000)},
				})
			}
			return d
		}
	}, func(o *engine.Options) { o.MaxMessage = 32 << 10 })
	var first int
	longest := 0
	_, err := r.client.Dump(t.Context(), r.appID(), writerFunc(func(p []byte) (int, error) {
		if first == 0 {
			first = r.server.Calls().Total()
		}
		longest = max(longest, len(p))
		return len(p), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if all := r.server.Calls().Total(); first > all/2 {
		t.Errorf("the first byte was written after %d of %d calls", first, all)
	}
	if longest > 8<<10 {
		t.Errorf("%d bytes were written at once: was the document kept?", longest)
	}
}
