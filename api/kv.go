package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"butler/api/web"
	"butler/messages"
)

// KeyValues is the key-value store as the API sees it. An error is a failure of
// the store itself; what it refuses is in the replies.
type KeyValues interface {
	Put(ctx context.Context, command messages.PutValue) (messages.PutValueReply, error)
	Get(ctx context.Context, command messages.GetValue) (messages.GetValueReply, error)
	Delete(ctx context.Context, command messages.DeleteValue) (messages.DeleteValueReply, error)
	Keys(ctx context.Context, command messages.ListKeys) (messages.ListKeysReply, error)
	KeyNamespaces
}

// KeyNamespaces are the namespaces of the store.
type KeyNamespaces interface {
	Namespaces(ctx context.Context) (messages.ListNamespacesReply, error)
	DeleteNamespace(ctx context.Context, command messages.DeleteNamespace) (messages.DeleteNamespaceReply, error)
	// Watch ignores the window and the address of the command.
	Watch(ctx context.Context, command messages.WatchNamespace) (Watch, error)
}

// keyValue is a key with its value and its time to live in milliseconds; 0 means for ever.
type keyValue struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Value     string `json:"value"`
	TTL       int64  `json:"ttl"`
}

func (r *rest) kvNamespaces(*call) (int, any, error) {
	ctx, cancel := web.Bounded()
	defer cancel()
	reply, err := r.opts.KeyValues.Namespaces(ctx)
	return http.StatusOK, append([]string{}, reply.Namespaces...), err
}

func (r *rest) kvPut(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	key, err := body.nonEmptyText("key")
	if err != nil {
		return 0, nil, err
	}
	value, err := body.requiredText("value", 0)
	if err != nil {
		return 0, nil, err
	}
	ttl, err := body.ttl("ttl")
	if err != nil {
		return 0, nil, err
	}
	condition, err := c.condition()
	if err != nil {
		return 0, nil, err
	}
	namespace := c.parameters.get("namespace")
	reply, err := r.opts.KeyValues.Put(r.deadlines.context(), messages.PutValue{Namespace: namespace, Key: key, Value: value, TTL: ttl, If: condition})
	if err == nil {
		err = c.refusal(reply.Failure)
	}
	if err != nil {
		return 0, nil, err
	}
	c.revision(reply.Revision)
	return http.StatusCreated, keyValue{namespace, key, value, ttl.Milliseconds()}, nil
}

// kvGet finds a value; kvExists asks whether there is one.
func (r *rest) kvGet(c *call) (int, any, error) {
	found, reply, err := r.kvLookUp(c)
	if err != nil {
		return 0, nil, err
	}
	if !reply.Found {
		return 0, nil, web.Problemf(http.StatusBadRequest, "", "Key '%s' not found in namespace '%s'", found.Key, found.Namespace)
	}
	c.revision(reply.Revision)
	return http.StatusOK, found, nil
}

func (r *rest) kvExists(c *call) (int, any, error) {
	found, reply, err := r.kvLookUp(c)
	if err != nil {
		return 0, nil, err
	}
	answer := struct {
		KeyExists bool `json:"keyExists"`
		KeyValue  any  `json:"keyValue"`
	}{reply.Found, struct{}{}}
	if reply.Found {
		answer.KeyValue = found
	}
	return http.StatusOK, answer, nil
}

func (r *rest) kvLookUp(c *call) (keyValue, messages.GetValueReply, error) {
	key, err := c.queryText("key")
	if err != nil {
		return keyValue{}, messages.GetValueReply{}, err
	}
	found := keyValue{Namespace: c.parameters.get("namespace"), Key: key}
	reply, err := r.opts.KeyValues.Get(r.deadlines.context(), messages.GetValue{Namespace: found.Namespace, Key: key})
	if err == nil {
		err = c.refusal(reply.Failure)
	}
	found.Value, found.TTL = reply.Value, reply.TTL.Milliseconds()
	return found, reply, err
}

func (r *rest) kvKeys(c *call) (int, any, error) {
	ctx, cancel := web.Bounded()
	defer cancel()
	namespace := c.parameters.get("namespace")
	reply, err := r.opts.KeyValues.Keys(ctx, messages.ListKeys{Namespace: namespace})
	if err == nil {
		err = c.refusal(reply.Failure)
	}
	type key struct {
		Key string `json:"key"`
	}
	keys := make([]key, 0, len(reply.Keys))
	for _, name := range reply.Keys {
		keys = append(keys, key{name})
	}
	return http.StatusOK, map[string]any{"namespace": namespace, "keys": keys}, err
}

func (r *rest) kvDelete(c *call) (int, any, error) {
	condition, err := c.condition()
	if err != nil {
		return 0, nil, err
	}
	reply, err := r.opts.KeyValues.Delete(r.deadlines.context(), messages.DeleteValue{
		Namespace: c.parameters.get("namespace"), Key: c.parameters.get("key"), If: condition,
	})
	if err == nil {
		err = c.refusal(reply.Failure)
	}
	return http.StatusNoContent, nil, err
}

func (r *rest) kvDeleteNamespace(c *call) (int, any, error) {
	ctx, cancel := web.Bounded()
	defer cancel()
	reply, err := r.opts.KeyValues.DeleteNamespace(ctx, messages.DeleteNamespace{Namespace: c.parameters.get("namespace")})
	if err == nil {
		err = c.refusal(reply.Failure)
	}
	return http.StatusNoContent, nil, err
}

// refusal turns a failure of the store into the error for the caller. An unknown key
// or namespace is 400, not 404, which clients could not tell from an endpoint that is
// not enabled. The text names it, because the log of a load script shows no URL.
func (c *call) refusal(f messages.Failure) error {
	switch {
	case !f.Failed():
		return nil
	case f.Kind == messages.FailureConflict:
		return web.Problemf(http.StatusPreconditionFailed, "", "%s", f.Text)
	case f.Kind == messages.FailureFull:
		return web.Problemf(http.StatusInsufficientStorage, "", "%s", f.Text)
	case f.Kind == messages.FailureNotFound:
		unknown := "namespace '" + c.parameters.get("namespace") + "'"
		if key := c.parameters.get("key"); key != "" {
			unknown = "key '" + key + "', " + unknown
		}
		return web.Problemf(http.StatusBadRequest, "", "%s (%s)", f.Text, unknown)
	case f.Kind == messages.FailureRejected:
		return web.Problemf(http.StatusBadRequest, "", "%s", f.Text)
	case f.Kind == messages.FailureBusy, f.Kind == messages.FailureUnavailable:
		return web.Problemf(http.StatusServiceUnavailable, "", "%s", f.Text)
	default:
		return fmt.Errorf("the key-value store could not do it: %s", f.Text)
	}
}

// ttl returns a member, a number of milliseconds, as a time to live; 0 means none.
func (v values) ttl(name string) (time.Duration, error) {
	ms, err := v.number(name)
	return time.Duration(min(max(ms, 0), float64(messages.LongestTTL.Milliseconds()))) * time.Millisecond, err
}

// headerETag is the name of the header in canonical form, which Set would compute for
// every answer.
var headerETag = []byte("Etag")

// revision sets the ETag to the revision of the value that was read or written.
func (c *call) revision(n uint64) {
	var room [24]byte
	c.ctx.Response.Header.SetCanonical(headerETag, append(strconv.AppendUint(append(room[:0], '"'), n, 10), '"'))
}

// condition reads If-Match, which names a revision, and If-None-Match, which can be * alone.
func (c *call) condition() (messages.Condition, error) {
	match, none := string(c.ctx.Request.Header.Peek("If-Match")), string(c.ctx.Request.Header.Peek("If-None-Match"))
	switch {
	case match == "" && none == "":
		return messages.Condition{}, nil
	case match == "" && none == "*":
		return messages.Condition{Kind: messages.IfAbsent}, nil
	}
	revision, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
	if err != nil || none != "" {
		return messages.Condition{}, web.Problemf(http.StatusBadRequest, web.CodeValidation,
			`headers must be If-Match: "<revision>", the ETag of an answer, or If-None-Match: *`)
	}
	return messages.Condition{Kind: messages.IfRevision, Revision: revision}, nil
}
