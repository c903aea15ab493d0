//go:build linux

package app_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	system "golang.org/x/sys/unix"
)

// diskSize is the size of a file system for a journal alone.
const diskSize = 512 << 20

// disk is where a journal lies, and what may go wrong there. As root on a machine
// that has loop devices it is a small file system of its own: a full disk is a
// full disk. Files are made immutable for a read-only disk, which stops also what
// is open. Where the rights for either are missing, the process is forbidden to
// write another byte: every write fails, with another error.
type disk struct {
	t      *testing.T
	v      *service
	dir    string
	whole  bool // a file system of its own
	spoilt func() error
}

func newDisk(t *testing.T, v *service) *disk {
	t.Helper()
	d := &disk{t: t, v: v, dir: filepath.Join(t.TempDir(), "disk")}
	must(t, os.Mkdir(d.dir, 0o700))
	t.Cleanup(func() { _ = errors.Join(d.healed(), d.unmounted()) })
	if err := d.mount(filepath.Join(t.TempDir(), "image")); err != nil {
		t.Logf("no file system of its own for the journal (%v): a full disk is a process that may write nothing", err)
	} else {
		d.whole = true
	}
	d.dir = filepath.Join(d.dir, "journal")
	must(t, os.Mkdir(d.dir, 0o700))
	return d
}

func (d *disk) mount(image string) error {
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, diskSize); err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", image).CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	if out, err := exec.Command("mount", "-o", "loop", image, d.dir).CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

func (d *disk) unmounted() error {
	if !d.whole {
		return nil
	}
	return system.Unmount(filepath.Dir(d.dir), system.MNT_DETACH)
}

// spoil breaks the disk until repair is called.
func (d *disk) spoil(kind string) {
	d.t.Helper()
	must(d.t, d.healed())
	if kind == diskFull || kind == diskFullKilled {
		must(d.t, d.fill())
		return
	}
	err := d.protect(true)
	d.spoilt = func() error { return d.protect(false) }
	if err != nil {
		d.t.Logf("    files cannot be made immutable (%v): the process may write nothing", err)
		must(d.t, d.healed())
		must(d.t, d.forbid())
	}
}

// repair makes the disk work again.
func (d *disk) repair() {
	d.t.Helper()
	must(d.t, d.healed())
}

func (d *disk) healed() error {
	heal := d.spoilt
	d.spoilt = nil
	if heal == nil {
		return nil
	}
	return heal()
}

// fill takes all the room there is.
func (d *disk) fill() error {
	if !d.whole {
		return d.forbid()
	}
	ballast := filepath.Join(filepath.Dir(d.dir), "ballast")
	d.spoilt = func() error { return os.Remove(ballast) }
	file, err := os.Create(ballast)
	if err != nil {
		return err
	}
	defer file.Close()
	for size := int64(diskSize); size >= 4096; size /= 2 {
		for err = nil; err == nil; {
			info, statErr := file.Stat()
			if statErr != nil {
				return statErr
			}
			err = system.Fallocate(int(file.Fd()), 0, info.Size(), size)
		}
		if !errors.Is(err, system.ENOSPC) {
			return err
		}
	}
	return nil
}

// forbid makes every write of the process fail that makes a file longer.
func (d *disk) forbid() error {
	if d.v.process == nil {
		return nil
	}
	pid := d.v.process.Process.Pid
	var old system.Rlimit
	if err := system.Prlimit(pid, system.RLIMIT_FSIZE, nil, &old); err != nil {
		return err
	}
	d.spoilt = func() error {
		if err := system.Prlimit(pid, system.RLIMIT_FSIZE, &old, nil); !errors.Is(err, system.ESRCH) {
			return err
		}
		return nil
	}
	return system.Prlimit(pid, system.RLIMIT_FSIZE, &system.Rlimit{Cur: 0, Max: old.Max}, nil)
}

// immutable is FS_IMMUTABLE_FL of the kernel.
const immutable = 0x10

// protect makes everything immutable, from the top down, or changeable again.
func (d *disk) protect(on bool) error {
	return filepath.WalkDir(d.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer file.Close()
		flags, err := system.IoctlGetUint32(int(file.Fd()), system.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		flags &^= immutable
		if on {
			flags |= immutable
		}
		return system.IoctlSetPointerInt(int(file.Fd()), system.FS_IOC_SETFLAGS, int(flags))
	})
}
