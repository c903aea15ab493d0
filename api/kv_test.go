package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"butler/messages"
)

// store is a key-value store in a map that refuses what it is told to.
type store struct {
	names  []string
	values map[string]map[string]messages.GetValueReply
	err    error
	// events are what a watch yields, confirmed up to where, ended how many watches.
	events    chan any
	confirmed atomic.Uint64
	ended     atomic.Int64
}

func newStore() *store {
	return &store{names: []string{"etl", "a/b c"}, values: map[string]map[string]messages.GetValueReply{
		"etl":   {"lastRun": {Found: true, Value: "2031", Revision: 7, TTL: 59*time.Second + 999*time.Microsecond}, "empty": {Found: true}},
		"a/b c": {"x:y/z": {Found: true, Value: "v"}},
	}}
}

var unknown = messages.Failure{Kind: messages.FailureNotFound, Text: "the namespace does not exist"}

func (s *store) Put(_ context.Context, c messages.PutValue) (messages.PutValueReply, error) {
	switch {
	case c.Namespace == "busy":
		return messages.PutValueReply{Failure: messages.Failure{Kind: messages.FailureBusy, Text: "too much waits for the disk"}}, nil
	case c.Namespace == "full":
		return messages.PutValueReply{Failure: messages.Failure{Kind: messages.FailureFull, Text: "no room"}}, nil
	case len(c.Key) > 20:
		return messages.PutValueReply{Failure: messages.Failure{Kind: messages.FailureRejected, Text: "the key is too long"}}, nil
	case c.If.Kind == messages.IfAbsent, c.If.Kind == messages.IfRevision && c.If.Revision != 7:
		return messages.PutValueReply{Failure: messages.Failure{Kind: messages.FailureConflict, Text: "another revision"}}, nil
	}
	if s.values[c.Namespace] == nil {
		s.values[c.Namespace] = map[string]messages.GetValueReply{}
	}
	s.values[c.Namespace][c.Key] = messages.GetValueReply{Found: true, Value: c.Value, Revision: 8, TTL: c.TTL}
	return messages.PutValueReply{Revision: 8}, s.err
}

func (s *store) Get(_ context.Context, c messages.GetValue) (messages.GetValueReply, error) {
	if s.values[c.Namespace] == nil {
		return messages.GetValueReply{Failure: unknown}, nil
	}
	return s.values[c.Namespace][c.Key], s.err
}

func (s *store) Delete(_ context.Context, c messages.DeleteValue) (messages.DeleteValueReply, error) {
	found := s.values[c.Namespace][c.Key]
	switch {
	case !found.Found:
		return messages.DeleteValueReply{Failure: unknown}, nil
	case c.If.Kind == messages.IfRevision && c.If.Revision != found.Revision:
		return messages.DeleteValueReply{Failure: messages.Failure{Kind: messages.FailureConflict, Text: "another revision"}}, nil
	}
	delete(s.values[c.Namespace], c.Key)
	return messages.DeleteValueReply{}, s.err
}

func (s *store) Keys(_ context.Context, c messages.ListKeys) (messages.ListKeysReply, error) {
	if s.values[c.Namespace] == nil {
		return messages.ListKeysReply{Failure: unknown}, nil
	}
	var keys []string
	for key := range s.values[c.Namespace] {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return messages.ListKeysReply{Keys: keys}, s.err
}

func (s *store) Namespaces(context.Context) (messages.ListNamespacesReply, error) {
	return messages.ListNamespacesReply{Namespaces: s.names}, s.err
}

func (s *store) DeleteNamespace(_ context.Context, c messages.DeleteNamespace) (messages.DeleteNamespaceReply, error) {
	if s.values[c.Namespace] == nil {
		return messages.DeleteNamespaceReply{Failure: unknown}, nil
	}
	delete(s.values, c.Namespace)
	return messages.DeleteNamespaceReply{}, s.err
}

func ifMatch(revision string) http.Header { return http.Header{"If-Match": {revision}} }

var asDelete = http.Header{"X-Http-Method-Override": {"DELETE"}}

func TestContract_keyValues(t *testing.T) {
	const values, keys = "/v4/keyvalues/{namespace}", "/v4/keylist/{namespace}"
	const exists, one = "/v4/keyvalues/{namespace}/keyexists", "/v4/keyvalues/{namespace}/{key}"
	for _, row := range []struct {
		path string
		request
	}{
		{"/v4/keyvaluesnamespaces", request{name: "namespaces", method: "GET", target: "/v4/keyvaluesnamespaces", want: 200, answer: `["etl","a/b c"]`}},
		{values, request{name: "get", method: "GET", target: "/v4/keyvalues/etl?key=lastRun", want: 200, answer: `{"namespace":"etl","key":"lastRun","value":"2031","ttl":59000}`}},
		{values, request{name: "get of encoded names", method: "GET", target: "/v4/keyvalues/a%2Fb%20c?key=x:y%2Fz", want: 200, answer: `{"namespace":"a/b c","key":"x:y/z","value":"v","ttl":0}`}},
		{values, request{name: "get without a key", method: "GET", target: "/v4/keyvalues/etl", want: 400}},
		{values, request{name: "get of two keys", method: "GET", target: "/v4/keyvalues/etl?key=a&key=b", want: 400}},
		{values, request{name: "get of an unknown key", method: "GET", target: "/v4/keyvalues/etl?key=no", want: 400}},
		{values, request{name: "get of an unknown namespace", method: "GET", target: "/v4/keyvalues/no?key=a", want: 400}},
		{exists, request{name: "exists", method: "GET", target: "/v4/keyvalues/etl/keyexists?key=lastRun", want: 200, answer: `{"keyExists":true,"keyValue":{"namespace":"etl","key":"lastRun","value":"2031","ttl":59000}}`}},
		{exists, request{name: "exists not", method: "GET", target: "/v4/keyvalues/etl/keyexists?key=no", want: 200, answer: `{"keyExists":false,"keyValue":{}}`}},
		{exists, request{name: "exists in an unknown namespace", method: "GET", target: "/v4/keyvalues/no/keyexists?key=a", want: 400}},
		{keys, request{name: "keys", method: "GET", target: "/v4/keylist/etl", want: 200, answer: `{"namespace":"etl","keys":[{"key":"empty"},{"key":"lastRun"}]}`}},
		{keys, request{name: "keys of an unknown namespace", method: "GET", target: "/v4/keylist/no", want: 400, answer: `{"statusCode":400,"error":"Bad Request","message":"the namespace does not exist (namespace 'no')"}`}},
		{values, request{name: "put as load scripts do", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v","ttl":"5000"}`, want: 201, answer: `{"namespace":"etl","key":"k","value":"v","ttl":5000}`}},
		{values, request{name: "put of a number", method: "POST", target: "/v4/keyvalues/new", body: `{"key":1,"value":12.5}`, want: 201, answer: `{"namespace":"new","key":"1","value":"12.5","ttl":0}`}},
		{values, request{name: "put of a switch and a fraction", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":true,"ttl":1.7}`, want: 201, answer: `{"namespace":"new","key":"k","value":"true","ttl":1}`}},
		{values, request{name: "put of null", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":null,"ttl":-5}`, want: 201, answer: `{"namespace":"new","key":"k","value":"","ttl":0}`}},
		{values, request{name: "put of a list of one", method: "POST", target: "/v4/keyvalues/new", body: `{"key":["k"],"value":["a"],"more":{}}`, want: 201, answer: `{"namespace":"new","key":"k","value":"a","ttl":0}`}},
		{values, request{name: "put of an object", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":{}}`, want: 400}},
		{values, request{name: "put of a longer list", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":["a","b"]}`, want: 400}},
		{values, request{name: "put without a value", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k"}`, want: 400}},
		{values, request{name: "put without a key", method: "POST", target: "/v4/keyvalues/new", body: `{"value":"v"}`, want: 400}},
		{values, request{name: "put with an empty key", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"","value":"v"}`, want: 400}},
		{values, request{name: "put of numbers in other spellings", method: "POST", target: "/v4/keyvalues/new", body: `{"key":2.0,"value":1e5}`, want: 201, answer: `{"namespace":"new","key":"2","value":"100000","ttl":0}`}},
		{values, request{name: "put behind a byte order mark", method: "POST", target: "/v4/keyvalues/new", body: "\uFEFF" + `{"key":"k","value":"v"}`, want: 201, answer: `{"namespace":"new","key":"k","value":"v","ttl":0}`}},
		{values, request{name: "put of nothing but a byte order mark", method: "POST", target: "/v4/keyvalues/new", body: "\uFEFF", want: 400}},
		{values, request{name: "put with a program's number for a ttl", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":"v","ttl":"1_000"}`, want: 400}},
		{values, request{name: "put with words for a ttl", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":"v","ttl":""}`, want: 400}},
		{values, request{name: "put with an endless ttl", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":"v","ttl":"Infinity"}`, want: 400}},
		{values, request{name: "put of a list", method: "POST", target: "/v4/keyvalues/new", body: `[]`, want: 400}},
		{values, request{name: "put of nothing", method: "POST", target: "/v4/keyvalues/new", want: 400}},
		{values, request{name: "put of broken JSON", method: "POST", target: "/v4/keyvalues/new", body: `{"key":`, want: 400}},
		{values, request{name: "put of two objects", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"k","value":"v"}{}`, want: 400}},
		{values, request{name: "put of text", method: "POST", target: "/v4/keyvalues/new", body: `key=k`, header: http.Header{"Content-Type": {"text/plain"}}, want: 415}},
		{values, request{name: "put of too long a key", method: "POST", target: "/v4/keyvalues/new", body: `{"key":"012345678901234567890","value":"v"}`, want: 400}},
		{values, request{name: "put into a full namespace", method: "POST", target: "/v4/keyvalues/full", body: `{"key":"k","value":"v"}`, want: 507}},
		{values, request{name: "put into a busy store", method: "POST", target: "/v4/keyvalues/busy", body: `{"key":"k","value":"v"}`, want: 503}},
		{values, request{name: "put of the known revision", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, header: ifMatch(`"7"`), want: 201}},
		{values, request{name: "put of another revision", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, header: ifMatch(`"6"`), want: 412}},
		{values, request{name: "put of what exists", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, header: http.Header{"If-None-Match": {"*"}}, want: 412}},
		{values, request{name: "put of no revision", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, header: ifMatch("latest"), want: 400}},
		{one, request{name: "delete of another revision", method: "DELETE", target: "/v4/keyvalues/etl/lastRun", header: ifMatch(`"1"`), want: 412}},
		{one, request{name: "delete", method: "DELETE", target: "/v4/keyvalues/a%2Fb%20c/x:y%2Fz", want: 204}},
		{one, request{name: "delete as load scripts do", method: "POST", target: "/v4/keyvalues/etl/lastRun", body: `{"dummy":1}`, header: asDelete, want: 204}},
		{one, request{name: "delete of an unknown key", method: "DELETE", target: "/v4/keyvalues/etl/no", want: 400, answer: `{"statusCode":400,"error":"Bad Request","message":"the namespace does not exist (key 'no', namespace 'etl')"}`}},
		{values, request{name: "delete of a namespace", method: "POST", target: "/v4/keyvalues/etl", body: `{}`, header: asDelete, want: 204}},
		{values, request{name: "delete of an unknown namespace", method: "DELETE", target: "/v4/keyvalues/no", want: 400}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.KeyValues = newStore() })
			c.call(row.path, row.request)
		})
	}
}

func TestREST_tellsTheRevisionOfAValue(t *testing.T) {
	c := newContract(t, func(o *Options) { o.KeyValues = newStore() })
	answer, err := c.client.Get(c.url + "/v4/keyvalues/etl?key=lastRun")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("ETag"); got != `"7"` {
		t.Errorf("want the revision as ETag, got %s", got)
	}
}

func TestREST_aStoreThatFailsIsNotTheClientsFault(t *testing.T) {
	broken := newStore()
	broken.err = errors.New("the journal is closed")
	c := newContract(t, func(o *Options) { o.KeyValues = broken })
	c.call("", request{name: "get", method: "GET", target: "/v4/keyvalues/etl?key=lastRun", want: 500})
	c.call("", request{name: "put", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, want: 500})
}

// Watch tells what a script says of a namespace, and ends.
func (s *store) Watch(_ context.Context, c messages.WatchNamespace) (Watch, error) {
	if s.values[c.Namespace] == nil {
		return Watch{Reply: messages.WatchNamespaceReply{Failure: unknown}}, nil
	}
	if s.events == nil {
		s.events = make(chan any, 1)
		s.events <- messages.WatchEnded{Reason: messages.WatchDeleted}
	}
	confirm := func(through uint64) { s.confirmed.Store(through) }
	return Watch{Reply: messages.WatchNamespaceReply{Revision: 7}, Events: s.events, Confirm: confirm, End: func() { s.ended.Add(1) }}, s.err
}
