package scm

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"

	"butler/internal/winsvc"
)

// ask queries a service control manager. It does not use the package
// golang.org/x/sys/windows/svc/mgr, which requests all rights and misreads names of
// dependencies that are not ASCII.
var ask asking = func(host string, names []string) ([]winsvc.Answer, error) {
	var machine *uint16
	if host != "" {
		var err error
		if machine, err = windows.UTF16PtrFromString(`\\` + host); err != nil {
			return nil, fmt.Errorf("name the host: %w", err)
		}
	}
	manager, err := windows.OpenSCManager(machine, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, explained("open the service control manager", err)
	}
	defer closeHandle(manager)
	answers := make([]winsvc.Answer, 0, len(names))
	for _, name := range names {
		service, err := queryService(manager, name)
		answers = append(answers, winsvc.Answer{Name: name, Service: service, Err: err})
	}
	return answers, nil
}

func queryService(manager windows.Handle, name string) (winsvc.Service, error) {
	key, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return winsvc.Service{}, fmt.Errorf("name the service: %w", err)
	}
	handle, err := windows.OpenService(manager, key, windows.SERVICE_QUERY_STATUS|windows.SERVICE_QUERY_CONFIG)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) || errors.Is(err, windows.ERROR_INVALID_NAME) {
		return winsvc.Service{}, winsvc.ErrNoSuchService
	}
	if err != nil {
		return winsvc.Service{}, explained("open the service", err)
	}
	defer closeHandle(handle)
	var status windows.SERVICE_STATUS
	if err := windows.QueryServiceStatus(handle, &status); err != nil {
		return winsvc.Service{}, explained("ask for the state", err)
	}
	service, err := queryConfig(handle)
	service.State = winsvc.State(status.CurrentState)
	return service, err
}

// maxConfig is the largest configuration of a service that Windows returns, in bytes.
const maxConfig = 8 << 10

func queryConfig(handle windows.Handle) (winsvc.Service, error) {
	// Of 64-bit words, because the structure at its beginning holds pointers.
	buffer := make([]uint64, maxConfig/8)
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buffer[0]))
	var needed uint32
	if err := windows.QueryServiceConfig(handle, config, maxConfig, &needed); err != nil {
		return winsvc.Service{}, explained("ask for the configuration", err)
	}
	return winsvc.Service{
		DisplayName: windows.UTF16PtrToString(config.DisplayName),
		StartType:   startType(config.StartType, delayed(handle)),
		ExePath:     windows.UTF16PtrToString(config.BinaryPathName),
		// The list is within the buffer, and ends at the latest with it.
		Dependencies: multiString(config.Dependencies, unsafe.Pointer(&buffer[0]), maxConfig),
	}, nil
}

// delayed reports whether an automatic start is delayed. Windows has no such setting
// for drivers.
func delayed(handle windows.Handle) bool {
	var info windows.SERVICE_DELAYED_AUTO_START_INFO
	var needed uint32
	size := uint32(unsafe.Sizeof(info))
	err := windows.QueryServiceConfig2(handle, windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, (*byte)(unsafe.Pointer(&info)), size, &needed)
	return err == nil && info.IsDelayedAutoStartUp != 0
}

func startType(number uint32, delayed bool) string {
	switch number {
	case windows.SERVICE_BOOT_START:
		return winsvc.Boot
	case windows.SERVICE_SYSTEM_START:
		return winsvc.System
	case windows.SERVICE_AUTO_START:
		if delayed {
			return winsvc.AutomaticDelayed
		}
		return winsvc.Automatic
	case windows.SERVICE_DEMAND_START:
		return winsvc.Manual
	case windows.SERVICE_DISABLED:
		return winsvc.Disabled
	}
	return strconv.FormatUint(uint64(number), 10)
}

// multiString reads the texts of a list that ends with an empty text. It never reads
// beyond the buffer of size bytes that contains the list.
func multiString(list *uint16, buffer unsafe.Pointer, size uintptr) []string {
	offset := uintptr(unsafe.Pointer(list)) - uintptr(buffer)
	if list == nil || offset >= size {
		return nil
	}
	return splitMulti(unsafe.Slice(list, (size-offset)/unsafe.Sizeof(*list)))
}

// explained adds to an error what the call was for, and what to do about common causes.
func explained(what string, err error) error {
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return fmt.Errorf("%s: %w (the account of this service needs the right to query services on that host)", what, err)
	case errors.Is(err, windows.RPC_S_SERVER_UNAVAILABLE):
		return fmt.Errorf("%s: %w (the host is down, its name is wrong, or its firewall refuses remote service management)", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// closeHandle closes a handle that was only used for reading, so errors do not matter.
func closeHandle(handle windows.Handle) { _ = windows.CloseServiceHandle(handle) }
