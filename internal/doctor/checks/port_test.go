package checks

import (
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestFreePort_saysHowToMendWhatIsWrong(t *testing.T) {
	for want, errno := range map[string]syscall.Errno{"CAP_NET_BIND_SERVICE": syscall.EACCES, "which program uses it": syscall.EADDRINUSE} {
		err := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)}
		if got := freePort(err, 'u', 80, "udpServerConfig.portTaskFailure"); !strings.Contains(got, want) || !strings.HasSuffix(got, "change udpServerConfig.portTaskFailure") {
			t.Errorf("%v: want %q, got %q", err, want, got)
		}
	}
	if got := freePort(fs.ErrPermission, 't', 80, "k"); !strings.Contains(got, "root") {
		t.Errorf("got %q", got)
	}
}
