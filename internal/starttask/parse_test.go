package starttask

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

const (
	idA = "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77"
	idB = "d3adbeef-0000-4000-8000-000000000001"
	idC = "0a1b2c3d-0000-9111-f222-00000000000c"
)

func TestFromREST_readsBothForms(t *testing.T) {
	hr := messages.Property{Name: "team", Value: "hr"}
	tests := []struct {
		name, path, body string
		want             Request
	}{
		{"nothing", "-", "", Request{}},
		{"an empty ID in the path", "", "", Request{}},
		{"an ID in the path", idA, "", Request{PathID: idA}},
		{"null is no body", idA, " null ", Request{PathID: idA}},
		{"an empty object", idA, "{}", Request{PathID: idA, Form: FormObject}},
		{"an empty list", idA, "[]", Request{PathID: idA, Form: FormArray}},
		{"a byte order mark", "-", "\uFEFF[]", Request{Form: FormArray}},
		{
			"the array form", "-", `[{"type":"keyvaluestore","payload":{"namespace":"etl","key":"batch","value":"17","ttl":60000}},
			{"type":"starttaskid","payload":{"taskId":"` + idA + `"}},
			{"type":"starttasktag","payload":{"tag":"nightly"}},
			{"type":"starttaskcustomproperty","payload":{"customPropertyName":"team","customPropertyValue":"hr"}}]`,
			Request{
				IDs: []string{idA}, Tags: []string{"nightly"}, Properties: []messages.Property{hr}, Form: FormArray,
				KeyValues: []KeyValue{{"etl", "batch", "17", time.Minute}},
			},
		},
		{
			"the object form", idB, `{"taskId":["` + idA + `"],"tag":["nightly","a & b"],"customProperty":[{"name":"team","value":"hr"}]}`,
			Request{PathID: idB, IDs: []string{idA}, Tags: []string{"nightly", "a & b"}, Properties: []messages.Property{hr}, Form: FormObject},
		},
		{
			"one where several may be", "-", `{"taskId":"` + idA + `","tag":"nightly","customProperty":{"name":"team","value":"hr"},"keyValueStore":{"namespace":"n","key":"k","value":"v"}}`,
			Request{
				IDs: []string{idA}, Tags: []string{"nightly"}, Properties: []messages.Property{hr}, Form: FormObject,
				KeyValues: []KeyValue{{"n", "k", "v", 0}},
			},
		},
		{"lists that are null", "-", `{"taskId":null,"tag":null,"customProperty":null,"keyValueStore":null,"dryRun":null}`, Request{Form: FormObject}},
		{
			"numbers, switches and lists of one are text", "-",
			`[{"type":["starttasktag"],"payload":{"tag":2026}},{"type":"starttasktag","payload":{"tag":["x"]}},{"type":"starttasktag","payload":{"tag":true}}]`,
			Request{Tags: []string{"2026", "x", "true"}, Form: FormArray},
		},
		{
			"what is no ID is told of in the answer", " x ", `[{"type":"starttaskid","payload":{"taskId":null}},{"type":"starttaskid","payload":{"taskId":" ` + idA + ` "}}]`,
			Request{PathID: "x", IDs: []string{"", idA}, Form: FormArray},
		},
		{
			"an item without a type is passed over", "-", `[{"payload":{"taskId":"` + idA + `"}},{"type":null}]`,
			Request{Form: FormArray, Remarks: []string{"body/0 has no type and was passed over", "body/1 has no type and was passed over"}},
		},
		{
			"times to live", "-", `{"keyValueStore":[{"namespace":"n","key":"a","value":1,"ttl":"5000"},{"namespace":"n","key":"b","value":"v","ttl":""},
			{"namespace":"n","key":"c","value":"v","ttl":-1},{"namespace":"n","key":"d","value":"v","ttl":1.7},{"namespace":"n","key":"e","value":"v","ttl":1e300}]}`,
			Request{Form: FormObject, KeyValues: []KeyValue{
				{"n", "a", "1", 5 * time.Second}, {"n", "b", "v", 0}, {"n", "c", "v", 0}, {"n", "d", "v", time.Millisecond}, {"n", "e", "v", messages.LongestTTL},
			}},
		},
		{
			"numbers as decimal text", "-", `[{"type":"keyvaluestore","payload":{"namespace":2.0,"key":1e3,"value":12.50}}]`,
			Request{Form: FormArray, KeyValues: []KeyValue{{"2", "1000", "12.5", 0}}},
		},
		{
			"a load script's time to live in words is none", "-", `[{"type":"keyvaluestore","payload":{"namespace":"n","key":"k","value":"v","ttl":"soon"}}]`,
			Request{Form: FormArray, KeyValues: []KeyValue{{"n", "k", "v", 0}}, Remarks: []string{
				"body/0/payload/ttl is no number of milliseconds; the value does not expire",
			}},
		},
		{
			"a pair with something empty is passed over", "-", `[{"type":"keyvaluestore","payload":{"namespace":"","key":"k","value":"v"}},
			{"type":"keyvaluestore","payload":{"namespace":"n","key":"","value":"v"}},{"type":"keyvaluestore","payload":{"namespace":"n","key":"k","value":""}}]`,
			Request{Form: FormArray, Remarks: []string{
				"body/0/payload has an empty namespace, key or value and was not stored",
				"body/1/payload has an empty namespace, key or value and was not stored",
				"body/2/payload has an empty namespace, key or value and was not stored",
			}},
		},
		{
			"options in the object", "-", `{"dryRun":true,"wait":90,"allTaskIdsMustExist":"true"}`,
			Request{Form: FormObject, DryRun: true, Wait: 90 * time.Second, AllTaskIDsMustExist: true},
		},
		{
			"a member that nobody knows", "-", `{"tags":["nightly"]}`,
			Request{Form: FormObject, Remarks: []string{
				"body/tags is not known and was passed over; known are taskId, tag, customProperty, keyValueStore, allTaskIdsMustExist, dryRun, wait",
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FromREST(tt.path, nil, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromREST_saysWhatIsWrongWhereAndHowToMendIt(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	tests := []struct {
		name, body string
		kind       ProblemKind
		place      string
		says       string
	}{
		{"no JSON", `{"tag":`, NotJSON, "body", "byte 7"},
		{"more than JSON", `{} x`, NotJSON, "body", "byte 4"},
		{"a number", `7`, NotValid, "body", "array or object"},
		{"a text", `"` + idA + `"`, NotValid, "body", "array or object"},
		{"an item that is no object", `["` + idA + `"]`, NotValid, "body/0", "object"},
		{"an unknown type", `[{"type":"starttask","payload":{}}]`, NotValid, "body/0/type", "starttaskid, starttasktag"},
		{"no payload", `[{"type":"starttaskid"}]`, NotValid, "body/0", "'payload'"},
		{"a payload that is null", `[{"type":"starttaskid","payload":null}]`, NotValid, "body/0/payload", "object"},
		{"no tag", `[{},{"type":"starttasktag","payload":{}}]`, NotValid, "body/1/payload", "'tag'"},
		{"no ID", `[{"type":"starttaskid","payload":{}}]`, NotValid, "body/0/payload", "'taskId'"},
		{"an empty tag", `{"tag":["a",""]}`, NotValid, "body/tag/1", "empty"},
		{"a tag that is an object", `{"tag":{"name":"x"}}`, NotValid, "body/tag", "string"},
		{"a tag that is a list", `{"tag":[["a","b"]]}`, NotValid, "body/tag/0", "string"},
		{"half a property", `{"customProperty":[{"name":"team"}]}`, NotValid, "body/customProperty/0", "'value'"},
		{"a property as text", `{"customProperty":["team=hr"]}`, NotValid, "body/customProperty/0", "object"},
		{"an empty value of a property", `[{"type":"starttaskcustomproperty","payload":{"customPropertyName":"n","customPropertyValue":""}}]`, NotValid, "body/0/payload/customPropertyValue", "empty"},
		{"a pair without a value", `{"keyValueStore":{"namespace":"n","key":"k"}}`, NotValid, "body/keyValueStore", "'value'"},
		{"a time to live in words", `{"keyValueStore":{"namespace":"n","key":"k","value":"v","ttl":"soon"}}`, NotValid, "body/keyValueStore/ttl", "number"},
		{"a time to live as programs write it", `{"keyValueStore":{"namespace":"n","key":"k","value":"v","ttl":"1_000"}}`, NotValid, "body/keyValueStore/ttl", "number"},
		{"an endless time to live", `{"keyValueStore":{"namespace":"n","key":"k","value":"v","ttl":"Inf"}}`, NotValid, "body/keyValueStore/ttl", "number"},
		{"a member twice", `{"tag":["a"],"tag":["b"]}`, NotValid, "body/tag", "once"},
		{"a payload's member twice", `[{"type":"starttaskid","payload":{"taskId":"a","taskId":"b"}}]`, NotValid, "body/0/payload/taskId", "once"},
		{"a switch in words", `{"dryRun":"yes"}`, NotValid, "body/dryRun", "true or false"},
		{"a long tag", `{"tag":"` + long + `"}`, TooLarge, "body/tag", "512"},
		{"a long ID", `{"taskId":"` + long + `"}`, TooLarge, "body/taskId", "512"},
		{"many selectors", `{"tag":["a"` + strings.Repeat(`,"a"`, MaxSelectors) + `]}`, TooLarge, "body/tag/1000", "1000"},
		{"many items", `[{}` + strings.Repeat(`,{}`, MaxSelectors) + `]`, TooLarge, "body/1000", "1000"},
		{"a long body", `{"x":"` + strings.Repeat("x", MaxBytes) + `"}`, TooLarge, "body", "1048576"},
		{"a deep body", strings.Repeat("[", 20_000), NotJSON, "body", "JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromREST("-", nil, []byte(tt.body))
			wantProblem(t, err, tt.kind, tt.place, tt.says)
		})
	}
	_, err := FromREST(long, nil, nil)
	wantProblem(t, err, TooLarge, "params/taskId", "512")
}

func wantProblem(t *testing.T, err error, kind ProblemKind, place, says string) {
	t.Helper()
	problem, ok := errors.AsType[*Problem](err)
	if !ok {
		t.Fatalf("want a *Problem, got %v", err)
	}
	if problem.Kind != kind || problem.Place != place || !strings.Contains(problem.Error(), says) || problem.Remedy == "" {
		t.Errorf("want kind %d at %s with %q, got kind %d: %v", kind, place, says, problem.Kind, problem)
	}
	want := http.StatusBadRequest
	if kind == TooLarge {
		want = http.StatusRequestEntityTooLarge
	}
	if got := problem.Status(); got != want {
		t.Errorf("want status %d, got %d", want, got)
	}
	if len(problem.Error()) > 400 {
		t.Errorf("want a short text, got %d bytes", len(problem.Error()))
	}
}

func TestFromREST_readsTheQuery(t *testing.T) {
	tests := []struct {
		query, body string
		want        Request
		place       string
	}{
		{query: "allTaskIdsMustExist=true", want: Request{AllTaskIDsMustExist: true}},
		{query: "allTaskIdsMustExist=false&other=1"},
		{query: "allTaskIdsMustExist=yes", place: "querystring/allTaskIdsMustExist"},
		{query: "allTaskIdsMustExist=1", place: "querystring/allTaskIdsMustExist"},
		{query: "allTaskIdsMustExist=", place: "querystring/allTaskIdsMustExist"},
		{query: "allTaskIdsMustExist=true&allTaskIdsMustExist=true", place: "querystring/allTaskIdsMustExist"},
		{query: "dryrun=true", want: Request{DryRun: true}},
		{query: "dryRun=false", body: `{"dryRun":true}`, want: Request{DryRun: true, Form: FormObject}},
		{query: "wait=90", want: Request{Wait: 90 * time.Second}},
		{query: "wait=1.5", want: Request{Wait: 1500 * time.Millisecond}},
		{query: "wait=2m", want: Request{Wait: 2 * time.Minute}},
		{query: "wait=true", want: Request{Wait: defaultWait}},
		{query: "wait=false"},
		{query: "wait=9999999h", place: "querystring/wait"},
		{query: "wait=1e300", want: Request{Wait: longestWait}},
		{query: "wait=-1", place: "querystring/wait"},
		{query: "wait=NaN", place: "querystring/wait"},
		{query: "wait=long", place: "querystring/wait"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			query, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := FromREST("-", query, []byte(tt.body))
			if tt.place != "" {
				wantProblem(t, err, NotValid, tt.place, "")
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("request (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

func TestFromMessage_isAnIDOrJSON(t *testing.T) {
	tests := []struct {
		name, payload string
		want          Request
		wrong         bool
	}{
		{"an ID", idA, Request{PathID: idA}, false},
		{"an ID with blanks around it", "\r\n " + idA + "\n", Request{PathID: idA}, false},
		{"an ID in upper case", strings.ToUpper(idA), Request{PathID: strings.ToUpper(idA)}, false},
		{"an ID in quotes", ` "` + idA + `" `, Request{PathID: idA}, false},
		{"the object form", ` {"tag":["nightly"]}`, Request{Tags: []string{"nightly"}, Form: FormObject}, false},
		{"the array form", `[{"type":"starttaskid","payload":{"taskId":"` + idA + `"}}]`, Request{IDs: []string{idA}, Form: FormArray}, false},
		{"nothing", "", Request{}, true},
		{"the name of a task", "Load HR", Request{}, true},
		{"a dash", "-", Request{}, true},
		{"two IDs", idA + "," + idB, Request{}, true},
		{"half of an object", `{"tag"`, Request{}, true},
		{"no text", "\xff\xfe\x00", Request{}, true},
		{"too much", strings.Repeat("x", MaxBytes+1), Request{}, true},
		{"too much JSON", "[" + strings.Repeat(" ", MaxBytes) + "]", Request{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FromMessage([]byte(tt.payload))
			if tt.wrong {
				if _, ok := errors.AsType[*Problem](err); !ok {
					t.Errorf("want a *Problem, got %v, %+v", err, got)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("request (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

// FuzzRequest: whatever comes over REST or MQTT, a request is within its bounds or there is a Problem.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"", "null", "[]", "{}", `{"taskId":"x","tag":["a"],"customProperty":{"name":"n","value":"v"}}`,
		`[{"type":"keyvaluestore","payload":{"namespace":"n","key":"k","value":"v","ttl":"1"}}]`, `[{"type":"starttaskid","payload":{"taskId":["x"]}}]`,
	} {
		f.Add("-", seed)
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		for _, read := range []func() (Request, error){
			func() (Request, error) { return FromREST(path, nil, []byte(body)) },
			func() (Request, error) { return FromMessage([]byte(body)) },
		} {
			r, err := read()
			if err != nil {
				if p, ok := errors.AsType[*Problem](err); !ok || p.Place == "" || p.Reason == "" || p.Remedy == "" {
					t.Errorf("want a *Problem that says everything, got %#v", err)
				}
				continue
			}
			if n := len(r.IDs) + len(r.Tags) + len(r.Properties) + len(r.KeyValues); n > MaxSelectors {
				t.Errorf("%d selectors", n)
			}
			for _, text := range append(r.ids(), r.Tags...) {
				if len(text) > MaxText {
					t.Errorf("a text of %d bytes", len(text))
				}
			}
		}
	})
}
