// Package disklog owns the archive of script logs: one file for the log of a failed
// reload, below a configured directory. The file name consists of the time in seconds,
// the app and the task; the log of a second failure of a task in the same second gets
// the ID of its execution as well.
//
// It guarantees that a file is complete or does not exist; that storing a log twice
// leaves one file, the more complete one; that no log replaces that of another execution;
// and that values of an event, which come from
// the network, cannot lead outside the directory: names have a strict form, and all
// files are opened through an os.Root of the directory. It must never delete an archived log.
package disklog

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/disk"
	"butler/internal/logx"
	"butler/internal/oserr"
	"butler/internal/outbox"
	"butler/internal/wholefile"
	"butler/messages"
)

const name = "disklog"

const (
	timeout     = 30 * time.Second
	maxInFlight = 2
	// batch is the number of logs that are stored together. They share the sync of their directory.
	batch = 8
	// fewRows is the number of rows below which a script log is suspiciously short.
	fewRows = 10
	// chunk is the number of bytes written between checks of the context.
	chunk = 1 << 20
)

//go:embed schema.yaml
var schema []byte

// Definition describes the destination.
func Definition() destination.Definition {
	return destination.Define(name, destination.Spec[Config, Archive]{
		Section: "scriptLog", Route: "scriptLog", RouteKinds: reloads, Schema: schema,
		Enabled: func(Config) bool { return true }, Read: readSwitch, Uses: uses, CheckUse: check, Instance: instance, New: build,
		Address: func(a Archive) []string { return []string{a.LogDirectory} },
	})
}

// reloads are the alert kinds with a script log.
var reloads = []messages.AlertKind{messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ReloadTaskSucceeded, messages.CloudReloadFailed}

// Config is the section scriptLog.
type Config struct {
	StoreOnDisk struct {
		ClientManaged struct {
			ReloadTaskFailure Archive
		}
		QSCloud struct {
			AppReloadFailure Archive
		}
	}
	// tenant means that there may be reloads in Qlik Cloud.
	tenant bool
}

func readSwitch(decode destination.Decode, c *Config) error {
	return destination.AllOn(decode, &c.tenant, "qlikSenseCloud.enable")
}

// Archive configures one archive.
type Archive struct {
	Enable       bool
	LogDirectory string
}

// uses lists the enabled archives.
func uses(c Config) []destination.Use[Archive] {
	var out []destination.Use[Archive]
	add := func(on bool, kind messages.AlertKind, path string, archive Archive) {
		if on && archive.Enable {
			out = append(out, destination.Use[Archive]{Name: string(kind), Path: "scriptLog.storeOnDisk." + path, Kinds: []messages.AlertKind{kind}, Settings: archive})
		}
	}
	add(true, messages.ReloadTaskFailed, "clientManaged.reloadTaskFailure", c.StoreOnDisk.ClientManaged.ReloadTaskFailure)
	add(c.tenant, messages.CloudReloadFailed, "qsCloud.appReloadFailure", c.StoreOnDisk.QSCloud.AppReloadFailure)
	return out
}

// check lists the problems of an archive's settings.
func check(_ Config, u destination.Use[Archive], d destination.Deps) destination.Problems {
	const key = "logDirectory"
	var p destination.Problems
	if u.Settings.LogDirectory == "" {
		p.Wrong(key, "is empty", "name a directory; it is created if it does not exist")
	}
	if info, err := os.Stat(d.Path(u.Settings.LogDirectory)); err == nil && !info.IsDir() {
		p.Warn(key, "is not a directory, so nothing can be stored", "name a directory; it is created if it does not exist")
	}
	return p
}

func instance(Config, destination.Use[Archive]) destination.Instance {
	return destination.Instance{
		Store: true, Needs: destination.Needs{FullScriptLog: true}, MaxInFlight: maxInFlight, Batch: batch, Timeout: timeout,
	}
}

func build(_ Config, u destination.Use[Archive], d destination.Deps) (destination.Destination, error) {
	directory := d.Path(u.Settings.LogDirectory)
	return &archive{directory: directory, zone: d.Location, log: d.Log}, nil
}

// archive stores script logs below one directory.
type archive struct {
	directory string
	zone      *time.Location
	log       *zap.Logger
}

// Deliver implements destination.Destination.
func (a *archive) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	receipts, errs := a.storeAll(ctx, []messages.Notice{n})
	return receipts[0], errs[0]
}

// DeliverBatch implements destination.BatchDeliverer.
func (a *archive) DeliverBatch(ctx context.Context, notices []messages.Notice) []error {
	_, errs := a.storeAll(ctx, notices)
	return errs
}

var _ destination.BatchDeliverer = (*archive)(nil)

// storeAll stores the logs of notices and syncs each directory once. The results are in
// the order of notices; of a receipt and its error, one is zero.
func (a *archive) storeAll(ctx context.Context, notices []messages.Notice) ([]destination.Receipt, []error) {
	receipts, errs := make([]destination.Receipt, len(notices)), make([]error, len(notices))
	fail := func(i int, err error) {
		receipts[i], errs[i] = destination.Receipt{}, classify(fmt.Errorf("store script log below %s: %w", a.directory, err))
	}
	root, err := a.open()
	if err != nil {
		for i := range notices {
			fail(i, err)
		}
		return receipts, errs
	}
	defer root.Close()
	stored := map[string][]int{} // indexes of notices by directory
	for i, n := range notices {
		file, receipt, err := a.store(ctx, root, n)
		if receipts[i] = receipt; err != nil {
			fail(i, err)
		} else if file != "" {
			stored[path.Dir(file)] = append(stored[path.Dir(file)], i)
		}
	}
	for directory, of := range stored {
		if err := syncDirectory(root, directory); err != nil {
			for _, i := range of {
				fail(i, err)
			}
		}
	}
	return receipts, errs
}

// store stores the log of a notice and returns the path of the file below root. The
// caller has to sync the file's directory. Without a script log it stores nothing: it
// returns no file, a receipt that says so, and no error.
func (a *archive) store(ctx context.Context, root *os.Root, n messages.Notice) (file string, _ destination.Receipt, _ error) {
	event := n.Alert.Event
	about := a.log.With(logx.TaskID(event.TaskID), logx.AppID(event.AppID), logx.ExecutionID(event.ExecutionID))
	if n.Alert.Kind == messages.CloudReloadFailed {
		about = a.log.With(logx.AppID(n.Alert.App.ID), zap.String("reload_id", n.Alert.Cloud.ReloadID))
	}
	if why := a.Idle(&n); why != "" {
		about.Warn(why)
		return "", destination.Receipt{Status: "skipped", Detail: why}, nil
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(n.Attachment, "\r\n", "\n"), "\uFFFD")
	file = fileName(&n.Alert, a.zone)
	if isAnother(root, file, text) {
		file = ownName(&n.Alert, file)
	}
	if end, cut := outbox.CutLog(text); cut && endsWith(root, file, end) {
		about.Debug("the script log is already on disk, with more of its beginning", logx.Path(file))
		return file, destination.Receipt{Status: "stored", Detail: file + ", which already contains more of its beginning"}, nil
	}
	if err := place(ctx, root, file, "."+string(n.ID)+".part", text); err != nil {
		return "", destination.Receipt{}, err
	}
	rows := strings.Count(text, "\n") + 1
	if rows < fewRows {
		about.Warn("the stored script log is very short", logx.Path(file), zap.Int("rows", rows))
	} else {
		about.Debug("script log stored", logx.Path(file), zap.Int("rows", rows))
	}
	return file, destination.Receipt{Status: "stored", Detail: file + ", " + strconv.Itoa(rows) + " rows"}, nil
}

// isAnother reports whether a file exists with another log than text: one that is neither
// the beginning of text nor, if text lacks its own beginning, ends like it.
func isAnother(root *os.Root, file, text string) bool {
	info, err := root.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if end, cut := outbox.CutLog(text); cut && endsWith(root, file, end) {
		return false
	}
	if info.Size() > int64(len(text)) {
		return true
	}
	there, err := root.ReadFile(file)
	return err == nil && !strings.HasPrefix(text, string(there))
}

// endsWith reports whether a file exists that ends with end and is longer. It was stored
// while the whole log was in memory; of a long log, the outbox keeps only the end on disk,
// with which it may be delivered again.
func endsWith(root *os.Root, file, end string) bool {
	info, err := root.Lstat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() <= int64(len(end)) {
		return false
	}
	there, err := root.Open(file)
	if err != nil {
		return false
	}
	defer there.Close()
	held := make([]byte, len(end))
	_, err = there.ReadAt(held, info.Size()-int64(len(end)))
	return err == nil && string(held) == end
}

// Idle implements destination.Idler.
func (a *archive) Idle(n *messages.Notice) string {
	if n.Attachment == "" {
		return "no script log to store"
	}
	return ""
}

var _ destination.Idler = (*archive)(nil)

// Preview implements destination.Previewer. It returns the path of the file.
func (a *archive) Preview(n messages.Notice) (string, error) {
	return filepath.Join(a.directory, filepath.FromSlash(fileName(&n.Alert, a.zone))), nil
}

var _ destination.Previewer = (*archive)(nil)

// place writes text to a temporary file in the directory of file, syncs it and renames
// it to file. Directories are created as necessary; the rename is not yet synced.
func place(ctx context.Context, root *os.Root, file, temporary, text string) error {
	if err := root.MkdirAll(path.Dir(file), 0o750); err != nil {
		return err
	}
	temporary = path.Join(path.Dir(file), temporary)
	if err := writeFile(ctx, root, temporary, text); err != nil {
		// An error of the clean-up would hide the reason for the failure.
		_ = root.Remove(temporary)
		return err
	}
	if err := root.Rename(temporary, file); err != nil {
		_ = root.Remove(temporary)
		return err
	}
	wholefile.HandOver(root, file)
	return nil
}

// open returns the archive's directory, which it creates if it does not exist.
func (a *archive) open() (*os.Root, error) {
	above := disk.Nearest(a.directory)
	if err := os.MkdirAll(a.directory, 0o750); err != nil {
		return nil, err
	}
	if above != a.directory {
		handOverBelow(above, a.directory)
	}
	return os.OpenRoot(a.directory)
}

// handOverBelow calls wholefile.HandOver for the new directories below above, down to
// made. It does nothing if above cannot be opened: the right to create a directory in it
// does not include the right to read it.
func handOverBelow(above, made string) {
	relative, err := filepath.Rel(above, made)
	if err != nil {
		return
	}
	root, err := os.OpenRoot(above)
	if err != nil {
		return
	}
	defer root.Close()
	wholefile.HandOver(root, filepath.ToSlash(relative))
}

func writeFile(ctx context.Context, root *os.Root, file, text string) (err error) {
	out, err := root.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for len(text) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := out.WriteString(text[:min(chunk, len(text))])
		if err != nil {
			return err
		}
		text = text[n:]
	}
	return out.Sync()
}

// syncDirectory makes renames in a directory durable, where the system supports that.
func syncDirectory(root *os.Root, directory string) error {
	opened, err := root.Open(directory)
	if err != nil {
		return err
	}
	// Windows refuses to sync a directory and needs no sync.
	_ = opened.Sync()
	return opened.Close()
}

// classify returns err as a misconfiguration if only the operator can correct the cause,
// and unchanged, which means that it is retried, for others such as a full disk.
func classify(err error) error {
	if _, moving := errors.AsType[*os.LinkError](err); moving {
		return err // Windows cannot replace a file that is open
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrInvalid) ||
		oserr.Is(err, syscall.ENOTDIR, syscall.EISDIR, syscall.EROFS, syscall.ENAMETOOLONG, syscall.ELOOP) {
		return destination.Misconfigured(err)
	}
	return err
}
