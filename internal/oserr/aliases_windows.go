package oserr

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// aliases are what Windows says, by what others say.
var aliases = map[syscall.Errno][]syscall.Errno{
	syscall.EADDRINUSE:   {windows.WSAEADDRINUSE},
	syscall.ECONNREFUSED: {windows.WSAECONNREFUSED, windows.ERROR_CONNECTION_REFUSED},
	syscall.ECONNRESET:   {windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.ERROR_CONNECTION_ABORTED, windows.ERROR_NETNAME_DELETED},
	syscall.EPIPE:        {windows.WSAESHUTDOWN, windows.ERROR_BROKEN_PIPE, windows.ERROR_NO_DATA},
	syscall.EHOSTUNREACH: {windows.WSAEHOSTUNREACH, windows.ERROR_HOST_UNREACHABLE},
	syscall.ENETUNREACH:  {windows.WSAENETUNREACH, windows.ERROR_NETWORK_UNREACHABLE},
	syscall.ENOSPC:       {windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL},
	syscall.EDQUOT:       {windows.WSAEDQUOT, windows.ERROR_DISK_QUOTA_EXCEEDED},
	syscall.EROFS:        {windows.ERROR_WRITE_PROTECT},
	syscall.ENOTDIR:      {windows.ERROR_DIRECTORY},
	syscall.ENAMETOOLONG: {windows.ERROR_FILENAME_EXCED_RANGE, windows.ERROR_BUFFER_OVERFLOW},
	syscall.ELOOP:        {windows.ERROR_CANT_RESOLVE_FILENAME},
}
