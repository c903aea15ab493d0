package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

const bufferSize = 256 << 10

// temporaryName returns a name for an incomplete file or directory.
func temporaryName() string { return ".butler-" + strings.ToLower(rand.Text()) + ".tmp" }

// file copies one file. It first writes to a temporary name, so that the file appears
// complete, and other hard links to an existing destination keep their content.
func (c *copier) file(ctx context.Context, from, to entry, info fs.FileInfo) error {
	if write, err := c.mayWrite(info, to); !write {
		return err
	}
	source, err := openFile(from, info)
	if err != nil {
		return err
	}
	defer source.Close()
	accessed := accessTime(from.dir, from.name, info)
	temporary := temporaryName()
	defer func() { _ = to.dir.Remove(temporary) }()
	target, err := to.dir.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(c.fill(ctx, target, source, to), target.Chmod(info.Mode().Perm()), target.Close()); err != nil {
		return err
	}
	if c.keepTimes {
		if err := to.dir.Chtimes(temporary, accessed, info.ModTime()); err != nil {
			return err
		}
	}
	published, err := c.publish(to, temporary)
	if published {
		c.progress.Files++
		c.tell()
	}
	return err
}

// fill copies source to target, and verifies the copy by reading it back.
func (c *copier) fill(ctx context.Context, target, source *os.File, to entry) error {
	read := sha256.New()
	counted := counter{ctx: ctx.Err, from: io.TeeReader(source, read), add: func(n int) {
		c.progress.Bytes += int64(n)
		c.tell()
	}}
	if err := c.stream(target, counted); err != nil {
		return err
	}
	if err := target.Sync(); err != nil {
		return err
	}
	if _, err := target.Seek(0, io.SeekStart); err != nil {
		return err
	}
	written := sha256.New()
	if err := c.stream(written, counter{ctx: ctx.Err, from: target, add: func(int) {}}); err != nil {
		return err
	}
	c.sum = read.Sum(nil)
	if !bytes.Equal(c.sum, written.Sum(nil)) {
		return refuse(Failed, to.at, "does not hold what was written to it", "check the disk, and send it again")
	}
	return nil
}

func (c *copier) stream(to io.Writer, from io.Reader) error {
	if c.buffer == nil {
		c.buffer = make([]byte, bufferSize)
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, from, c.buffer)
	return err
}

// counter is a reader that counts bytes, and fails when its context has ended.
type counter struct {
	ctx  func() error
	from io.Reader
	add  func(int)
}

func (c counter) Read(p []byte) (int, error) {
	if err := c.ctx(); err != nil {
		return 0, err
	}
	n, err := c.from.Read(p)
	c.add(n)
	return n, err
}

// publish renames a complete file to its final name. It keeps a file that has appeared
// there meanwhile, unless overwrite is set.
func (c *copier) publish(to entry, temporary string) (published bool, err error) {
	if !c.overwrite {
		if err := to.dir.Link(temporary, to.name); err == nil {
			return true, nil // the caller removes the temporary name
		}
		if _, err := to.dir.Lstat(to.name); err == nil {
			c.kept++
			return false, nil
		}
		// The link failed and the name is free: the file system has no hard links.
	}
	err = to.dir.Rename(temporary, to.name)
	return err == nil, err
}

func (c *copier) tell() {
	if c.report != nil {
		c.report(c.progress)
	}
}
