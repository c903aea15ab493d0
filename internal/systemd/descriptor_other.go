//go:build !unix

package systemd

import (
	"errors"
	"syscall"
)

// sendDescriptor returns an error on systems without systemd.
func (n Notifier) sendDescriptor(syscall.RawConn, ...string) error {
	if n.socket == "" {
		return nil
	}
	return errors.ErrUnsupported
}
