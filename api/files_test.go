package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// disk approves of what is below /data, and knows one file.
type disk struct{ done []string }

func (d *disk) judge(op, path string) error {
	switch {
	case !strings.HasPrefix(path, "/data/"):
		return NewProblem(http.StatusForbidden, "the path is not below an approved directory")
	case strings.HasSuffix(path, "missing"):
		return NewProblem(http.StatusNotFound, "the file does not exist")
	case strings.HasSuffix(path, "broken"):
		return NewProblem(http.StatusInternalServerError, "no space left on device")
	}
	d.done = append(d.done, op+" "+path)
	return nil
}

func (d *disk) Copy(_ context.Context, f FileTransfer) (FileCopied, error) {
	return FileCopied{f.From, strings.ReplaceAll(f.To, "//", "/"), strings.Repeat("0f", 32)}, d.judge("copy", f.From)
}

func (d *disk) Move(_ context.Context, f FileTransfer) (string, string, error) {
	if !f.Overwrite && strings.HasSuffix(f.To, "there") {
		return "", "", NewProblem(http.StatusConflict, "the destination exists")
	}
	return f.From, f.To, d.judge("move", f.From)
}

func (d *disk) DeleteFile(_ context.Context, path string) error { return d.judge("delete", path) }
func (d *disk) CreateDir(_ context.Context, path string) error  { return d.judge("createdir", path) }

func (d *disk) CreateDirQVD(_ context.Context, path string) error {
	return d.judge("qvd", "/data/"+path)
}

func TestContract_files(t *testing.T) {
	asPut := http.Header{"X-Http-Method-Override": {"PUT"}}
	for _, row := range []struct {
		path string
		request
	}{
		{"/v4/filecopy", request{name: "copy as load scripts do", method: "POST", target: "/v4/filecopy", header: asPut, body: `{"fromFile":"/data/a","toFile":"/data//b","overwrite":"true","preserveTimestamp":"false"}`, want: 201, answer: `{"fromFile":"/data/a","toFile":"/data/b","overwrite":true,"preserveTimestamp":false,"sha256":"` + strings.Repeat("0f", 32) + `"}`}},
		{"/v4/filecopy", request{name: "copy by POST", method: "POST", target: "/v4/filecopy", body: `{"fromFile":"/data/a","toFile":"/data/b"}`, want: 201, answer: `{"fromFile":"/data/a","toFile":"/data/b","overwrite":false,"preserveTimestamp":false,"sha256":"` + strings.Repeat("0f", 32) + `"}`}},
		{"/v4/filecopy", request{name: "copy of what is not approved", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/etc/passwd","toFile":"/data/b"}`, want: 403}},
		{"/v4/filecopy", request{name: "copy of nothing", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/data/missing","toFile":"/data/b"}`, want: 404}},
		{"/v4/filecopy", request{name: "copy to a full disk", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/data/broken","toFile":"/data/b"}`, want: 500}},
		{"/v4/filecopy", request{name: "copy without a destination", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/data/a"}`, want: 400}},
		{"/v4/filecopy", request{name: "copy to nowhere", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/data/a","toFile":""}`, want: 400}},
		{"/v4/filecopy", request{name: "copy with a strange switch", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/data/a","toFile":"/data/b","overwrite":"yes"}`, want: 400}},
		{"/v4/filecopy", request{name: "copy with numbers for switches", method: "PUT", target: "/v4/filecopy", body: `{"fromFile":"/data/a","toFile":"/data/b","overwrite":1,"preserveTimestamp":null}`, want: 201}},
		{"/v4/filecopy", request{name: "copy of a form", method: "PUT", target: "/v4/filecopy", body: `a=b`, header: http.Header{"Content-Type": {"text/plain"}}, want: 415}},
		{"/v4/filemove", request{name: "move", method: "PUT", target: "/v4/filemove", body: `{"fromFile":"/data/a","toFile":"/data/there","overwrite":true}`, want: 201, answer: `{"fromFile":"/data/a","toFile":"/data/there","overwrite":true}`}},
		{"/v4/filemove", request{name: "move onto something", method: "POST", target: "/v4/filemove", body: `{"fromFile":"/data/a","toFile":"/data/there"}`, want: 409}},
		{"/v4/filedelete", request{name: "delete", method: "DELETE", target: "/v4/filedelete", body: `{"deleteFile":"/data/a"}`, want: 204}},
		{"/v4/filedelete", request{name: "delete as load scripts do", method: "POST", target: "/v4/filedelete", header: asDelete, body: `{"deleteFile":"/data/a"}`, want: 204}},
		{"/v4/filedelete", request{name: "delete of nothing in particular", method: "DELETE", target: "/v4/filedelete", body: `{}`, want: 400}},
		{"/v4/filedelete", request{name: "delete of what is not approved", method: "DELETE", target: "/v4/filedelete", body: `{"deleteFile":"/etc/passwd"}`, want: 403}},
		{"/v4/createdir", request{name: "make", method: "POST", target: "/v4/createdir", body: `{"directory":"/data/out/2031"}`, want: 201, answer: `{"directory":"/data/out/2031"}`}},
		{"/v4/createdir", request{name: "make nothing", method: "POST", target: "/v4/createdir", body: `{"directory":""}`, want: 400}},
		{"/v4/createdirqvd", request{name: "make for QVD files", method: "POST", target: "/v4/createdirqvd", body: `{"directory":"sales/2031"}`, want: 201, answer: `{"directory":"sales/2031"}`}},
		{"/v4/createdirqvd", request{name: "make the root", method: "POST", target: "/v4/createdirqvd", body: `{"directory":""}`, want: 201}},
		{"/v4/createdirqvd", request{name: "make without a name", method: "POST", target: "/v4/createdirqvd", body: `{}`, want: 400}},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := &disk{}
			c := newContract(t, func(o *Options) { o.Files = d })
			c.call(row.path, row.request)
			if done := len(d.done) == 1; done != (row.want < 300) {
				t.Errorf("status %d, and done: %v", row.want, d.done)
			}
		})
	}
}
