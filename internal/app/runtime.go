package app

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to four times what is live before it is
// collected. The live heap of the service is small - the journal holds the rest -
// so this costs some tens of megabytes and saves a tenth of the CPU under load.
const gcPercent = 300

// TuneRuntime sets the garbage collector for a process that is the service. An
// operator's GOGC wins.
func TuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
