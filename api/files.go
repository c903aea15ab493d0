package api

import (
	"context"
	"net/http"

	"butler/api/web"
)

// Files are the file operations as the API sees them. An error that is a Problem
// is told as it is.
type Files interface {
	Copy(ctx context.Context, f FileTransfer) (FileCopied, error)
	// Move returns the paths in canonical form.
	Move(ctx context.Context, f FileTransfer) (from, to string, err error)
	DeleteFile(ctx context.Context, path string) error
	CreateDir(ctx context.Context, path string) error
	// CreateDirQVD makes a directory below the one for QVD files.
	CreateDirQVD(ctx context.Context, path string) error
}

// FileTransfer is a file or directory to copy or move.
type FileTransfer struct {
	From, To  string
	Overwrite bool
	// PreserveTimestamp keeps the times of a copy.
	PreserveTimestamp bool
}

// FileCopied is what was copied, with the paths in canonical form.
type FileCopied struct {
	From, To string
	// SHA256 is that of a single file which was copied, in hexadecimal digits.
	SHA256 string
}

// NewProblem returns an error that the API answers with that status and message.
func NewProblem(status int, message string) error { return web.Problemf(status, "", "%s", message) }

func transferOf(c *call) (FileTransfer, error) {
	var f FileTransfer
	body, err := c.object()
	if err != nil {
		return f, err
	}
	if f.From, err = body.nonEmptyText("fromFile"); err != nil {
		return f, err
	}
	if f.To, err = body.nonEmptyText("toFile"); err != nil {
		return f, err
	}
	if f.Overwrite, err = body.flag("overwrite"); err != nil {
		return f, err
	}
	f.PreserveTimestamp, err = body.flag("preserveTimestamp")
	return f, err
}

// moved is the answer to a move, and a part of the answer to a copy.
type moved struct {
	From      string `json:"fromFile"`
	To        string `json:"toFile"`
	Overwrite bool   `json:"overwrite"`
}

func (r *rest) fileCopy(c *call) (int, any, error) {
	f, err := transferOf(c)
	if err != nil {
		return 0, nil, err
	}
	done, err := r.opts.Files.Copy(r.working(), f)
	return http.StatusCreated, struct {
		moved
		PreserveTimestamp bool   `json:"preserveTimestamp"`
		SHA256            string `json:"sha256,omitempty"`
	}{moved{done.From, done.To, f.Overwrite}, f.PreserveTimestamp, done.SHA256}, err
}

func (r *rest) fileMove(c *call) (int, any, error) {
	f, err := transferOf(c)
	if err != nil {
		return 0, nil, err
	}
	from, to, err := r.opts.Files.Move(r.working(), f)
	return http.StatusCreated, moved{from, to, f.Overwrite}, err
}

func (r *rest) fileDelete(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	path, err := body.nonEmptyText("deleteFile")
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	return http.StatusNoContent, nil, r.opts.Files.DeleteFile(ctx, path)
}

// directory is a directory that was made, as it was asked for.
type directory struct {
	Directory string `json:"directory"`
}

func (r *rest) createDir(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	path, err := body.nonEmptyText("directory")
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	return http.StatusCreated, directory{path}, r.opts.Files.CreateDir(ctx, path)
}

// createDirQVD takes "" for the directory of QVD files itself.
func (r *rest) createDirQVD(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	path, err := body.requiredText("directory", 0)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	return http.StatusCreated, directory{path}, r.opts.Files.CreateDirQVD(ctx, path)
}
