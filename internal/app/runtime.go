package app

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to four times what is live before it is
// collected. The live heap of the service is small - the journal holds the rest -
// so this trades some tens of megabytes for less work under load.
const gcPercent = 300

// TuneRuntime sets the garbage collector for a process that is the service. An
// operator's GOGC wins.
func TuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
