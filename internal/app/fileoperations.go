package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"butler/api"
	"butler/config"
	"butler/internal/files"
)

// The file operations of the REST API.

// approved returns the directories that file operations may reach.
func approved(section config.Files, metrics *files.Metrics) *files.Approved {
	pairs := func(in []config.DirectoryPair) []files.Pair {
		var out []files.Pair
		for _, p := range in {
			out = append(out, files.Pair(p))
		}
		return out
	}
	return files.New(files.Options{Copy: pairs(section.Copy), Move: pairs(section.Move), Delete: section.Delete, QVD: section.QVD, Metrics: metrics})
}

// fileOperations implements api.Files by package files, with the errors of the API.
type fileOperations struct {
	approved *files.Approved
	log      *zap.Logger
}

func (f fileOperations) Copy(ctx context.Context, t api.FileTransfer) (api.FileCopied, error) {
	done, err := f.approved.Copy(ctx, files.CopyRequest{
		From: t.From, To: t.To, Overwrite: t.Overwrite, PreserveTimestamp: t.PreserveTimestamp, Progress: f.progress(t),
	})
	return api.FileCopied{From: done.From, To: done.To, SHA256: done.SHA256}, fileProblem(err)
}

// progressEvery is the least time between two log lines about the progress of a copy.
const progressEvery = 10 * time.Second

// progress returns a function that logs the progress of a long copy, or of a move to
// another device.
func (f fileOperations) progress(t api.FileTransfer) func(files.Progress) {
	last := time.Now()
	return func(p files.Progress) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		f.log.Info("copying", zap.String("from_file", t.From), zap.String("to_file", t.To), zap.Int("files", p.Files), zap.Int("of_files", p.OfFiles),
			zap.Int64("bytes", p.Bytes), zap.Int64("of_bytes", p.OfBytes))
	}
}

func (f fileOperations) Move(ctx context.Context, t api.FileTransfer) (from, to string, err error) {
	done, err := f.approved.Move(ctx, files.MoveRequest{From: t.From, To: t.To, Overwrite: t.Overwrite, Progress: f.progress(t)})
	return done.From, done.To, fileProblem(err)
}

func (f fileOperations) DeleteFile(ctx context.Context, path string) error {
	return fileProblem(f.approved.DeleteFile(ctx, path))
}

func (f fileOperations) CreateDir(ctx context.Context, path string) error {
	return fileProblem(f.approved.CreateDir(ctx, path))
}

func (f fileOperations) CreateDirQVD(ctx context.Context, path string) error {
	return fileProblem(f.approved.CreateDirQVD(ctx, path))
}

// fileStatus maps kinds of errors to HTTP statuses; all others are 500.
var fileStatus = map[files.Kind]int{
	files.NotApproved: http.StatusForbidden, files.NotFound: http.StatusNotFound,
	files.Exists: http.StatusConflict, files.Invalid: http.StatusBadRequest,
}

func fileProblem(err error) error {
	why, ok := errors.AsType[*files.Error](err)
	if !ok {
		return err
	}
	return api.NewProblem(cmp.Or(fileStatus[why.Kind], http.StatusInternalServerError), why.Error())
}
